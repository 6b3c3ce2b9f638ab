// Who may take part: the rules of the membership table (design 3) as pure functions from what is known to what is written.
import type { AnswerCode } from '../../protocol/answers.ts';
import { reasons } from '../../protocol/answers.ts';
import { writeJson } from '../../protocol/json.ts';
import { type NodeInfo, staticInfo } from '../../protocol/node-info.ts';
import {
  type Membership,
  type MusterState,
  type NodeState,
  neverConnected,
  type RecordedChange,
} from '../../protocol/node-state.ts';
import { type ErrorCode, MusterError } from '../../system/errors.ts';

/** What the store says of a node id. `revision` is what a write has to name. */
export type Known =
  | { kind: 'absent'; revision: 0 }
  | { kind: 'deleted'; revision: number }
  | { kind: 'record'; revision: number; state: NodeState }
  /** There is a record that nobody can read: it is neither replaced nor counted as absent. */
  | { kind: 'unreadable'; revision: number };

export interface Registration {
  info: NodeInfo;
  /** The muster agent that speaks; absent for a Bacalhau node. */
  sender?: { instance?: string | undefined; bootId?: string | undefined; version: string } | undefined;
}

export interface RegistrationPolicy {
  manualApproval: boolean;
  /** Whether one more node may be PENDING. */
  roomForPending: boolean;
  now: string;
  /** The session that this registration opens. */
  session: string;
}

/** What a rule made of a request: a record to write or none, and what to answer. */
export interface Verdict {
  accepted: boolean;
  code: AnswerCode;
  reason: string;
  /** To be written; absent when nothing changes. */
  write?: NodeState;
  change?: RecordedChange;
}

/** A node's information is at most so many bytes of JSON: a record has to hold more, and is read up to 64 KiB. */
export const maxInfoBytes = 24 * 1024;
/** What a record holds of an operator's words, in characters. */
export const maxReason = 1024;
const maxActor = 256;

/** A node asks to take part, for the first time or again. */
export function register(known: Known, asked: Registration, policy: RegistrationPolicy): Verdict {
  if (known.kind === 'unreadable') {
    return refusal(
      'unavailable',
      `the record of node ${asked.info.NodeID} cannot be read; delete it to start anew`,
    );
  }
  if (asked.info.NodeType !== 'Compute') return refusal('not_compute', reasons.notCompute);
  if (known.kind === 'record' && known.state.Info.NodeType === 'Requester') {
    return requesterId(asked.info.NodeID);
  }
  if (isTooLarge(asked.info)) return refusal('malformed', tooLarge);
  const before = known.kind === 'record' ? known.state : undefined;
  // A record whose membership nobody knows is decided upon as a new one.
  const isNew = !before?.Membership;
  const membership = before?.Membership || (policy.manualApproval ? 'PENDING' : 'APPROVED');
  if (isNew && membership === 'PENDING' && !policy.roomForPending) {
    return refusal(
      'full',
      'too many nodes are pending approval (requester.maxPending); approve, reject or delete some',
    );
  }
  const rejected = membership === 'REJECTED';
  const state: NodeState = {
    Info: rejected && before ? before.Info : staticInfo(asked.info),
    Membership: membership,
    Connection: 'DISCONNECTED',
    ConnectionState: { ...(before?.ConnectionState ?? neverConnected), Status: 'DISCONNECTED' },
    Muster: {
      ...before?.Muster,
      // A Bacalhau node knows no session: its messages carry none.
      Session: asked.sender ? policy.session : undefined,
      Instance: asked.sender?.instance,
      BootID: asked.sender?.bootId,
      Version: asked.sender?.version,
      RegisteredAt: policy.now,
    },
  };
  if (rejected) return { ...refusal('rejected', reasons.rejected), write: state };
  const registered: RecordedChange = {
    Kind: 'registered',
    Revision: 0,
    At: policy.now,
    Previous: '',
    Current: membership,
    Actor: asked.info.NodeID,
  };
  const accepted: Verdict = isNew
    ? { accepted: true, code: 'registered', reason: reasons.registered, write: state, change: registered }
    : { accepted: true, code: 'reconnected', reason: reasons.reconnected, write: state };
  if (!isNew && changedInfo(before, asked.info)) accepted.change = updated(before, policy.now);
  return accepted;
}

/** A node on the roll says what it is now. Only a change is written. */
export function updateInfo(known: Known, info: NodeInfo, now: string): Verdict {
  if (known.kind !== 'record') return unknownNode(known, info.NodeID);
  if (known.state.Membership === 'REJECTED') return refusal('rejected', reasons.updateRejected);
  if (known.state.Info.NodeType !== info.NodeType) return refusal('not_compute', reasons.notCompute);
  const done: Verdict = { accepted: true, code: 'known', reason: '' };
  if (!changedInfo(known.state, info)) return done;
  if (isTooLarge(info)) return refusal('malformed', tooLarge);
  return {
    ...done,
    write: { ...known.state, Info: staticInfo(info) },
    change: updated(known.state, now),
  };
}

/** What a node is told that speaks under a requester's id: beside one, it has the same from `node.id` or the host's name. */
export const requesterId = (id: string): Verdict =>
  refusal(
    'conflict',
    `${id} is the id of a requester: give the node another, by node.id or MUSTER_NODE_ID, and start it again`,
  );

/** What a node that is not on the roll is told: it was deleted, or it has to register. */
export function unknownNode(known: Known, nodeId: string): Verdict {
  if (known.kind === 'deleted') return refusal('deleted', reasons.deleted);
  if (known.kind === 'unreadable') {
    return refusal('unavailable', `the record of node ${nodeId} cannot be read; delete it to start anew`);
  }
  return refusal('handshake_required', reasons.handshakeRequired(nodeId));
}

/** What a node is told that speaks under another registration than its record's. */
export const otherSession = (nodeId: string): Verdict =>
  refusal('handshake_required', reasons.handshakeRequired(nodeId));

export interface Decision {
  action: 'approve' | 'reject';
  reason: string;
  actor: string;
}

/**
 * An operator approves or rejects a node. `name` is what the operator typed, for the sentence.
 * @throws MusterError `not_found`, `conflict` when the rule does not allow it, or `usage` for a reason that is too long.
 */
export function decide(
  known: Known,
  name: string,
  decision: Decision,
  now: string,
): { write: NodeState; change: RecordedChange } {
  const state = readable(known, name);
  const to: Membership = decision.action === 'approve' ? 'APPROVED' : 'REJECTED';
  if (state.Membership === to) {
    throw new MusterError('conflict', `node ${name} already ${to.toLowerCase()}`);
  }
  if (decision.action === 'reject') refuseForRequester(state, name, 'reject');
  const { reason, actor } = words(decision.reason, decision.actor);
  return {
    write: {
      ...state,
      Membership: to,
      Muster: {
        ...state.Muster,
        Decision: { Action: decision.action, Reason: reason, Actor: actor, At: now },
      } satisfies MusterState,
    },
    change: {
      Kind: to === 'APPROVED' ? 'approved' : 'rejected',
      Revision: 0,
      At: now,
      Previous: state.Membership,
      Current: to,
      ...(reason ? { Reason: reason } : {}),
      Actor: actor,
    },
  };
}

/**
 * An operator deletes a node; what the purge marker will say of it. An unreadable record can be deleted too.
 * @throws MusterError `not_found`, `conflict` for a requester, or `usage` for a reason that is too long.
 */
export function remove(known: Known, name: string, why: string, who: string, now: string): RecordedChange {
  if (known.kind !== 'unreadable') refuseForRequester(readable(known, name), name, 'delete');
  const { reason, actor } = words(why, who);
  return {
    Kind: 'deleted',
    Revision: 0,
    At: now,
    Previous: known.kind === 'record' ? known.state.Membership : '',
    Current: '',
    ...(reason ? { Reason: reason } : {}),
    Actor: actor,
  };
}

/** The requester's own record, made or refreshed at its start; undefined when it stands already. */
export function ownRecord(
  known: Known,
  info: NodeInfo,
  now: string,
): { write: NodeState; change: RecordedChange } | undefined {
  const before = known.kind === 'record' ? known.state : undefined;
  if (before && before.Info.NodeType !== 'Requester') {
    throw new MusterError('conflict', `the id ${info.NodeID} belongs to a compute node of this cluster`, {
      hint: 'give the requester another node.id, or delete that node',
    });
  }
  if (before?.Membership === 'APPROVED' && !changedInfo(before, info)) return undefined;
  const write: NodeState = {
    Info: info,
    Membership: 'APPROVED',
    Connection: 'DISCONNECTED',
    ConnectionState: neverConnected,
    Muster: { ...before?.Muster, RegisteredAt: before?.Muster?.RegisteredAt ?? now },
  };
  if (before?.Membership === 'APPROVED') return { write, change: updated(before, now) };
  const change: RecordedChange = {
    Kind: before ? 'approved' : 'registered',
    Revision: 0,
    At: now,
    Previous: before?.Membership ?? '',
    Current: 'APPROVED',
    Actor: info.NodeID,
  };
  return { write, change };
}

const refusal = (code: AnswerCode, reason: string): Verdict => ({ accepted: false, code, reason });

const updated = (state: NodeState, now: string): RecordedChange => ({
  Kind: 'updated',
  Revision: 0,
  At: now,
  Previous: state.Membership,
  Current: state.Membership,
  Actor: state.Info.NodeID,
});

const tooLarge = `the node's information is larger than ${maxInfoBytes} bytes: give it fewer labels`;
const isTooLarge = (info: NodeInfo): boolean => Buffer.byteLength(writeJson(staticInfo(info))) > maxInfoBytes;

function changedInfo(before: NodeState, info: NodeInfo): boolean {
  return comparable(before.Info) !== comparable(info);
}

// Both sides passed the same schema, which fixes the order of members. The order in maps and lists of names means
// nothing: a Bacalhau node sends its engines in a random one each time.
function comparable(info: NodeInfo): string {
  const { Labels, SupportedProtocols, ComputeNodeInfo, ...rest } = staticInfo(info);
  const { ExecutionEngines, Publishers, StorageSources, ...capacity } = ComputeNodeInfo;
  const names = [SupportedProtocols, ExecutionEngines, Publishers, StorageSources].map(list =>
    [...(list ?? [])].sort(),
  );
  const labels = Object.entries(Labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([rest, capacity, names, labels]);
}

function words(reason: string, actor: string): { reason: string; actor: string } {
  if (reason.length <= maxReason) return { reason, actor: actor.slice(0, maxActor) };
  throw new MusterError('usage', `the reason has ${reason.length} characters; at most ${maxReason} are kept`);
}

function readable(known: Known, name: string): NodeState {
  if (known.kind === 'record') return known.state;
  if (known.kind === 'unreadable') {
    throw new MusterError('bad_state', `the record of node ${name} cannot be read`, {
      hint: `delete it with: muster node delete ${name}`,
    });
  }
  throw notFound(name);
}

export const notFound = (name: string): MusterError =>
  new MusterError('not_found' satisfies ErrorCode, `node not found: ${name}`);

function refuseForRequester(state: NodeState, name: string, action: string): void {
  if (state.Info.NodeType !== 'Requester') return;
  throw new MusterError('conflict', `node ${name} is a requester: it cannot ${action} itself`);
}
