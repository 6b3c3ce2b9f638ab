// `muster node cordon` keeps new work away from a node for a while. What runs there goes on.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { cordonFlags, wishOf } from './cordon-flags.ts';

export const settings = apiSettings;

export const operands = { id: 'the whole id of a node' };

export const flags = cordonFlags satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node cordon node-1 -m "disk swap"', 'keep new work away from node-1'],
  ['muster node cordon node-1 --for 2h', 'for two hours; then it ends by itself'],
];

export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const { message = '' } = argv.flags;
  const api = await requesterApi(argv.load);
  await api.decide(argv.operands.id, {
    Action: 'cordon',
    Message: message,
    Actor: actor(),
    ...wishOf(argv.flags),
  });
  print('Ok\n');
  return 0;
}
