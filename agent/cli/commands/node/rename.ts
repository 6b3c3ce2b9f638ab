// `muster node rename` gives a node another id. Membership, labels, key and history go with it.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import { nodeIdPattern, nodeIdRule } from '../../../protocol/schema.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { messageFlag } from './message-flag.ts';

export const settings = apiSettings;

export const operands = { id: 'the whole id of a node', 'new-id': 'the id that it gets' };

export const flags = {
  message: messageFlag,
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node rename n-4c1f rack3-gpu7', 'give a node an id that people can say'],
  ['muster node rename gpu-8 gpu-7 -m "takes its place"', 'record the reason in the events'],
];

/** Renames the node. Throws MusterError `usage` for text that is no id of a node. */
export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const { id, 'new-id': newId } = argv.operands;
  const { message = '' } = argv.flags;
  if (!nodeIdPattern.test(newId))
    throw new MusterError('usage', `"${printable(newId, 128)}" is no id of a node`, { hint: nodeIdRule });
  const api = await requesterApi(argv.load);
  await api.decide(id, { Action: 'rename', Message: message, Actor: actor(), NewID: newId });
  print('Ok\n');
  return 0;
}
