// `muster broker ca` shows the CAs that the nodes trust, and how far the replacement of one is.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { authoritiesText } from './authorities-text.ts';

export const settings = apiSettings;

export const flags = { output: outputFlag('table', 'json', 'yaml') } satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster broker ca', 'show the CAs and which nodes do not trust the next one yet'],
  ['muster broker ca -o json', 'the same for a script'],
];

export async function run({ load, flags: { output } }: Argv<typeof flags>): Promise<number> {
  const view = await (await requesterApi(load)).authorities.view();
  print(await formatAs(output, view, () => authoritiesText(view)));
  return 0;
}
