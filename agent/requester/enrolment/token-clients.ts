// Lets in whoever shows the token of Bacalhau's nodes, which have no keys of ours. Nobody knows which of them speaks, so
// they may do little.

import { unverifiedHeartbeats } from '../../protocol/bacalhau-releases.ts';
import {
  type CalloutAnswer,
  type CalloutQuestion,
  type Permissions,
  unverifiedAccount,
} from '../../protocol/callout.ts';
import { hashToken, isSame } from '../../protocol/secret-hash.ts';
import {
  controlWildcard,
  jobMessageWildcard,
  type ManagementMethod,
  managementSubject,
} from '../../protocol/subjects.ts';

/** The tokens; undefined for a kind that is not let in. */
export interface ClientTokens {
  readonly unverified?: string | undefined;
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
  return undefined;
}

/**
 * What a node of Bacalhau needs, which has no key: to ask as each version of it does, to send its heartbeats, and to hear its
 * answers and what an orchestrator would want of it. It has an account of its own, in which no other client publishes any of
 * that. Its client makes up the inbox, so the answers to one of these nodes can be heard by another.
 */
const unverifiedPermissions = (heartbeatTopic: string): Permissions => ({
  publish: [
    ...bacalhauMethods.map(method => managementSubject('*', method)),
    controlWildcard,
    jobMessageWildcard,
    ...unverifiedHeartbeats(heartbeatTopic),
  ],
  subscribe: [
    '_INBOX.*.*',
    'node.compute.*.>',
    'bacalhau.global.compute.*.in.msgs',
    // Versions up to 1.4 listen there for streams, which nobody sends them. To refuse it would fill their log and the broker's.
    '_SINBOX.*.*',
    '_HEARTBEAT._SINBOX.*',
  ],
  mayAnswer: false,
});

/** The requests that Bacalhau knows. It has none to leave. */
const bacalhauMethods: readonly ManagementMethod[] = [
  'RegisterNode/v1',
  'UpdateNodeInfo/v1',
  'UpdateResources/v1',
];
