// Lets in who shows a token: the nodes of Bacalhau, which have no keys of ours, and programs that listen to events. Nobody
// knows which of them speaks, so each kind may do little.
import {
  type CalloutAnswer,
  type CalloutQuestion,
  nodesAccount,
  type Permissions,
  unverifiedAccount,
} from '../../protocol/callout.ts';
import { hashToken, isSame } from '../../protocol/secret-hash.ts';
import { heartbeatWildcard } from '../../protocol/subjects.ts';

/** The tokens; undefined for a kind that is not let in. */
export interface ClientTokens {
  readonly unverified?: string | undefined;
  readonly listener?: string | undefined;
}

/** Returns the answer for a client that shows one of the tokens; undefined for any other client. */
export function admitByToken(
  tokens: ClientTokens,
  { offers, isPlain }: CalloutQuestion,
  heartbeatTopic: string,
): CalloutAnswer | undefined {
  if (!isPlain || !offers.token) return undefined;
  const shown = hashToken(offers.token);
  const shows = (token: string | undefined) => token !== undefined && isSame(hashToken(token), shown);
  if (shows(tokens.unverified))
    return { account: unverifiedAccount, permissions: unverifiedPermissions(heartbeatTopic) };
  return shows(tokens.listener) ? { account: nodesAccount, permissions: listenerPermissions } : undefined;
}

/**
 * A node without a key has an account of its own, from which only requests and heartbeats reach the requester. Its answers
 * come where the broker says, and not where the node asks.
 */
const unverifiedPermissions = (heartbeatTopic: string): Permissions => ({
  publish: ['node.management.>', heartbeatWildcard(heartbeatTopic)],
  subscribe: ['_INBOX.>', 'node.compute.>'],
  mayAnswer: true,
});

/** A listener hears all events, and says nothing. */
const listenerPermissions: Permissions = {
  publish: [],
  subscribe: ['node.events.>', 'requester.events.>'],
  mayAnswer: false,
};
