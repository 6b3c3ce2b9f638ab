// `muster node cordon` keeps new work away from nodes for a while. What runs there goes on.
import { apiSettings } from '../../../api/client.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { chosenIds, selectionFlags } from './choose-nodes.ts';
import { cordonFlags, endNewCordons, wishOf } from './cordon-flags.ts';
import { decideAbout } from './decide-about.ts';

export const settings = apiSettings;

export const rest = chosenIds;

export const flags = { ...cordonFlags, ...selectionFlags } as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node cordon node-1 -m "disk swap" --for 2h', 'keep new work away from node-1 for two hours'],
  ['muster node cordon --labels rack=b7 -m "new switch"', 'from a whole rack, after a look'],
];

export function run(argv: Argv<typeof flags>): Promise<number> {
  const { message = '' } = argv.flags;
  return decideAbout(argv, api => ({
    path: 'node cordon',
    asks: { Action: 'cordon' },
    verb: 'cordon',
    done: 'cordoned',
    flags,
    takenBackBy: endNewCordons,
    async act({ id, ...shown }, operation) {
      const body = { Action: 'cordon', Message: message, Actor: actor(), ...wishOf(argv.flags) } as const;
      await api.decide(id, body, { operation, ...shown });
    },
  }));
}
