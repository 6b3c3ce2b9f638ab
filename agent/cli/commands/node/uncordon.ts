// `muster node uncordon` lets a cordoned node have work again.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';

export const settings = apiSettings;

export const operands = { id: 'the whole id of a node' };

export const flags = {
  message: { value: 'TEXT', short: 'm', help: 'the reason; at most 1024 characters' },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node uncordon node-1', 'let node-1 have work again'],
  ['muster node uncordon node-1 -m "the new disk is in"', 'record the reason in the event'],
];

export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const { message = '' } = argv.flags;
  const api = await requesterApi(argv.load);
  await api.decide(argv.operands.id, { Action: 'uncordon', Message: message, Actor: actor() });
  print('Ok\n');
  return 0;
}
