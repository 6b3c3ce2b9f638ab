// The rule that says where the requester may answer a request about a node.
import { inboxPrefix } from '../../protocol/subjects.ts';

export interface AnswerFacts {
  /** The subject on which the answer is wanted; empty when none is. */
  reply: string;
  /** Whether the broker has checked that the key of the node sent the request. */
  isVerified: boolean;
  /** The key that is pinned to the node. */
  key: string | undefined;
  /** Whether the node was deleted and is remembered. */
  isDeleted: boolean;
}

/**
 * Returns whether a request about a node may be answered on `reply`: only in the inbox of the key that is pinned to the
 * node. Another client may have chosen the subject of the answer.
 */
export function mayAnswer({ reply, isVerified, key, isDeleted }: AnswerFacts): boolean {
  if (isVerified) return key !== undefined && (reply === '' || reply.startsWith(`${inboxPrefix(key)}.`));
  // The broker itself chooses where the answer to a client of another account goes. A node that was deleted may come back
  // with its key, so its id is not free either.
  return key === undefined && !isDeleted && (reply === '' || reply.startsWith('_R_.'));
}
