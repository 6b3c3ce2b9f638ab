// The decision rules say what an operator's approve, reject or delete changes in a node's record. They are pure functions.

import type { LabelChange } from '../../protocol/label.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { ChoosesNode } from '../../protocol/node-filter.ts';
import type { Membership, NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { rememberedOperations } from '../../protocol/operation.ts';
import { MusterError } from '../../system/errors.ts';
import { fingerprintOf, normalFingerprint } from './node-key.ts';
import { operationsOf, type StoredRecord } from './stored-record.ts';

/** The reason of an operator's decision, and the operator. */
export interface Decision {
  reason: string;
  /** The operator whose token was shown. */
  actor: string;
  /** What the caller says of itself, such as `ada@desk`. Nothing proves it. */
  claimedActor?: string;
  /** The id of the operation. A decision that is repeated under its id is not carried out again. */
  operation?: string;
  /**
   * Returns whether nobody waits for the answer any more. Such a decision is not carried out: whoever wanted it may have
   * decided otherwise since, at another requester.
   */
  isGivenUp?(): boolean;
  /** Whether the operator named the node by its whole id, so that a beginning of an id is refused. */
  isExact?: boolean;
  /**
   * The fingerprint that the operator saw. The decision is refused when the node has another key by now. Empty when the
   * operator named none.
   */
  fingerprint?: string;
  /** What the node was when it was shown to the operator, in a selection. `onlyAsShown` compares it. */
  shown?: Shown;
  /** Whether the key of a node that is deleted is banned too. */
  isBan?: boolean;
}

/** What was shown of a node, as in a selection. A decision rests on each member that is there. */
export interface Shown {
  membership?: Membership;
  /** The shortest silence that the selection asked for, in milliseconds. */
  silentForMs?: number;
  /** The last operation about the node. */
  operation?: string;
  /** When its cordon was decided or changed last (RFC 3339); empty when it had none. */
  cordonAt?: string;
  /** Some of the labels of the control plane; null for one that was not there. */
  labels?: LabelChange;
  /** The other filters of the selection. */
  isChosen?: ChoosesNode;
}

/**
 * Returns what a decision writes in place of a record; nothing when the record says that the operation has decided already. `name` is the text that the operator typed, for the messages;
 * `now` is RFC 3339. @throws MusterError `not_found`; `conflict` when the rule does not allow the decision, when the
 * node has another key than the operator saw, or when the operation has decided something else; `bad_state` a record that cannot be read or that the store lost; `usage`
 * for a reason that is too long.
 */
export type DecisionRule = (
  stored: StoredRecord,
  name: string,
  decision: Decision,
  now: string,
) => { write: NodeState | 'deleted' | 'forgotten'; change: RecordedChange } | typeof nothing;

/** Length of the longest reason that a record may contain, in characters. */
export const maxReasonLength = 1024;
const maxActorLength = 256;

/** What a decision changes that was carried out before. */
export const nothing: { write?: undefined; change?: undefined } = {};

export const approveNode = ((stored, name, decision, now) => {
  if (isRepeated(stored, name, decision, 'approved')) return nothing;
  return withMembership('APPROVED', readable(stored, name), name, decision, now);
}) satisfies DecisionRule;

export const rejectNode = ((stored, name, decision, now) => {
  if (isRepeated(stored, name, decision, 'rejected')) return nothing;
  const state = readable(stored, name);
  if (state.Membership !== 'REJECTED') refuseForRequester(state, name, 'rejected');
  return withMembership('REJECTED', state, name, decision, now);
}) satisfies DecisionRule;

/** Deletes a node. A record that cannot be read, or that the store lost, can be deleted too. */
export const deleteNode = ((stored, name, decision, now) => {
  if (isRepeated(stored, name, decision, 'deleted')) return nothing;
  const isThere = stored.kind !== 'unreadable' && stored.kind !== 'lost';
  if (isThere) refuseForRequester(readable(stored, name), name, 'deleted while it runs');
  return deleteRequester(stored, name, decision, now);
}) satisfies DecisionRule;

/** Deletes what `deleteNode` deletes, and also a requester. The caller has made sure that it does not run. */
export const deleteRequester = ((stored, name, decision, now) => {
  if (isRepeated(stored, name, decision, 'deleted')) return nothing;
  requireFingerprint(stored, name, decision);
  const change = changeBy(decision, {
    Kind: 'deleted',
    At: now,
    Previous: membershipBefore(stored),
    Current: '',
    ...(decision.isBan ? { Banned: true } : {}),
    ...(stored.kind === 'record' ? fingerprintOf(stored.state) : {}),
  });
  return { write: 'deleted' as const, change };
}) satisfies DecisionRule;

/** Returns the rule that gives a node another key. Membership, labels and history stay. */
export const rekeyNode = (key: string): DecisionRule =>
  ((stored, name, decision, now) => {
    if (isRepeated(stored, name, decision, 'rekeyed')) return nothing;
    const state = readable(stored, name);
    refuseForRequester(state, name, 'rekeyed');
    if (state.Muster?.PublicKey === key)
      throw new MusterError('conflict', `node ${name} has this key already`);
    const { Fingerprint: before } = fingerprintOf(state);
    const change = changeBy(decision, {
      ...changeIn(state, 'rekeyed', now),
      Fingerprint: fingerprint(key),
      ...(before ? { PreviousFingerprint: before } : {}),
    });
    return { write: { ...state, Muster: { ...state.Muster, PublicKey: key } }, change };
  }) satisfies DecisionRule;

export const notFound = (name: string, hint?: string | undefined): MusterError =>
  new MusterError('not_found', `node not found: ${name}`, hint ? { hint } : {});

/** Says where a node went that was renamed. */
export const newIdHint = (to: string): string => `it was renamed to ${to}: use that id`;

/** Returns the error for an id whose record is to be rebuilt although the store has it. */
export const notLost = (id: string): MusterError =>
  new MusterError('not_found', `the store did not lose the record of node ${id}`);

/** Returns the error for a decision whose caller went away before it was carried out. */
export const givenUp = (name: string): MusterError =>
  new MusterError('failed', `nothing was decided about node ${name}: the caller went away before`, {
    nothingDone: true,
  });

/** Returns the error for a decision that was not begun, because the store may have lost the record that it is about. */
export const comparing = (cause: unknown): MusterError =>
  new MusterError(
    'unreachable',
    'nothing was decided: the store may have lost records, and is being compared with its events',
    { hint: 'try again in a moment; the log of the requester says more', cause, nothingDone: true },
  );

/** Returns the error for a stored record that is no record of a node on the roll. */
export function unusable(stored: StoredRecord, name: string): MusterError {
  if (stored.kind === 'unreadable') {
    return new MusterError('bad_state', `the record of node ${name} cannot be read`, {
      hint: `delete it with: muster node delete ${name}`,
    });
  }
  if (stored.kind === 'renamed') return notFound(name, newIdHint(stored.to));
  if (stored.kind !== 'lost') return notFound(name);
  return new MusterError('bad_state', `the store lost the record of node ${name}`, {
    hint: 'put it back with: muster store rebuild',
  });
}

function withMembership(
  membership: Extract<Membership, 'APPROVED' | 'REJECTED'>,
  state: NodeState,
  name: string,
  decision: Decision,
  now: string,
): { write: NodeState; change: RecordedChange } {
  requireFingerprint({ kind: 'record', revision: 0, state }, name, decision);
  if (state.Membership === membership) {
    throw new MusterError('conflict', `node ${name} already ${membership.toLowerCase()}`);
  }
  const { reason, actor } = bounded(decision);
  const action = membership === 'APPROVED' ? 'approve' : 'reject';
  return {
    write: {
      ...state,
      Membership: membership,
      Muster: {
        ...state.Muster,
        Decision: { Action: action, Reason: reason, Actor: actor, ...claimedOf(decision), At: now },
      },
    },
    change: changeBy(decision, {
      ...changeIn(state, membership === 'APPROVED' ? 'approved' : 'rejected', now),
      Current: membership,
    }),
  };
}

// The key may have been exchanged since the operator looked, and the operator may have compared the wrong one.
function requireFingerprint(stored: StoredRecord, name: string, decision: Decision): void {
  const seen = normalFingerprint(decision.fingerprint ?? '');
  if (seen === '') return;
  const present = stored.kind === 'record' ? fingerprintOf(stored.state).Fingerprint : undefined;
  if (present === seen) return;
  const text = present
    ? `nothing was decided: node ${name} has the key ${present}, and not ${seen}`
    : `nothing was decided: node ${name} has no key that the requester checks, and so not ${seen}`;
  throw new MusterError('conflict', text, {
    hint: `compare it with: muster status, on that machine; and with: muster node describe ${name}`,
  });
}

/**
 * Returns whether the operation of a decision has decided this about the node before. @throws MusterError `conflict` when it
 * has decided something else.
 */
export function isRepeated(
  stored: StoredRecord,
  name: string,
  { operation, isBan = false }: Pick<Decision, 'operation' | 'isBan'>,
  kind: RecordedChange['Kind'],
): boolean {
  if (operation === undefined) return false;
  const found = rememberedOperations(operationsOf(stored)).find(each => each.operation === operation);
  if (!found || (found.kind === kind && found.isBan === isBan)) return found !== undefined;
  const more = found.isBan ? ', and its key banned' : isBan ? ', and its key not banned' : '';
  throw new MusterError(
    'conflict',
    `operation ${operation} was another decision: ${name} was ${found.kind}${more}`,
    {
      hint: 'make a new id for each decision',
    },
  );
}

const claimedOf = ({ claimedActor }: Decision): { ClaimedActor?: string } =>
  claimedActor ? { ClaimedActor: claimedActor.slice(0, maxActorLength) } : {};

/** Returns the texts of a decision for a record and a change. @throws MusterError `usage` for a reason that is too long */
export function bounded(decision: Decision) {
  const { reason, actor, operation } = decision;
  if (reason.length <= maxReasonLength) {
    const claim = { ...claimedOf(decision), ...(operation ? { Operation: operation } : {}) };
    return { reason, actor: actor.slice(0, maxActorLength), claim };
  }
  throw new MusterError(
    'usage',
    `the reason has ${reason.length} characters; at most ${maxReasonLength} are kept`,
  );
}

/** Returns a change that leaves the membership as it is, before anybody is named who made it. */
export const changeIn = (state: NodeState, kind: RecordedChange['Kind'], at: string): RecordedChange => ({
  Kind: kind,
  Revision: 0,
  At: at,
  Previous: state.Membership,
  Current: state.Membership,
  ...fingerprintOf(state),
});

/**
 * Returns a change with who decided it, why, and under which operation. It has no revision before it is written. @throws
 * MusterError `usage` for a reason that is too long
 */
export function changeBy(decision: Decision, change: Omit<RecordedChange, 'Revision'>): RecordedChange {
  const { reason, actor, claim } = bounded(decision);
  return { ...(reason ? { Reason: reason } : {}), Actor: actor, ...claim, ...change, Revision: 0 };
}

/** Returns the record of a node on the roll. @throws MusterError `not_found`, `bad_state` */
export function readable(stored: StoredRecord, name: string): NodeState {
  if (stored.kind === 'record') return stored.state;
  throw unusable(stored, name);
}

function membershipBefore(stored: StoredRecord): Membership | '' {
  if (stored.kind === 'lost') return stored.announced.membership;
  return stored.kind === 'record' ? stored.state.Membership : '';
}

/** Refuses a decision about a requester; `done` says what would be done to it. @throws MusterError `conflict` */
export function refuseForRequester(state: NodeState, name: string, done: string): void {
  if (state.Info.NodeType !== 'Requester') return;
  throw new MusterError('conflict', `node ${name} is a requester: it cannot be ${done}`);
}
