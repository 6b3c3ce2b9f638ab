// Says who may do what on the broker: the requester by its key, everybody else only as the requester answers when the broker
// asks whether to let a client in (the auth callout of nats-server).
import { nodesAccount } from '../protocol/callout.ts';
import type { KeyPair } from '../transport/key-pair.ts';
import {
  type AccountLimits,
  accountLimits,
  listenerShares,
  type Share,
  systemShares,
  type UnverifiedAccess,
  unverifiedShares,
} from './account-shares.ts';

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
export const answerTimeoutSeconds = 10;

/** Returns the lines of nats-server's configuration for accounts and logins. They contain public keys only. */
export function accessLines(
  { requester, others = [], issuer, unverified }: BrokerAccess,
  own?: OwnNatsLines,
): string[] {
  const { systemAccount = defaultSystemAccount } = own ?? {};
  const requesters = [...new Set([requester.publicKey, ...others])];
  const shares = [
    ...systemShares(systemAccount),
    ...listenerShares,
    ...(unverified ? unverifiedShares(unverified) : []),
  ];
  const users = requesters.map(key => `{ nkey: ${key} }`).join(', ');
  const nodes = ['jetstream: enabled', `users: [ ${users} ]`];
  return [
    `system_account: ${systemAccount}`,
    'accounts {',
    ...accountLines(systemAccount, [], shares),
    ...accountLines(nodesAccount, nodes, shares),
    ...Object.entries(accountLimits(unverified)).flatMap(([name, limits]) =>
      accountLines(name, [limitsLine(limits)], shares),
    ),
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

/** Returns the lines of one account: its own lines, what it imports, and what it exports. */
const accountLines = (name: string, own: readonly string[], shares: readonly Share[]): string[] => [
  `  ${name} {`,
  ...own.map(line => `    ${line}`),
  ...listLines('imports', shares.filter(({ to }) => to === name).map(importLine)),
  ...listLines('exports', shares.filter(({ from }) => from === name).map(exportLine)),
  '  }',
];

const listLines = (key: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`    ${key}: [`, ...lines.map(line => `      ${line}`), '    ]'];

const importLine = ({ kind, from, subject, prefix, local }: Share): string => {
  const renamed = prefix ? `, prefix: "${prefix.slice(0, -1)}"` : local ? `, to: "${local}"` : '';
  return `{ ${kind}: { account: ${from}, subject: "${subject}" }${renamed} }`;
};

const exportLine = ({ kind, to, subject, manyAnswers, answerSeconds }: Share): string => {
  const answers = manyAnswers ? ', response_type: stream' : '';
  const threshold = answerSeconds === undefined ? '' : `, response_threshold: "${answerSeconds}s"`;
  return `{ ${kind}: "${subject}", accounts: [${to}]${answers}${threshold} }`;
};

const limitsLine = ({ connections, subscriptions, payloadBytes }: AccountLimits): string =>
  `limits { max_connections: ${connections}, max_subscriptions: ${subscriptions}, max_payload: ${payloadBytes} }`;

const bystanderLines = (key: string) => [
  `  ${bystanderAccount} {`,
  `    users: [ { nkey: ${key}, permissions: { publish: { deny: ">" }, subscribe: { deny: ">" } } } ]`,
  '  }',
];
