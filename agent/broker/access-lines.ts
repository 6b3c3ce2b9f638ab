// Says who may do what on the broker: the requester by its key, everybody else only as the requester answers when the broker
// asks whether to let a client in (the auth callout of nats-server).
import { nodesAccount, unverifiedAccount } from '../protocol/callout.ts';
import {
  controlWildcard,
  heartbeatWildcard,
  jobMessageWildcard,
  managementWildcard,
  unverifiedPrefix,
} from '../protocol/subjects.ts';
import type { KeyPair } from '../transport/key-pair.ts';
import { listenerLines } from './listener-lines.ts';

export interface BrokerAccess {
  /** The key by which the requester connects. It may do everything. */
  readonly requester: KeyPair;
  /** The public keys (`U…`) of further requesters of the same roll. They may do the same. */
  readonly others?: readonly string[] | undefined;
  /** The key that signs the answers of the requester about other clients. */
  readonly issuer: KeyPair;
  /** Undefined when no nodes without a key are let in. */
  readonly unverified?: UnverifiedAccess | undefined;
}

/** What nodes without a key may reach. */
export interface UnverifiedAccess {
  /** The topic of their heartbeats. */
  readonly heartbeatTopic: string;
  /** Number of connections that they may have together; a usual number when absent. */
  readonly maxConnections?: number;
}

/** What is added on a NATS of one's own, and on a requester's own broker that further requesters use. */
export interface OwnNatsLines {
  /** The name of the account of the servers themselves; a usual name when absent. */
  readonly systemAccount?: string;
  /** The public key (`X…`) for which the servers encrypt what they ask, so that no other server on the way sees a code. */
  readonly boxKey: string;
  /** The public key of the bystander (see broker-access.ts). */
  readonly bystander: string;
}

/** The account of the requester's own broker itself. */
const defaultSystemAccount = 'SYS';
/** The account of the bystander. */
const bystanderAccount = 'MUSTER_BYSTANDER';

/** Time that the requester has to answer whether a client is let in, in seconds. Unanswered clients are turned away. */
const answerTimeoutSeconds = 10;

/** Requests to the broker itself that the requester needs: to list the clients, and to end the connection of one. */
const systemRequests = ['$SYS.REQ.SERVER.*.CONNZ', '$SYS.REQ.SERVER.*.KICK'];
/** The same, of a request that each server answers: which servers there are. */
const serverStates = '$SYS.REQ.SERVER.PING.STATSZ';
/** Events of the broker that the requester needs: a client has come, a client has gone. */
const systemEvents = [`$SYS.ACCOUNT.${nodesAccount}.CONNECT`, `$SYS.ACCOUNT.${nodesAccount}.DISCONNECT`];

/** Returns the lines of nats-server's configuration for accounts and logins. They contain public keys only. */
export function accessLines(
  { requester, others = [], issuer, unverified: nodesWithoutKey }: BrokerAccess,
  own?: OwnNatsLines,
): string[] {
  const { systemAccount = defaultSystemAccount } = own ?? {};
  const requesters = [...new Set([requester.publicKey, ...others])];
  const unverified = nodesWithoutKey && unverifiedLines(nodesWithoutKey);
  const shared = [
    ...systemRequests.map(subject => ['service', subject, ''] as const),
    ['service', serverStates, ', response_type: stream'] as const,
    ...systemEvents.map(subject => ['stream', subject, ''] as const),
  ];
  return [
    `system_account: ${systemAccount}`,
    'accounts {',
    `  ${systemAccount} { exports: [`,
    ...shared.map(
      ([kind, subject, answers]) => `    { ${kind}: "${subject}", accounts: [${nodesAccount}]${answers} }`,
    ),
    '  ] }',
    `  ${nodesAccount} {`,
    '    jetstream: enabled',
    `    users: [ ${requesters.map(key => `{ nkey: ${key} }`).join(', ')} ]`,
    '    imports: [',
    ...shared.map(
      ([kind, subject]) => `      { ${kind}: { account: ${systemAccount}, subject: "${subject}" } }`,
    ),
    ...(unverified?.imported ?? []),
    '    ]',
    '    exports: [',
    ...listenerLines.exported,
    ...(unverified?.exported ?? []),
    '    ]',
    '  }',
    ...listenerLines.accounts,
    ...(unverified?.account ?? []),
    ...(own ? bystanderLines(own.bystander) : []),
    '}',
    'authorization {',
    `  timeout: ${answerTimeoutSeconds}`,
    '  auth_callout {',
    `    issuer: ${issuer.publicKey}`,
    `    auth_users: [ ${requesters.join(', ')} ]`,
    `    account: ${nodesAccount}`,
    // Without the list, the servers would also ask about the users of all other accounts, and turn them away.
    ...(own ? [`    allowed_accounts: [ ${nodesAccount} ]`, `    xkey: ${own.boxKey}`] : []),
    '  }',
    '}',
  ];
}

const bystanderLines = (key: string) => [
  `  ${bystanderAccount} {`,
  `    users: [ { nkey: ${key}, permissions: { publish: { deny: ">" }, subscribe: { deny: ">" } } } ]`,
  '  }',
];

/**
 * Limits for nodes without a key, who share one token: the largest message in bytes, connections of all of them together, and
 * subscriptions of each. A Bacalhau node has one connection, for moments two, and some four subscriptions.
 */
const unverifiedLimits = { payloadBytes: 256 * 1024, connections: 16_384, subscriptions: 32 };

// Returns the lines for nodes without a key. Their requests come as requests of a service, so that an answer can go
// nowhere but to who asked; their heartbeats come as a stream, and are never answered.
function unverifiedLines({ heartbeatTopic, maxConnections }: UnverifiedAccess) {
  const services = [managementWildcard, controlWildcard, jobMessageWildcard];
  const heartbeats = heartbeatWildcard(heartbeatTopic);
  const { payloadBytes, connections, subscriptions } = unverifiedLimits;
  return {
    account: [
      `  ${unverifiedAccount} {`,
      `    exports: [ { stream: "${heartbeats}", accounts: [${nodesAccount}] } ]`,
      '    imports: [',
      ...services.map(
        subject =>
          `      { service: { account: ${nodesAccount}, subject: "${unverifiedPrefix}${subject}" }, to: "${subject}" }`,
      ),
      '    ]',
      '    limits {',
      `      max_payload: ${payloadBytes}`,
      `      max_connections: ${maxConnections ?? connections}`,
      `      max_subscriptions: ${subscriptions}`,
      '    }',
      '  }',
    ],
    exported: [
      ...services.map(
        subject => `      { service: "${unverifiedPrefix}${subject}", accounts: [${unverifiedAccount}] }`,
      ),
    ],
    imported: [
      `      { stream: { account: ${unverifiedAccount}, subject: "${heartbeats}" }, prefix: "${unverifiedPrefix.slice(0, -1)}" }`,
    ],
  };
}
