// `muster node uncordon` lets cordoned nodes have work again.
import { apiSettings } from '../../../api/client.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { chosenIds, selectionFlags } from './choose-nodes.ts';
import { decideAbout } from './decide-about.ts';
import { messageFlag } from './message-flag.ts';

export const settings = apiSettings;

export const rest = chosenIds;

export const flags = {
  message: messageFlag,
  ...selectionFlags,
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node uncordon node-1 -m "the new disk is in"', 'let node-1 have work again'],
  ['muster node uncordon --labels rack=b7', 'a whole rack, after a look'],
];

export function run(argv: Argv<typeof flags>): Promise<number> {
  const { message = '' } = argv.flags;
  return decideAbout(argv, api => ({
    path: 'node uncordon',
    asks: { Action: 'uncordon' },
    verb: 'uncordon',
    done: 'uncordoned',
    flags,
    leaveOut: ({ Muster }) => (Muster?.Cordon ? undefined : 'not cordoned'),
    async act({ id, ...shown }, operation) {
      const body = { Action: 'uncordon', Message: message, Actor: actor() } as const;
      await api.decide(id, body, { operation, ...shown });
    },
  }));
}
