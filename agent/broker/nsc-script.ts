// Writes the shell script by which the operator of a NATS that knows accounts by signed tokens makes the accounts of muster. It
// uses nsc, the tool that keeps the keys of such an operator.
import { listenersAccount, liveAccount, nodesAccount, unverifiedAccount } from '../protocol/callout.ts';
import { answerTimeoutSeconds } from './access-lines.ts';
import {
  type AccountLimits,
  accountLimits,
  listenerShares,
  type Share,
  systemShares,
  unverifiedShares,
} from './account-shares.ts';
import type { OwnNatsAccess } from './broker-access.ts';
import { neededBySeveral } from './own-nats-config.ts';

export interface NscScriptOptions {
  access: OwnNatsAccess;
  /** The name by which nsc knows the account of the servers themselves. */
  systemAccount: string;
}

/** The version of nats-server that takes a client without a token for the user in `default_sentinel`. */
const neededServer = '2.11.2';

/**
 * The names of the accounts for nsc, where other accounts of the operator may have the short names, and those of the settings
 * below `nats.accounts` for their keys.
 */
const accountNames: Readonly<Record<string, { nsc: string; setting: string }>> = {
  [nodesAccount]: { nsc: 'MUSTER', setting: 'muster' },
  [listenersAccount]: { nsc: 'MUSTER_LISTEN', setting: 'listen' },
  [liveAccount]: { nsc: 'MUSTER_LISTEN_LIVE', setting: 'listenLive' },
  [unverifiedAccount]: { nsc: 'MUSTER_UNVERIFIED', setting: 'unverified' },
};

/** Returns the text. It contains public keys only. */
export function nscScript({ access, systemAccount }: NscScriptOptions): string {
  const { requester, others = [], issuer, box, unverified } = access;
  const requesters = [...new Set([requester.publicKey, ...others])];
  const limited = Object.entries(accountLimits(unverified));
  const names = [nodesAccount, ...limited.map(([name]) => name)];
  const shares = [...listenerShares, ...(unverified ? unverifiedShares(unverified) : [])];
  const ofSystem = systemShares(systemAccount);
  return [
    '#!/bin/sh',
    `# For nats-server ${requesters.length > 1 ? neededBySeveral : neededServer} or newer, written by: muster broker config --operator-mode. It contains no secret.`,
    `# It makes the accounts of muster, or adds to them what is missing. Read it, then run it where nsc has the keys of the`,
    `# operator and of the account ${systemAccount}. At the end it prints what the servers and the requester need.`,
    'set -eu',
    `issuer=${issuer.publicKey}`,
    `box=${box.publicKey}`,
    ...functionLines,
    '# The accounts. The requester signs for them by its own key, so it needs no key of the operator.',
    `account MUSTER --leaf-conns 0 --js-mem-storage -1 --js-disk-storage -1 --js-streams -1 --js-consumer -1`,
    ...limited.map(([name, limits]) => `account ${nscName(name)} ${limitFlags(limits)}`),
    '',
    '# What the accounts share, each with one other account alone.',
    ...ofSystem.filter(({ kind }) => kind === 'service').map(share => shareLine(share, systemAccount)),
    ...shares.map(share => shareLine(share, systemAccount)),
    '',
    '# The servers tell each account which of its own clients come and go. nsc makes this export with the account of the servers.',
    `has ${systemAccount} nats.exports '$SYS.ACCOUNT.*.>' ||`,
    `  nsc add export --account ${systemAccount} --subject '$SYS.ACCOUNT.*.>' --account-token-position 3`,
    ...ofSystem
      .filter(({ kind }) => kind === 'stream')
      .map(({ subject }) => `hear ${systemAccount} ${subject.split('.').at(-1)}`),
    '',
    '# The servers ask the requester about each client that shows no token of an account, as the user "nobody", who may do nothing.',
    `nsc edit authcallout --account MUSTER ${requesters.map(key => `--auth-user ${key}`).join(' ')} \\`,
    `  --curve "$box" ${limited.map(([name]) => `--allowed-account "$(key ${nscName(name)})"`).join(' ')}`,
    'nsc describe user --account MUSTER --name nobody >/dev/null 2>&1 ||',
    "  nsc add user --account MUSTER --name nobody --bearer --deny-pubsub '>'",
    'nobody=$(nsc describe user --account MUSTER --name nobody --raw | grep "^eyJ")',
    '',
    'cat <<END',
    '# 1. Give the accounts to the servers as you do with others, for example by: nsc push --all',
    '',
    '# 2. Put these lines into the configuration of each server, and start it again:',
    'default_sentinel: "$nobody"',
    `authorization { timeout: ${answerTimeoutSeconds} }`,
    '',
    '# 3. Put these lines into the configuration of the requester, beside nats.servers:',
    'nats:',
    '  accounts:',
    ...names.map(name => `    ${accountNames[name]?.setting}: $(key ${nscName(name)})`),
    'END',
    '',
  ].join('\n');
}

const functionLines = [
  'tokens=$(mktemp -d)',
  `trap 'rm -rf "$tokens"' EXIT`,
  '',
  '# Prints a part of an account. nsc writes > in another form.',
  `field() { nsc describe account "$1" --field "$2" | sed 's/\\\\u003e/>/g'; }`,
  '# Prints the key of an account.',
  `key() { field "$1" sub | tr -d '"'; }`,
  '# Says whether a text is in a part of an account.',
  'has() { field "$1" "$2" | grep -qF "\\"$3\\""; }',
  '# Makes an account with some limits, if it is not there yet.',
  'account() {',
  '  if ! nsc describe account "$1" >/dev/null 2>&1; then',
  '    nsc add account --name "$1"',
  '    nsc edit account --name "$@" --sk generate',
  '  fi',
  '  has "$1" nats.signing_keys "$issuer" || nsc edit account --name "$1" --sk "$issuer"',
  '}',
  '# Shares a subject of the account $1 with the account $2, where it is the subject $4.',
  'share() {',
  '  from=$1 to=$2 subject=$3 local=$4',
  '  shift 4',
  '  has "$from" nats.exports "$subject" || nsc add export --account "$from" --subject "$subject" --private "$@"',
  '  if has "$to" nats.imports "$subject"; then return; fi',
  '  nsc generate activation --account "$from" --subject "$subject" --target-account "$(key "$to")" --output-file "$tokens/$to $subject"',
  '  nsc add import --account "$to" --token "$tokens/$to $subject" --local-subject "$local"',
  '}',
  '# Lets the account MUSTER hear a kind of event about its own clients.',
  'hear() {',
  '  subject=\\$SYS.ACCOUNT.$(key MUSTER).$2',
  '  if has MUSTER nats.imports "$subject"; then return; fi',
  '  nsc add import --account MUSTER --src-account "$(key "$1")" --remote-subject "$subject" --local-subject "$subject"',
  '}',
  '',
];

const limitFlags = ({ connections, subscriptions, payloadBytes }: AccountLimits): string =>
  `--conns ${connections} --leaf-conns 0 --subscriptions ${subscriptions} --payload ${payloadBytes}`;

const shareLine = (
  { kind, from, to, subject, prefix = '', local, manyAnswers, answerSeconds }: Share,
  systemAccount: string,
): string =>
  [
    'share',
    from === systemAccount ? from : nscName(from),
    nscName(to),
    quoted(subject),
    quoted(local ?? `${prefix}${subject}`),
    ...(kind === 'service' ? ['--service'] : []),
    ...(manyAnswers ? ['--response-type Stream'] : []),
    ...(answerSeconds === undefined ? [] : [`--response-threshold ${answerSeconds}s`]),
  ].join(' ');

/** Returns a text as one word of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const nscName = (account: string): string => accountNames[account]?.nsc ?? account;
