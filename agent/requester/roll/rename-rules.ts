// The rename rules say what each step of a rename writes: a copy under the new id, which nobody sees; then the end of the former
// record, at which the copy counts; then what is left to tidy up. They are pure functions.
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { type FormerId, maxFormerIds } from '../../protocol/rename.ts';
import { looksLikeFlag } from '../../protocol/schema.ts';
import { MusterError } from '../../system/errors.ts';
import { bounded, type Decision, readable, refuseForRequester } from './decisions.ts';
import { fingerprintOf } from './node-key.ts';
import type { RecordChange } from './record-change.ts';
import { hasArrived, operationsOf, type StoredRecord } from './stored-record.ts';

/** What an operator wants, and what the requester knows besides. */
export interface RenameWish {
  decision: Decision;
  /** The present time, RFC 3339. */
  at: string;
  /** When the node was last heard, in milliseconds since 1970; undefined when it never was. */
  lastSeenAt: number | undefined;
}

/** What comes next in a rename; `wait` while the former record cannot be read. */
export type RenameStep = 'copy' | 'leave' | 'settle' | 'withdraw' | 'wait' | 'none';

/**
 * Begins a rename: copies the record of `former` to the id `newId`, where the store has `stored`. When the same rename has begun
 * already, it writes nothing. @throws MusterError `not_found`, `bad_state`; `conflict` when the node cannot be renamed, or the id
 * is taken; `usage` for a reason that is too long.
 */
export function beginRename(
  stored: StoredRecord,
  newId: string,
  former: StoredRecord,
  id: string,
  { decision, at, lastSeenAt }: RenameWish,
): RecordChange {
  const state = readable(former, id);
  refuseUnfit(state, id, newId);
  if (isSameRename(stored, id, decision)) return {};
  refuseTaken(stored, id, newId);
  const { reason, actor, claim } = bounded(decision);
  const { Operation, ...claimed } = claim;
  const now: FormerId = {
    ID: id,
    At: at,
    Actor: actor,
    ...claimed,
    Reason: reason,
    ...(lastSeenAt === undefined ? {} : { LastSeenAt: new Date(lastSeenAt).toISOString() }),
  };
  return copyOf(state, former, newId, now, Operation);
}

/** Returns what comes next in the rename by which `stored` came under `newId`. `former` is what its former id has. */
export function nextStep(newId: string, stored: StoredRecord, former: StoredRecord): RenameStep {
  if (!('state' in stored) || !stored.state.Muster?.Arrival) return 'none';
  if (hasArrived(newId, stored.state, former)) return 'settle';
  if (former.kind === 'lost' || former.kind === 'unreadable') return 'wait';
  if (former.kind !== 'record' || isOtherNode(stored.state, former.state)) return 'withdraw';
  return former.revision === stored.state.Muster.Arrival.Revision ? 'leave' : 'copy';
}

/** Copies the former record again, because it has changed since. */
export function copyAgain(newId: string, stored: StoredRecord, former: StoredRecord): RecordChange {
  if (nextStep(newId, stored, former) !== 'copy' || !('state' in stored) || former.kind !== 'record')
    return {};
  const { FormerIDs: [now] = [], Arrival } = stored.state.Muster ?? {};
  return now ? copyOf(former.state, former, newId, now, Arrival?.Operation) : {};
}

/** Ends the former record. At this write, the copy counts. `arriving` is the copy. */
export function leaveId(newId: string, former: StoredRecord, arriving: StoredRecord): RecordChange {
  if (nextStep(newId, arriving, former) !== 'leave' || !('state' in arriving) || former.kind !== 'record')
    return {};
  const { Membership: Previous } = former.state;
  return {
    write: 'renamed',
    change: {
      ...changeOf(arriving.state),
      Previous,
      Current: '',
      NewID: newId,
      ...fingerprintOf(former.state),
    },
  };
}

/** Takes from the copy what only the rename needed. */
export function settle(newId: string, stored: StoredRecord, former: StoredRecord): RecordChange {
  if (nextStep(newId, stored, former) !== 'settle' || !('state' in stored)) return {};
  const { state } = stored;
  const { Arrival: _arrival, ...Muster } = state.Muster ?? {};
  const FormerID = state.Muster?.FormerIDs?.[0]?.ID;
  return {
    write: { ...state, Muster },
    change: {
      ...changeOf(state),
      Previous: '',
      Current: state.Membership,
      ...(FormerID ? { FormerID } : {}),
      ...fingerprintOf(state),
    },
  };
}

/** Takes the copy back, because the former record went in another way. */
export const withdraw = (newId: string, stored: StoredRecord, former: StoredRecord): RecordChange =>
  nextStep(newId, stored, former) === 'withdraw' ? { write: 'withdrawn' } : {};

/** Refuses a node that could not take another id. @throws MusterError `conflict` */
function refuseUnfit(state: NodeState, id: string, newId: string): void {
  refuseForRequester(state, id, 'renamed');
  if (looksLikeFlag(newId))
    throw new MusterError(
      'conflict',
      `the id ${newId} begins with a dash, so a command line takes it for a flag`,
    );
  if (newId === id) throw new MusterError('conflict', `node ${id} has this id already`);
  if (!state.Muster?.PublicKey)
    throw new MusterError(
      'conflict',
      `node ${id} has no key that the requester checks, so it cannot be renamed`,
      {
        hint: 'without a key, nobody could tell that the machine is the same one under another id',
      },
    );
  const { TakesID } = state.Info.Agent ?? {};
  if (TakesID === undefined)
    throw new MusterError(
      'conflict',
      `the agent of node ${id} is of an earlier version, and takes no other id`,
      {
        hint: 'install this version on that machine and start the agent again; then rename the node',
      },
    );
  if (!TakesID)
    throw new MusterError('conflict', `the id of node ${id} is set by node.id on its machine`, {
      hint: 'remove node.id there and start the agent again: it keeps its id; then rename the node',
    });
}

/** Refuses an id that is not free. One of a node that was deleted, forgotten or renamed is. @throws MusterError `conflict` */
function refuseTaken(stored: StoredRecord, id: string, newId: string): void {
  const isRequester = stored.kind === 'record' && stored.state.Info.NodeType === 'Requester';
  const free = isRequester ? '' : `, or first remove that node: muster node delete ${newId}`;
  switch (stored.kind) {
    case 'absent':
    case 'deleted':
    case 'renamed':
      return;
    case 'arriving': {
      const other = stored.state.Muster?.FormerIDs?.[0]?.ID ?? 'another node';
      const text = `the id ${newId} is taken: ${other === id ? 'this node' : other} is being renamed to it`;
      throw new MusterError('conflict', text, { hint: 'try again in a moment, or choose another id' });
    }
    default:
      throw new MusterError(
        'conflict',
        `the id ${newId} is taken: there is a ${isRequester ? 'requester' : 'node'} of this id`,
        {
          hint: `choose another id${free}`,
        },
      );
  }
}

/** The error for a node that was removed or got another id while it was being renamed. `former` is what its id has now. */
export const goneMeanwhile = (id: string, newId: string, former: StoredRecord): MusterError =>
  former.kind === 'renamed'
    ? new MusterError('conflict', `node ${id} was not renamed to ${newId}: it was renamed to ${former.to}`, {
        hint: `if that is wrong: muster node rename ${former.to} ${newId}`,
      })
    : new MusterError('conflict', `node ${id} was not renamed: it was removed from the roll meanwhile`, {
        hint: `see: muster events --node ${id}`,
      });

const isSameRename = (stored: StoredRecord, id: string, { operation }: Decision): boolean =>
  'state' in stored &&
  operation !== undefined &&
  stored.state.Muster?.Arrival?.Operation === operation &&
  stored.state.Muster.FormerIDs?.[0]?.ID === id;

// The session ends with the former id: the agent registers under the new one.
function copyOf(
  state: NodeState,
  former: StoredRecord,
  newId: string,
  now: FormerId,
  operation: string | undefined,
): RecordChange {
  const { Session, Instance, Attempt, Changes, Operations, Operation, Store, ...kept } = state.Muster ?? {};
  const earlier = (kept.FormerIDs ?? []).filter(({ ID }) => ID !== newId && ID !== now.ID);
  return {
    write: {
      ...state,
      Info: { ...state.Info, NodeID: newId },
      Muster: {
        ...kept,
        FormerIDs: [now, ...earlier].slice(0, maxFormerIds),
        Arrival: { Revision: former.revision, ...(operation ? { Operation: operation } : {}) },
      },
    },
    operations: [...operationsOf(former), ...(operation ? [`renamed ${operation}`] : [])],
  };
}

/** Returns what the changes under both ids have in common. */
function changeOf({ Muster }: NodeState): Pick<RecordedChange, 'Kind' | 'Revision' | 'At' | 'Coalesced'> {
  const { FormerIDs: [now] = [], Arrival } = Muster ?? {};
  return {
    Kind: 'renamed',
    Revision: 0,
    At: now?.At ?? '',
    ...(now?.Reason ? { Reason: now.Reason } : {}),
    ...(now?.Actor ? { Actor: now.Actor } : {}),
    ...(now?.ClaimedActor ? { ClaimedActor: now.ClaimedActor } : {}),
    ...(Arrival?.Operation ? { Operation: Arrival.Operation } : {}),
  };
}

// An earlier version may have deleted the node, and let another one in under its id. A new key alone makes no other node.
const isOtherNode = (copy: NodeState, former: NodeState): boolean =>
  copy.Muster?.PublicKey !== former.Muster?.PublicKey &&
  copy.Muster?.FirstRegisteredAt !== former.Muster?.FirstRegisteredAt;
