// Says what the accounts on a broker share with each other, and how much each may use. The configuration of nats-server and the
// accounts of a NATS with an operator are both made from it.
import { unverifiedHeartbeats } from '../protocol/bacalhau-releases.ts';
import { listenersAccount, liveAccount, nodesAccount, unverifiedAccount } from '../protocol/callout.ts';
import { maxListenerConnections, maxListeners } from '../protocol/listener.ts';
import {
  ackWildcard,
  controlWildcard,
  jobMessageWildcard,
  managementWildcard,
  nodeEventsWildcard,
  pullSubject,
  requesterEventsWildcard,
  unverifiedPrefix,
} from '../protocol/subjects.ts';

/** What one account shares with one other account, and with nobody else. */
export interface Share {
  /** A service is asked, and answers only who asked; a stream is heard. */
  kind: 'service' | 'stream';
  from: string;
  to: string;
  /** The subject in the account `from`. */
  subject: string;
  /** What stands before that subject in the account `to`, such as `unverified.`. */
  prefix?: string;
  /** The subject in the account `to`, when it is another one. */
  local?: string;
  /** Whether several may answer one request. */
  manyAnswers?: boolean;
  /** Seconds for which the broker remembers where the answers to a request go. */
  answerSeconds?: number;
}

/** How much an account may use: connections of all its clients, subscriptions of each, and the largest message in bytes. */
export interface AccountLimits {
  connections: number;
  subscriptions: number;
  payloadBytes: number;
}

/** What nodes without a key may reach. */
export interface UnverifiedAccess {
  /** The topic of their heartbeats. */
  readonly heartbeatTopic: string;
  /** Number of connections that they may have together; a usual number when absent. */
  readonly maxConnections?: number;
}

/**
 * Number of connections in each account of listeners. All that the listeners may have fit in, and a few more of each that
 * come while its oldest are being ended.
 */
const listenerConnections = maxListeners * (maxListenerConnections + 4);

/** The accounts besides that of the nodes, with what each may use. */
export function accountLimits(unverified: UnverifiedAccess | undefined): Record<string, AccountLimits> {
  // No program of other people may fill the broker.
  const listeners = { connections: listenerConnections, subscriptions: 64, payloadBytes: 4_096 };
  return {
    [listenersAccount]: listeners,
    [liveAccount]: listeners,
    // A Bacalhau node has one connection, for moments two, and some four subscriptions. They all share one token.
    ...(unverified && {
      [unverifiedAccount]: {
        connections: unverified.maxConnections ?? 16_384,
        subscriptions: 32,
        payloadBytes: 256 * 1024,
      },
    }),
  };
}

/** Returns what the account of the servers shares with that of the nodes, whose name is in the subjects of the streams. */
export function systemShares(systemAccount: string): Share[] {
  const between = { from: systemAccount, to: nodesAccount };
  return [
    // To list the clients, to end the connection of one, and to ask each server which servers there are.
    { kind: 'service', ...between, subject: '$SYS.REQ.SERVER.*.CONNZ' },
    { kind: 'service', ...between, subject: '$SYS.REQ.SERVER.*.KICK' },
    { kind: 'service', ...between, subject: '$SYS.REQ.SERVER.PING.STATSZ', manyAnswers: true },
    // A client has come, a client has gone.
    { kind: 'stream', ...between, subject: `$SYS.ACCOUNT.${nodesAccount}.CONNECT` },
    { kind: 'stream', ...between, subject: `$SYS.ACCOUNT.${nodesAccount}.DISCONNECT` },
  ];
}

/**
 * Time after which the broker forgets where to send the answers to a request that nobody answers any more. It is longer than
 * a request for events may wait.
 */
const pullAnswerSeconds = 35;

/**
 * What listeners may reach. Those who read stored events ask for them as for a service, so that answers go nowhere but into
 * their own account. Each may choose the subject of its answers there, so nobody in that account hears events as they are
 * sent. Those who do have an account in which nobody sends anything.
 */
export const listenerShares: readonly Share[] = [
  {
    kind: 'service',
    from: nodesAccount,
    to: listenersAccount,
    subject: pullSubject(),
    manyAnswers: true,
    answerSeconds: pullAnswerSeconds,
  },
  { kind: 'service', from: nodesAccount, to: listenersAccount, subject: ackWildcard() },
  { kind: 'stream', from: nodesAccount, to: liveAccount, subject: nodeEventsWildcard },
  { kind: 'stream', from: nodesAccount, to: liveAccount, subject: requesterEventsWildcard },
];

/**
 * Returns what nodes without a key may reach. Their requests come as requests of a service, so that an answer can go nowhere
 * but to who asked; their heartbeats come as a stream, and are never answered.
 */
export function unverifiedShares({ heartbeatTopic }: UnverifiedAccess): Share[] {
  const requests = [managementWildcard, controlWildcard, jobMessageWildcard];
  return [
    ...requests.map(
      (local): Share => ({
        kind: 'service',
        from: nodesAccount,
        to: unverifiedAccount,
        subject: `${unverifiedPrefix}${local}`,
        local,
      }),
    ),
    ...unverifiedHeartbeats(heartbeatTopic).map(
      (subject): Share => ({
        kind: 'stream',
        from: unverifiedAccount,
        to: nodesAccount,
        subject,
        prefix: unverifiedPrefix,
      }),
    ),
  ];
}
