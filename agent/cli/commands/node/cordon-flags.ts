// The flags that `muster node cordon` and `drain` have in common, and what they mean for the requester.
import { duration } from '../../../config/kind.ts';
import type { DecisionBody } from '../../../protocol/http.ts';
import type { FlagTable } from '../../line/command.ts';
import type { Target } from './carry-out.ts';
import { messageFlag } from './message-flag.ts';

/** The kind of a time in a cordon: as many hours as a year has, at most. */
export const cordonTime = duration(1_000, 366 * 24 * 3_600_000);

export const cordonFlags = {
  message: messageFlag,
  for: {
    value: 'TIME',
    kind: cordonTime,
    help: 'time after which it ends by itself, like 2h; without it, never',
  },
} as const satisfies FlagTable;

/** Returns the members of a decision for times in milliseconds. Parts of a second count as a whole one. */
export const wishOf = (given: {
  for?: number | undefined;
  deadline?: number | undefined;
}): Pick<DecisionBody, 'ForSeconds' | 'DeadlineSeconds'> => ({
  ...(given.for === undefined ? {} : { ForSeconds: Math.ceil(given.for / 1000) }),
  ...(given.deadline === undefined ? {} : { DeadlineSeconds: Math.ceil(given.deadline / 1000) }),
});

/**
 * Returns the command that takes a cordon or a drain back. A node that was cordoned before is not in it: uncordoned, it would not
 * be what it was.
 */
export const endNewCordons = (targets: readonly Target[]): { path: string; ids: string[] } => ({
  path: 'node uncordon',
  ids: targets.flatMap(({ id, node }) => (node?.Muster?.Cordon ? [] : id)),
});
