// Decides what a requester's answer means for a node's registration: a pure rule over all versions of Bacalhau and muster.
import { type Answer, meansRejected, meansUnknown, reasons } from '../../protocol/answers.ts';
import type { Membership } from '../../protocol/node-state.ts';

export type AnswerMeaning =
  /** The request was carried out. `membership` is empty for a Bacalhau requester, which does not tell it. */
  | {
      kind: 'accepted';
      membership: Exclude<Membership, 'REJECTED'> | '';
      session: string;
      cluster: string;
      requester: string;
    }
  /** The requester does not know this registration: register again. */
  | { kind: 'unknown'; reason: string }
  /** An operator deleted this node. */
  | { kind: 'deleted'; reason: string }
  /** An operator rejected this node. Its heartbeats go on under `session`, to show that it is alive. */
  | { kind: 'rejected'; reason: string; session: string }
  /** The request was refused, for now or for good. All that an agent can do is to ask again. */
  | { kind: 'refused'; reason: string };

/**
 * Returns what an answer means. `cluster` is the one that this node is registered with; empty when it is not registered, or
 * with a Bacalhau requester.
 */
export function interpretAnswer(answer: Answer, cluster: string): AnswerMeaning {
  const { accepted, reason, muster } = answer;
  // Another cluster can only speak of another registration, so the rest of its answer does not matter.
  if (cluster && muster?.ClusterID && muster.ClusterID !== cluster) {
    return { kind: 'unknown', reason: `another cluster answers (${muster.ClusterID})` };
  }
  if (accepted) {
    const membership = muster?.Membership ?? '';
    // The node may have been rejected after its request was carried out and before the answer was written.
    if (membership === 'REJECTED') return { kind: 'rejected', reason: reasons.rejected, session: '' };
    return {
      kind: 'accepted',
      membership,
      session: muster?.Session ?? '',
      cluster: muster?.ClusterID ?? '',
      requester: muster?.RequesterID ?? '',
    };
  }
  // A code is surer than the reason beside it, which may quote any text.
  if (muster?.Code ? muster.Code === 'deleted' : reason === reasons.deleted)
    return { kind: 'deleted', reason };
  if (muster?.Code ? muster.Code === 'rejected' : meansRejected(reason)) {
    return { kind: 'rejected', reason, session: muster?.Session ?? '' };
  }
  if (muster?.Code ? muster.Code === 'handshake_required' : meansUnknown(reason)) {
    return { kind: 'unknown', reason };
  }
  return { kind: 'refused', reason };
}
