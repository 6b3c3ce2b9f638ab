// The membership rules decide what a node's request changes in its record. They are pure functions.
import type { AnswerCode } from '../../protocol/answers.ts';
import { reasons } from '../../protocol/answers.ts';
import type { RegisterRequest, Sender } from '../../protocol/messages.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import { type NodeInfo, staticInfo } from '../../protocol/node-info.ts';
import {
  type Membership,
  type MusterState,
  type NodeState,
  neverConnected,
  type RecordedChange,
} from '../../protocol/node-state.ts';
import { looksLikeFlag } from '../../protocol/schema.ts';
import { keepUnknown } from '../../protocol/unknown-members.ts';
import { infoDiffers, isTooLarge, tooLarge, updatedChange } from './info-rules.ts';
import { fingerprintOf } from './node-key.ts';
import { isForgotten, lastRegistrationOf, type StoredRecord } from './stored-record.ts';

export interface RegistrationPolicy {
  manualApproval: boolean;
  /** The present time, RFC 3339. */
  now: string;
  /** The session that this registration opens. */
  session: string;
  /** The key that is pinned to the node; undefined when the broker checks no keys. */
  publicKey: string | undefined;
  /** The join code with which the node came in; undefined when it came in by another way. */
  joinedBy?: JoinedBy | undefined;
}

/** A join code, what it gives to a node, and when the node came in with it (RFC 3339). */
export interface JoinedBy {
  code: string;
  /** Whether the node is approved at its first registration. */
  approve: boolean;
  labels: Readonly<Record<string, string>>;
  at: string;
}

/** The result of a node's request: the answer to the node, and the record to write. */
export interface RequestOutcome {
  accepted: boolean;
  code: AnswerCode;
  reason: string;
  /** The record to write; absent when nothing changes in the store. */
  write?: NodeState;
  /** The change to announce; absent when nothing changed that other systems need to know. */
  change?: RecordedChange;
}

/** Decides about a node that registers, for the first time or again. */
export function register(
  stored: StoredRecord,
  { Info, Muster }: RegisterRequest,
  policy: RegistrationPolicy,
): RequestOutcome {
  if (stored.kind === 'unreadable') return unreadableRecord(Info.NodeID);
  if (stored.kind === 'lost') return lostRecord(Info.NodeID);
  if (stored.kind === 'arriving') return beingRenamed(Info.NodeID);
  if (stored.kind === 'renamed' && isSameKey(stored, policy.publicKey))
    return wasRenamed(Info.NodeID, stored.to);
  if (Info.NodeType !== 'Compute') return refusal('not_compute', reasons.notCompute);
  if (stored.kind === 'record' && stored.state.Info.NodeType === 'Requester') {
    return usesRequesterId(Info.NodeID);
  }
  if (stored.kind === 'absent' && looksLikeFlag(Info.NodeID))
    return refusal('malformed', flagLike(Info.NodeID));
  if (isTooLarge(Info)) return refusal('malformed', tooLarge);
  const before = stored.kind === 'record' ? stored.state : undefined;
  if (isOvertaken(Muster, stored)) return refusal('unavailable', reasons.overtaken);
  // A record that Bacalhau wrote may have no membership. Its node is treated as new.
  const isNew = !before?.Membership;
  const joined = isNew && isFirstSince(stored, policy.joinedBy) ? policy.joinedBy : undefined;
  const fresh = policy.manualApproval && !joined?.approve ? 'PENDING' : 'APPROVED';
  const membership: Membership = before?.Membership || fresh;
  const rejected = membership === 'REJECTED';
  const registered: NodeState = {
    Info: rejected && before ? before.Info : keepUnknown(staticInfo(Info), before?.Info),
    Membership: membership,
    Connection: 'DISCONNECTED',
    ConnectionState: { ...(before?.ConnectionState ?? neverConnected), Status: 'DISCONNECTED' },
    Muster: {
      ...before?.Muster,
      // A Bacalhau node gets no session, because its messages carry none.
      Session: Muster ? policy.session : undefined,
      Instance: Muster?.Instance,
      Attempt: Muster?.Attempt,
      BootID: Muster?.BootID,
      Version: Muster?.Version,
      RegisteredAt: policy.now,
      ...(isNew ? { FirstRegisteredAt: policy.now } : {}),
      ...(stored.kind === 'deleted' && stored.tombstone ? { Former: stored.tombstone } : {}),
      PublicKey: policy.publicKey ?? before?.Muster?.PublicKey,
      ...(joined ? fromCode(joined, policy.now) : {}),
    },
  };
  const state = keepUnknown(registered, before);
  if (rejected) return { ...refusal('rejected', reasons.rejected), write: state };
  if (isNew) {
    const change: RecordedChange = {
      Kind: 'registered',
      Revision: 0,
      At: policy.now,
      Previous: '',
      Current: membership,
      Actor: joined?.approve ? codeActor(joined) : Info.NodeID,
      ...(joined ? { JoinCode: joined.code } : {}),
      ...fingerprintOf(state),
    };
    return { accepted: true, code: 'registered', reason: reasons.registered, write: state, change };
  }
  return {
    accepted: true,
    code: 'reconnected',
    reason: reasons.reconnected,
    write: state,
    ...(infoDiffers(before.Info, Info) ? { change: updatedChange(before, policy.now) } : {}),
  };
}

/**
 * Returns whether the same process has registered again since it sent this. A registration may have waited in a requester or a
 * server that was suspended. Carried out now, it would end the session of the later one, and the node would have to register
 * once more. It would also bring back a node that was deleted since the later one.
 */
function isOvertaken(sender: Sender | undefined, stored: StoredRecord): boolean {
  const last = lastRegistrationOf(stored);
  return (
    sender?.Attempt !== undefined &&
    last !== undefined &&
    sender.Instance === last.instance &&
    sender.Attempt < last.attempt
  );
}

/** Returns whether a node that is not on the roll came in with the code after it was last deleted. */
const isFirstSince = (stored: StoredRecord, joined: JoinedBy | undefined): boolean =>
  stored.kind !== 'deleted' ||
  (joined !== undefined && stored.at !== undefined && Date.parse(joined.at) > Date.parse(stored.at));

/** Returns what a record keeps of the code with which its node came in. */
function fromCode(joined: JoinedBy, now: string): Partial<MusterState> {
  const { code, approve, labels } = joined;
  return {
    JoinCode: code,
    ...(Object.keys(labels).length > 0 ? { Labels: { ...labels } } : {}),
    ...(approve ? { Decision: { Action: 'approve', Reason: '', Actor: codeActor(joined), At: now } } : {}),
  };
}

/** Who approves a node whose code allows it. */
const codeActor = ({ code }: JoinedBy): string => `join code ${code}`;

/** Decides about the information that a node on the roll sends. It is written only when it differs. */
export function updateInfo(stored: StoredRecord, info: NodeInfo, now: string): RequestOutcome {
  if (stored.kind !== 'record') return unknownNode(stored, info.NodeID);
  if (stored.state.Membership === 'REJECTED') return refusal('rejected', reasons.updateRejected);
  if (stored.state.Info.NodeType !== info.NodeType) return refusal('not_compute', reasons.notCompute);
  const accepted: RequestOutcome = { accepted: true, code: 'known', reason: '' };
  if (!infoDiffers(stored.state.Info, info)) return accepted;
  if (isTooLarge(info)) return refusal('malformed', tooLarge);
  return {
    ...accepted,
    write: { ...stored.state, Info: keepUnknown(staticInfo(info), stored.state.Info) },
    change: updatedChange(stored.state, now),
  };
}

/**
 * Refuses a node that uses the id of the requester. An agent on the requester's own machine may do so, because both take
 * their id from `node.id` or from the host's name.
 */
export const usesRequesterId = (id: string): RequestOutcome =>
  refusal(
    'conflict',
    `${id} is the id of a requester: give the node another, by node.id or MUSTER_NODE_ID, and start it again`,
  );

const flagLike = (id: string): string =>
  `the id ${id} begins with a dash, so a command line takes it for a flag: give the node another, by node.id or MUSTER_NODE_ID, and start it again`;

/** Refuses a new node because there is no room for it. */
export const noRoom = (manualApproval: boolean): RequestOutcome =>
  refusal(
    'full',
    manualApproval
      ? 'too many nodes are pending approval (requester.maxPending); approve, reject or delete some'
      : 'too many nodes registered within an hour to approve them without an operator (requester.maxPending); try again later',
  );

/**
 * Removes a PENDING node from the roll, to make room for a newer one. `requester` is the id of the requester, `now` is
 * RFC 3339. Nothing is written when the node is not PENDING any more.
 */
export function giveWay(
  stored: StoredRecord,
  requester: string,
  now: string,
): { write?: 'expired'; change?: RecordedChange } {
  if (stored.kind !== 'record' || stored.state.Membership !== 'PENDING') return {};
  const change: RecordedChange = {
    Kind: 'expired',
    Revision: 0,
    At: now,
    Previous: 'PENDING',
    Current: '',
    Reason: 'gave way to newer registrations (requester.maxPending)',
    Actor: requester,
    ...fingerprintOf(stored.state),
  };
  return { write: 'expired', change };
}

/** Refuses for now a node on the roll that registered too often. `waitMs` is the time until it may register again. */
export const tooOften = (nodeId: string, waitMs: number): RequestOutcome =>
  refusal(
    'unavailable',
    `node ${nodeId} registered too often in a short time; try again in ${Math.ceil(waitMs / 1000)} s`,
  );

/** Refuses a node that is not on the roll: it was deleted, or it has to register first. One that was forgotten is not told. */
export function unknownNode(stored: StoredRecord, nodeId: string): RequestOutcome {
  if (stored.kind === 'deleted' && !isForgotten(stored)) return refusal('deleted', reasons.deleted);
  if (stored.kind === 'unreadable') return unreadableRecord(nodeId);
  if (stored.kind === 'lost') return lostRecord(nodeId);
  return refusal('handshake_required', reasons.handshakeRequired(nodeId));
}

/** Refuses a message whose session is not the one of the node's record: its sender has to register. */
export const otherSession = (nodeId: string): RequestOutcome =>
  refusal('handshake_required', reasons.handshakeRequired(nodeId));

const unreadableRecord = (nodeId: string): RequestOutcome =>
  refusal('unavailable', `the record of node ${nodeId} cannot be read; delete it to start anew`);

/** Refuses a node while its id is given to another node, or taken from one. */
export const beingRenamed = (nodeId: string): RequestOutcome =>
  refusal('unavailable', `a node is being renamed to or from ${nodeId}; try again`);

// The broker still lets the node speak under its former id for a moment.
const wasRenamed = (nodeId: string, to: string): RequestOutcome =>
  refusal('unavailable', `node ${nodeId} was renamed to ${to}`);

const isSameKey = (
  stored: Extract<StoredRecord, { kind: 'renamed' }>,
  publicKey: string | undefined,
): boolean => publicKey !== undefined && fingerprint(publicKey) === stored.fingerprint;

/** Refuses a node while nobody knows whether the store lost its record. */
export const notComparedYet: RequestOutcome = {
  accepted: false,
  code: 'unavailable',
  reason: 'the store may have lost records, and is being compared with its events; try again',
};

const lostRecord = (nodeId: string): RequestOutcome =>
  refusal(
    'unavailable',
    `the store lost the record of node ${nodeId}; an operator puts it back with: muster store rebuild`,
  );

const refusal = (code: AnswerCode, reason: string): RequestOutcome => ({ accepted: false, code, reason });
