// Decides what a requester's answer means for a node's registration. It is a pure function for all versions of Bacalhau and
// muster.
import { type Answer, meansRejected, meansUnknown, reasons } from '../../protocol/answers.ts';
import type { Cordon } from '../../protocol/cordon.ts';
import type { Membership } from '../../protocol/node-state.ts';

export type AnswerMeaning =
  /**
   * The request was carried out. `membership` is empty for a Bacalhau requester, because its answers do not contain it.
   */
  | {
      kind: 'accepted';
      membership: Exclude<Membership, 'REJECTED'> | '';
      session: string;
      cluster: string;
      requester: string;
      cordon?: Cordon;
    }
  /** The requester does not know this registration, so the node has to register again. */
  | { kind: 'unknown'; reason: string }
  /** An operator deleted this node. `operatorReason` is empty when the operator gave none, or the requester keeps none. */
  | { kind: 'deleted'; reason: string; operatorReason: string }
  /**
   * An operator rejected this node. It continues to send heartbeats under `session`, to show that it is alive. `isBacalhau` says
   * whether the requester is one of Bacalhau, which knows no sessions.
   */
  | {
      kind: 'rejected';
      reason: string;
      operatorReason: string;
      session: string;
      isBacalhau: boolean;
      cordon?: Cordon;
    }
  /** The request was refused, for now or for ever. An agent can only ask again. */
  | { kind: 'refused'; reason: string };

/**
 * Returns what an answer means. `cluster` is the cluster that this node is registered with. It is empty when the node is
 * not registered, or is registered with a Bacalhau requester.
 */
export function interpretAnswer(answer: Answer, cluster: string): AnswerMeaning {
  const { accepted, reason, muster } = answer;
  // The answer of another cluster says nothing about this registration, so the rest of it is ignored.
  if (cluster && muster?.ClusterID && muster.ClusterID !== cluster) {
    return { kind: 'unknown', reason: `another cluster answers (${muster.ClusterID})` };
  }
  const operatorReason = muster?.Reason ?? '';
  const cordon = muster?.Cordon ? { cordon: muster.Cordon } : {};
  if (accepted) {
    const membership = muster?.Membership ?? '';
    // The node may have been rejected after its request was carried out and before the answer was written.
    if (membership === 'REJECTED') {
      const reason = reasons.rejected;
      return { kind: 'rejected', reason, operatorReason, session: '', isBacalhau: false, ...cordon };
    }
    return {
      kind: 'accepted',
      membership,
      session: muster?.Session ?? '',
      cluster: muster?.ClusterID ?? '',
      requester: muster?.RequesterID ?? '',
      ...cordon,
    };
  }
  // A code is more reliable than the reason beside it, which may quote any text.
  if (muster?.Code ? muster.Code === 'deleted' : reason === reasons.deleted)
    return { kind: 'deleted', reason, operatorReason };
  if (muster?.Code ? muster.Code === 'rejected' : meansRejected(reason)) {
    const session = muster?.Session ?? '';
    return { kind: 'rejected', reason, operatorReason, session, isBacalhau: muster === undefined, ...cordon };
  }
  if (muster?.Code ? muster.Code === 'handshake_required' : meansUnknown(reason)) {
    return { kind: 'unknown', reason };
  }
  return { kind: 'refused', reason };
}
