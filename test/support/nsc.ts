// Stands in for nsc: runs the script that `muster broker config --operator-mode` prints, and makes the accounts that it asks for.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeSignedToken } from '../../agent/protocol/signed-token.ts';
import { type KeyPair, keyPairOf } from '../../agent/transport/key-pair.ts';

/** What the operator of a NATS gives to the servers and to the requester. */
export interface OperatorAccounts {
  /** Lines for the configuration of each server. */
  config: string;
  /** The settings of the requester that the script prints. */
  settings: Record<string, string>;
}

type Claims = Record<string, unknown>;

interface Account {
  key: KeyPair;
  imports: Claims[];
  exports: Claims[];
  signers: string[];
  limits: Claims;
  authorization: Claims;
}

const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1 };
/** The flags of nsc for limits, with the names of the claims. */
const limitFlags: Record<string, string> = {
  conns: 'conn',
  'leaf-conns': 'leaf',
  subscriptions: 'subs',
  payload: 'payload',
  'js-mem-storage': 'mem_storage',
  'js-disk-storage': 'disk_storage',
  'js-streams': 'streams',
  'js-consumer': 'consumer',
};
const switches = new Set(['private', 'service', 'bearer']);

/** Runs the script in `folder` for an operator who has the account SYS already, as nsc makes it. */
export async function runNscScript(folder: string, script: string): Promise<OperatorAccounts> {
  const accounts = new Map<string, Account>();
  const names = new Set(['SYS', ...[...script.matchAll(/^account (\S+)/gm)].map(([, name = '']) => name)]);
  for (const name of names) accounts.set(name, newAccount());
  accounts.get('SYS')?.exports.push(...systemExports);
  const calls = join(folder, 'nsc-calls');
  const path = join(folder, 'muster-nsc.sh');
  await writeFile(path, script);
  await writeFile(calls, '');
  const answers = [...accounts].map(([name, { key }]) => `${name}) echo '"${key.publicKey}"' ;;`);
  const { stdout } = await promisify(execFile)('sh', ['-c', `${nscFunction(answers)}\n. "${path}"`], {
    env: { ...process.env, NSC_CALLS: calls },
  });
  const state: State = { accounts, activations: new Map(), nobody: undefined };
  for (const call of (await readFile(calls, 'utf8')).split('\n\n'))
    if (call !== '') carryOut(state, call.split('\n'));
  return { config: configOf(state, stdout), settings: settingsIn(stdout) };
}

const newAccount = (): Account => ({
  key: keyPairOf(randomBytes(32), 'account'),
  imports: [],
  exports: [],
  signers: [],
  limits: { ...unlimited, wildcards: true },
  authorization: {},
});

/** What nsc gives to the account of the servers. */
const systemExports = [
  { name: 'streams', subject: '$SYS.ACCOUNT.*.>', type: 'stream', account_token_position: 3 },
  {
    name: 'services',
    subject: '$SYS.REQ.ACCOUNT.*.*',
    type: 'service',
    response_type: 'Stream',
    account_token_position: 4,
  },
];

// Writes each call down, and answers questions about accounts: only SYS exists, and nothing is in the others yet.
const nscFunction = (keys: readonly string[]) => `nsc() {
  printf '%s\\n' "$@" >>"$NSC_CALLS"
  echo >>"$NSC_CALLS"
  case "$1 $2 $*" in
    "describe account "*" --field sub") case "$3" in
      ${keys.join('\n      ')}
      esac ;;
    "describe account describe account SYS --field nats.exports") echo '[{"subject":"$SYS.ACCOUNT.*.\\u003e"}]' ;;
    "describe account "*" --field "*) echo null ;;
    "describe user "*" --raw") echo eyJ-nobody ;;
    describe*) return 1 ;;
  esac
}`;

interface State {
  accounts: Map<string, Account>;
  activations: Map<string, { token: string; issuer: string; subject: string; kind: string }>;
  /** The token of the user nobody. */
  nobody: string | undefined;
}

function carryOut(state: State, [verb = '', noun = '', ...words]: readonly string[]): void {
  if (verb === 'describe') return;
  const flags = readFlags(words);
  const one = (name: string) => flags.get(name)?.[0] ?? '';
  const account = state.accounts.get(one('account') || one('name'));
  assert.ok(account, `nsc ${verb} ${noun} ${words.join(' ')}`);
  const { key } = account;
  switch (`${verb} ${noun}`) {
    case 'add account':
      break;
    case 'edit account':
      for (const [flag, claim] of Object.entries(limitFlags))
        if (flags.has(flag)) account.limits[claim] = Number(one(flag));
      for (const signer of flags.get('sk') ?? [])
        account.signers.push(signer === 'generate' ? newAccount().key.publicKey : signer);
      break;
    case 'add export':
      account.exports.push({
        name: one('subject'),
        subject: one('subject'),
        type: flags.has('service') ? 'service' : 'stream',
        token_req: flags.has('private'),
        ...(flags.has('response-type') ? { response_type: one('response-type') } : {}),
        ...(flags.has('response-threshold')
          ? { response_threshold: Number.parseInt(one('response-threshold'), 10) * 1e9 }
          : {}),
      });
      break;
    case 'generate activation': {
      const shared = account.exports.find(({ subject }) => subject === one('subject'));
      assert.ok(shared?.token_req, 'only what is private needs an activation');
      const kind = shared.type as string;
      const nats = { subject: one('subject'), kind, type: 'activation', version: 2 };
      const token = writeSignedToken({ sub: one('target-account'), name: one('subject'), nats }, key);
      state.activations.set(one('output-file'), {
        token,
        issuer: key.publicKey,
        subject: one('subject'),
        kind,
      });
      break;
    }
    case 'add import': {
      const activation = state.activations.get(one('token'));
      account.imports.push({
        name: activation?.subject ?? one('remote-subject'),
        subject: activation?.subject ?? one('remote-subject'),
        account: activation?.issuer ?? one('src-account'),
        ...(activation ? { token: activation.token } : {}),
        local_subject: one('local-subject'),
        type: activation?.kind ?? 'stream',
      });
      break;
    }
    case 'edit authcallout':
      account.authorization = {
        auth_users: flags.get('auth-user'),
        allowed_accounts: flags.get('allowed-account'),
        xkey: one('curve'),
      };
      break;
    case 'add user': {
      const denied = { deny: flags.get('deny-pubsub') };
      const rights = { pub: denied, sub: denied, subs: -1, data: -1, payload: -1 };
      const nats = { ...rights, bearer_token: flags.has('bearer'), type: 'user', version: 2 };
      const user = keyPairOf(randomBytes(32), 'user').publicKey;
      state.nobody = writeSignedToken({ sub: user, name: one('name'), nats }, key);
      break;
    }
    default:
      assert.fail(`nsc ${verb} ${noun} is not known here`);
  }
}

function readFlags(words: readonly string[]): Map<string, string[]> {
  const flags = new Map<string, string[]>();
  for (let index = 0; index < words.length; index++) {
    const name = words[index]?.replace(/^--/, '') ?? '';
    const value = switches.has(name) ? '' : words[++index];
    flags.set(name, [...(flags.get(name) ?? []), value ?? '']);
  }
  return flags;
}

function configOf({ accounts, nobody }: State, stdout: string): string {
  const operator = keyPairOf(randomBytes(32), 'operator');
  const at = Math.floor(Date.now() / 1000);
  const sign = (claims: Claims) => writeSignedToken({ iat: at, ...claims }, operator);
  const system = accounts.get('SYS')?.key.publicKey;
  const lines = [...accounts].map(([name, { key, signers, ...account }]) => {
    const permissions = { pub: {}, sub: {} };
    const nats = {
      ...account,
      signing_keys: signers,
      default_permissions: permissions,
      type: 'account',
      version: 2,
    };
    return `  ${key.publicKey}: ${sign({ sub: key.publicKey, name, nats })}`;
  });
  const nats = { type: 'operator', version: 2, system_account: system };
  const printed = stdout.match(/^default_sentinel.*\n.*$/m)?.[0] ?? '';
  return [
    `operator: ${sign({ sub: operator.publicKey, name: 'OP', nats })}`,
    `system_account: ${system}`,
    'resolver: MEMORY',
    'resolver_preload: {',
    ...lines,
    '}',
    printed.replace('eyJ-nobody', nobody ?? ''),
  ].join('\n');
}

const settingsIn = (stdout: string): Record<string, string> =>
  Object.fromEntries(
    [...stdout.matchAll(/^ {4}(\w+): (A\w{55})$/gm)].map(([, name, key = '']) => [
      `nats.accounts.${name}`,
      key,
    ]),
  );
