// What a requester's answer means for a node's registration: a pure rule over all Bacalhau versions and ours (design 5.6).
import { type Answer, meansRejected, meansUnknown, reasons } from '../../protocol/answers.ts';
import type { Membership } from '../../protocol/node-state.ts';

export type Outcome =
  /** Carried out. `membership` is empty when a Bacalhau requester answered: it does not say. */
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
  /** An operator rejected this node. `session` is that under which its heartbeats show that it is alive. */
  | { kind: 'rejected'; reason: string; session: string }
  /** Refused for now, or for good; asking again is the only remedy an agent has. */
  | { kind: 'refused'; reason: string };

/** Judges an answer. `cluster` is the one this node registered with; empty when it did not, or with Bacalhau. */
export function judge(answer: Answer, cluster: string): Outcome {
  const { accepted, reason, muster } = answer;
  // Whatever another cluster says of a node of this name, it says it of another registration.
  if (cluster && muster?.ClusterID && muster.ClusterID !== cluster) {
    return { kind: 'unknown', reason: `another cluster answers (${muster.ClusterID})` };
  }
  if (accepted) {
    const membership = muster?.Membership ?? '';
    // A rejection may fall between the verdict on a request and the answer to it.
    if (membership === 'REJECTED') return { kind: 'rejected', reason: reasons.rejected, session: '' };
    return {
      kind: 'accepted',
      membership,
      session: muster?.Session ?? '',
      cluster: muster?.ClusterID ?? '',
      requester: muster?.RequesterID ?? '',
    };
  }
  // A code of ours says more than a text: a reason may quote anything.
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
