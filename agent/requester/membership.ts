// Who may take part: the rules of the membership table (design 3) as pure functions from what is known to what is written.
import type { AnswerCode } from '../protocol/answers.ts';
import { reasons } from '../protocol/answers.ts';
import { type NodeInfo, staticInfo } from '../protocol/node-info.ts';
import {
  type Change,
  type Membership,
  type MusterState,
  type NodeState,
  neverConnected,
} from '../protocol/node-state.ts';
import { type ErrorCode, MusterError } from '../system/errors.ts';

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
  change?: Change;
}

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
    return refusal('conflict', `${asked.info.NodeID} is the id of a requester`);
  }
  const before = known.kind === 'record' ? known.state : undefined;
  const previous = before?.Membership ?? '';
  const membership = previous || (policy.manualApproval ? 'PENDING' : 'APPROVED');
  if (!before && membership === 'PENDING' && !policy.roomForPending) {
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
    ConnectionState: before?.ConnectionState ?? neverConnected,
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
  const change: Change | undefined = before
    ? changedInfo(before, asked.info)
      ? updated(before, policy.now)
      : undefined
    : {
        Kind: 'registered',
        Revision: 0,
        At: policy.now,
        Previous: '',
        Current: membership,
        Actor: asked.info.NodeID,
      };
  return {
    accepted: true,
    code: before ? 'reconnected' : 'registered',
    reason: before ? reasons.reconnected : reasons.registered,
    write: state,
    ...(change ? { change } : {}),
  };
}

/** A node on the roll says what it is now. Only a change is written. */
export function updateInfo(known: Known, info: NodeInfo, now: string): Verdict {
  if (known.kind !== 'record') return unknownNode(known, info.NodeID);
  if (known.state.Membership === 'REJECTED') return refusal('rejected', reasons.updateRejected);
  if (known.state.Info.NodeType !== info.NodeType) return refusal('not_compute', reasons.notCompute);
  const done: Verdict = { accepted: true, code: 'known', reason: '' };
  if (!changedInfo(known.state, info)) return done;
  return {
    ...done,
    write: { ...known.state, Info: staticInfo(info) },
    change: updated(known.state, now),
  };
}

/** What a node that is not on the roll is told: it was deleted, or it has to register. */
export function unknownNode(known: Known, nodeId: string): Verdict {
  if (known.kind === 'deleted') return refusal('deleted', reasons.deleted);
  if (known.kind === 'unreadable') {
    return refusal('unavailable', `the record of node ${nodeId} cannot be read; delete it to start anew`);
  }
  return refusal('handshake_required', reasons.handshakeRequired(nodeId));
}

export interface Decision {
  action: 'approve' | 'reject';
  reason: string;
  actor: string;
}

/**
 * An operator approves or rejects a node. `name` is what the operator typed, for the sentence.
 * @throws MusterError `not_found`, or `conflict` when the rule does not allow it.
 */
export function decide(
  known: Known,
  name: string,
  decision: Decision,
  now: string,
): { write: NodeState; change: Change } {
  const state = readable(known, name);
  const to: Membership = decision.action === 'approve' ? 'APPROVED' : 'REJECTED';
  if (state.Membership === to) {
    throw new MusterError('conflict', `node ${name} already ${to.toLowerCase()}`);
  }
  if (decision.action === 'reject') refuseForRequester(state, name, 'reject');
  const { reason, actor } = decision;
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
 * @throws MusterError `not_found`, or `conflict` for a requester.
 */
export function remove(known: Known, name: string, reason: string, actor: string, now: string): Change {
  if (known.kind !== 'unreadable') refuseForRequester(readable(known, name), name, 'delete');
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
): { write: NodeState; change?: Change } | undefined {
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
  if (before) return { write };
  const change: Change = {
    Kind: 'registered',
    Revision: 0,
    At: now,
    Previous: '',
    Current: 'APPROVED',
    Actor: info.NodeID,
  };
  return { write, change };
}

const refusal = (code: AnswerCode, reason: string): Verdict => ({ accepted: false, code, reason });

const updated = (state: NodeState, now: string): Change => ({
  Kind: 'updated',
  Revision: 0,
  At: now,
  Previous: state.Membership,
  Current: state.Membership,
  Actor: state.Info.NodeID,
});

// Both sides passed the same schema, which fixes the order of members; only maps may differ in order.
function changedInfo(before: NodeState, info: NodeInfo): boolean {
  return comparable(before.Info) !== comparable(staticInfo(info));
}

function comparable(info: NodeInfo): string {
  const labels = Object.entries(info.Labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ ...info, Labels: labels });
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
