// Says who may do what on the broker: the requester by its key, everybody else only as the requester answers when the broker
// asks whether to let a client in (the auth callout of nats-server).
import { nodesAccount, unverifiedAccount } from '../protocol/callout.ts';
import { heartbeatWildcard, managementWildcard, unverifiedPrefix } from '../protocol/subjects.ts';
import type { KeyPair } from '../transport/key-pair.ts';

export interface BrokerAccess {
  /** The key by which the requester connects. It may do everything. */
  readonly requester: KeyPair;
  /** The key that signs the answers of the requester about other clients. */
  readonly issuer: KeyPair;
  /** The topic of the heartbeats of nodes without a key; undefined when no such nodes are let in. */
  readonly unverifiedHeartbeats?: string | undefined;
}

/** The account of the broker itself. */
const systemAccount = 'SYS';

/** Time that the requester has to answer whether a client is let in, in seconds. Unanswered clients are turned away. */
const answerTimeoutSeconds = 10;

/** Requests to the broker itself that the requester needs: to list the clients, and to end the connection of one. */
const systemRequests = ['$SYS.REQ.SERVER.PING.CONNZ', '$SYS.REQ.SERVER.*.KICK'];
/** Events of the broker that the requester needs: a client has come, a client has gone. */
const systemEvents = [`$SYS.ACCOUNT.${nodesAccount}.CONNECT`, `$SYS.ACCOUNT.${nodesAccount}.DISCONNECT`];

/** Returns the lines of nats-server's configuration for accounts and logins. They contain public keys only. */
export function accessLines({ requester, issuer, unverifiedHeartbeats }: BrokerAccess): string[] {
  const unverified = unverifiedHeartbeats === undefined ? undefined : unverifiedLines(unverifiedHeartbeats);
  const shared = [
    ...systemRequests.map(subject => ['service', subject] as const),
    ...systemEvents.map(subject => ['stream', subject] as const),
  ];
  return [
    `system_account: ${systemAccount}`,
    'accounts {',
    `  ${systemAccount} { exports: [`,
    ...shared.map(([kind, subject]) => `    { ${kind}: "${subject}", accounts: [${nodesAccount}] }`),
    '  ] }',
    `  ${nodesAccount} {`,
    '    jetstream: enabled',
    `    users: [ { nkey: ${requester.publicKey} } ]`,
    '    imports: [',
    ...shared.map(
      ([kind, subject]) => `      { ${kind}: { account: ${systemAccount}, subject: "${subject}" } }`,
    ),
    ...(unverified?.imported ?? []),
    '    ]',
    ...(unverified?.exported ?? []),
    '  }',
    ...(unverified?.account ?? []),
    '}',
    'authorization {',
    `  timeout: ${answerTimeoutSeconds}`,
    '  auth_callout {',
    `    issuer: ${issuer.publicKey}`,
    `    auth_users: [ ${requester.publicKey} ]`,
    `    account: ${nodesAccount}`,
    '  }',
    '}',
  ];
}

// Returns the lines for nodes without a key. Their requests come as requests of a service, so that an answer can go
// nowhere but to who asked; their heartbeats come as a stream, and are never answered.
function unverifiedLines(heartbeatTopic: string) {
  const requests = managementWildcard;
  const heartbeats = heartbeatWildcard(heartbeatTopic);
  return {
    account: [
      `  ${unverifiedAccount} {`,
      `    exports: [ { stream: "${heartbeats}", accounts: [${nodesAccount}] } ]`,
      '    imports: [',
      `      { service: { account: ${nodesAccount}, subject: "${unverifiedPrefix}${requests}" }, to: "${requests}" }`,
      '    ]',
      '  }',
    ],
    exported: [
      `    exports: [ { service: "${unverifiedPrefix}${requests}", accounts: [${unverifiedAccount}] } ]`,
    ],
    imported: [
      `      { stream: { account: ${unverifiedAccount}, subject: "${heartbeats}" }, prefix: "${unverifiedPrefix.slice(0, -1)}" }`,
    ],
  };
}
