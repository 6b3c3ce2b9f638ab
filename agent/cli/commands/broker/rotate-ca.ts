// `muster broker rotate-ca` makes the CA that follows the present one, and tells it to the nodes.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { authoritiesText } from './authorities-text.ts';

export const settings = apiSettings;

export const flags = {
  force: { help: 'use the next CA at the next start, also if some approved nodes do not trust it' },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster broker rotate-ca', 'make the next CA, and tell it to the nodes'],
  ['muster broker rotate-ca --force', 'do not wait for nodes that are away'],
];

export async function run({ load, flags: { force } }: Argv<typeof flags>): Promise<number> {
  const { authorities } = await requesterApi(load);
  print(authoritiesText(await authorities.rotate(force, actor())));
  return 0;
}
