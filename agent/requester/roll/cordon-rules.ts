// The cordon rules say what cordon, drain and uncordon change in a node's record, and what the end of a cordon and of a drain
// does. They are pure functions.
import { type Cordon, isDraining } from '../../protocol/cordon.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { MusterError } from '../../system/errors.ts';
import {
  bounded,
  changeBy,
  changeIn,
  type Decision,
  type DecisionRule,
  isRepeated,
  nothing,
  readable,
  refuseForRequester,
} from './decisions.ts';
import type { StoredRecord } from './stored-record.ts';
import { timeAfter } from './time-after.ts';

/** What an operator wants of a cordon. Times are in milliseconds, and absent when none was given. */
export interface CordonWish {
  /** The time after which the cordon ends by itself. */
  forMs?: number | undefined;
  /** The time within which the work of a drained node should be over. */
  deadlineMs?: number | undefined;
}

/** What a rule writes in place of a record, with the change to announce; nothing when the rule no longer applies. */
type CordonOutcome = { write: NodeState; change: RecordedChange } | typeof nothing;

/**
 * Returns the rule that cordons a node, or changes its cordon. Reason and end that are not given stay as they were, and a
 * drain goes on. It throws as every DecisionRule, and `conflict` when it would change nothing, or the cordon would end before the
 * deadline of the drain.
 */
export const cordonNode =
  (wish: CordonWish): DecisionRule =>
  (stored, name, decision, now) =>
    keepWorkAway(stored, name, decision, now, wish, 'cordoned');

/** Returns the rule that cordons a node and awaits the end of its work. It throws as `cordonNode`. */
export const drainNode =
  (wish: CordonWish): DecisionRule =>
  (stored, name, decision, now) =>
    keepWorkAway(stored, name, decision, now, wish, 'draining');

/** Ends the cordon of a node, and with it a drain. */
export const uncordonNode = ((stored, name, decision, now) => {
  if (isRepeated(stored, name, decision, 'uncordoned')) return nothing;
  const state = readable(stored, name);
  if (!state.Muster?.Cordon) throw new MusterError('conflict', `node ${name} is not cordoned`);
  const at = timeAfter(new Date(now), state.Muster.Cordon.At);
  return withCordon(state, undefined, changeBy(decision, changeIn(state, 'uncordoned', at)));
}) satisfies DecisionRule;

/**
 * Ends a cordon whose time is over. `until` is the end that has come: an operator may have ended the cordon or given it
 * another end since, and then nothing changes. `requester` ends it; `now` is RFC 3339.
 */
export function endCordon(
  stored: StoredRecord,
  until: string,
  requester: string,
  now: string,
): CordonOutcome {
  const state = stored.kind === 'record' ? stored.state : undefined;
  if (state?.Muster?.Cordon?.Until !== until) return nothing;
  return withCordon(state, undefined, {
    ...changeIn(state, 'uncordoned', timeAfter(new Date(now), state.Muster.Cordon.At)),
    Reason: 'its time is over',
    Actor: requester,
  });
}

/**
 * Ends the drain that began at `drainAt`, because the node says that it runs nothing any more. Nothing changes when the drain
 * is over, or is another one.
 */
export function endDrain(stored: StoredRecord, drainAt: string, now: string): CordonOutcome {
  const state = stored.kind === 'record' ? stored.state : undefined;
  const cordon = state?.Muster?.Cordon;
  if (!state || !cordon?.Drain || !isDraining(cordon) || cordon.Drain.At !== drainAt) return nothing;
  const at = timeAfter(new Date(now), cordon.Drain.At);
  const { reason, actor } = { reason: 'it says that it runs nothing any more', actor: state.Info.NodeID };
  return withCordon(
    state,
    { ...cordon, Drain: { ...cordon.Drain, DrainedAt: at } },
    { ...changeIn(state, 'drained', at), Reason: reason, Actor: actor },
  );
}

function keepWorkAway(
  stored: StoredRecord,
  name: string,
  decision: Decision,
  now: string,
  { forMs, deadlineMs }: CordonWish,
  goal: 'cordoned' | 'draining',
): CordonOutcome {
  if (isRepeated(stored, name, decision, 'cordoned')) return nothing;
  const state = readable(stored, name);
  refuseForRequester(state, name, 'cordoned');
  if (goal === 'draining' && state.Membership === 'REJECTED') throw cannotDrain(name);
  const before = state.Muster?.Cordon;
  const isNewDrain = goal === 'draining' && !before?.Drain;
  const { reason, actor, claim } = bounded(decision);
  const isChanged =
    (reason !== '' && reason !== before?.Reason) || forMs !== undefined || deadlineMs !== undefined;
  if (before && !isNewDrain && !isChanged) throw alreadyCordoned(name, before);
  const at = timeAfter(new Date(now), before?.At);
  const after = (ms: number) => new Date(Date.parse(at) + ms).toISOString();
  const until = forMs === undefined ? before?.Until : after(forMs);
  const drain = isNewDrain ? { At: at } : before?.Drain;
  const { Operation: _operation, ...claimed } = claim;
  const cordon: Cordon = {
    ...before,
    Reason: reason || (before?.Reason ?? ''),
    Actor: actor,
    ClaimedActor: undefined,
    ...claimed,
    At: at,
    ...(until ? { Until: until } : {}),
    ...(drain
      ? { Drain: { ...drain, ...(deadlineMs === undefined ? {} : { Deadline: after(deadlineMs) }) } }
      : {}),
  };
  const { Until, Drain } = cordon;
  if (forMs !== undefined || deadlineMs !== undefined) refuseEarlyEnd(name, cordon);
  const change = changeBy(decision, {
    ...changeIn(state, 'cordoned', at),
    ...(cordon.Reason ? { Reason: cordon.Reason } : {}),
    Cordon: {
      ...(Until ? { Until } : {}),
      ...(Drain ? { Drain: true } : {}),
      ...(Drain?.Deadline ? { Deadline: Drain.Deadline } : {}),
    },
  });
  return withCordon(state, cordon, change);
}

const withCordon = (
  state: NodeState,
  cordon: Cordon | undefined,
  change: RecordedChange,
): { write: NodeState; change: RecordedChange } => ({
  write: { ...state, Muster: { ...state.Muster, Cordon: cordon } },
  change,
});

// Whoever gives a deadline wants no new work there until then.
function refuseEarlyEnd(name: string, { Until, Drain }: Cordon): void {
  const { Deadline, DrainedAt } = Drain ?? {};
  if (!Until || !Deadline || DrainedAt || Date.parse(Until) >= Date.parse(Deadline)) return;
  throw new MusterError(
    'conflict',
    `the cordon of node ${name} would end at ${Until}, before the deadline of its drain at ${Deadline}`,
    { hint: 'give a longer --for, or a shorter --deadline' },
  );
}

function alreadyCordoned(name: string, cordon: Cordon): MusterError {
  const { Reason, Drain } = cordon;
  const what = Drain ? (Drain.DrainedAt ? 'already drained' : 'already draining') : 'already cordoned';
  const changes = isDraining(cordon)
    ? 'reason (-m), end (--for) or deadline (--deadline)'
    : 'reason (-m) or end (--for)';
  return new MusterError('conflict', `node ${name} is ${what}${Reason ? `: ${Reason}` : ''}`, {
    hint: `give another ${changes} to change that; to end it: muster node uncordon ${name}`,
  });
}

const cannotDrain = (name: string): MusterError =>
  new MusterError('conflict', `node ${name} is REJECTED, so it does not report what it runs`, {
    hint: `to keep work away from it once it is approved: muster node cordon ${name}`,
  });
