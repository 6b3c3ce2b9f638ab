// Finds settings that are valid alone but do not fit together: faults, and doubtful combinations that get a warning.

import { ProtocolError } from '../protocol/error.ts';
import { decodePublicKey } from '../protocol/nkey.ts';
import { overlaps, subjectForAll } from '../protocol/subject-template.ts';
import { heartbeatWildcard } from '../protocol/subjects.ts';
import type { Role } from './role.ts';
import type { SettingKey, Settings } from './settings.ts';
import { formatDuration } from './units.ts';

/** Settings that do not fit together. */
export interface SettingsConflict {
  readonly severity: 'fault' | 'warning';
  /** All settings of the conflict. The sentence is about the first. */
  readonly keys: readonly [SettingKey, ...SettingKey[]];
  /** The value of the first setting, if the sentence is about the value. */
  readonly value?: string;
  /** The end of the sentence. */
  readonly text: string;
  /** Whether only the place of the first setting is cited. Otherwise all places are. */
  readonly isAboutFirst?: boolean;
  /** The sentence about the second setting, which is shown instead when the first one has its default. */
  readonly ofSecond?: { readonly value: string; readonly text: string };
}

/**
 * Returns all conflicts between settings. `role` is the role that reads them. It is not warned about what another role
 * does; undefined means any role.
 */
export function findConflicts(settings: Settings, role?: Role): SettingsConflict[] {
  return [
    ...timing(settings, role),
    ...topics(settings),
    ...approvedSubjects(settings),
    ...login(settings),
    ...accountsOfOperator(settings),
    ...joinCode(settings),
    ...certificates(settings),
    ...apiToken(settings),
  ];
}

function* timing({ compute, requester }: Settings, role: Role | undefined): Generator<SettingsConflict> {
  const silence = formatDuration(requester.nodeDisconnectedAfter);
  if (requester.nodeUnknownAfter <= requester.nodeDisconnectedAfter) {
    yield {
      severity: 'fault',
      keys: ['requester.nodeUnknownAfter', 'requester.nodeDisconnectedAfter'],
      value: formatDuration(requester.nodeUnknownAfter),
      text: `is not longer than requester.nodeDisconnectedAfter; allowed: longer than ${silence}`,
    };
  }
  // A requester sends no heartbeats. Its agents have settings of their own.
  if (role !== 'requester' && compute.heartbeatFrequency > requester.nodeDisconnectedAfter / 2) {
    const frequency = formatDuration(compute.heartbeatFrequency);
    const outcome = 'one lost heartbeat may make a node UNHEALTHY';
    yield {
      severity: 'warning',
      keys: ['compute.heartbeatFrequency', 'requester.nodeDisconnectedAfter'],
      value: frequency,
      text: `is more than half of requester.nodeDisconnectedAfter, ${silence}: ${outcome}`,
      isAboutFirst: true,
      ofSecond: {
        value: silence,
        text: `is less than twice compute.heartbeatFrequency, ${frequency} (the default): ${outcome}`,
      },
    };
  }
  if (role !== 'agent' && requester.heartbeatFrequency > requester.nodeDisconnectedAfter) {
    yield {
      severity: 'warning',
      keys: ['requester.heartbeatFrequency', 'requester.nodeDisconnectedAfter'],
      value: formatDuration(requester.heartbeatFrequency),
      text: `is longer than requester.nodeDisconnectedAfter, ${silence}: a silent node is noticed late`,
    };
  }
}

function* topics({ compute, requester }: Settings): Generator<SettingsConflict> {
  if (compute.heartbeatTopic === requester.heartbeatTopic) return;
  yield {
    severity: 'warning',
    keys: ['compute.heartbeatTopic', 'requester.heartbeatTopic'],
    value: `"${compute.heartbeatTopic}"`,
    text: `is not requester.heartbeatTopic, "${requester.heartbeatTopic}": a requester with these settings does not get the heartbeats of this agent`,
  };
}

// With a subject of heartbeats, one node could say that another is alive.
function* approvedSubjects({ broker, requester }: Settings): Generator<SettingsConflict> {
  const heartbeats = heartbeatWildcard(requester.heartbeatTopic);
  for (const name of ['publish', 'subscribe'] as const) {
    const found = broker.approved[name].find(template => overlaps(subjectForAll(template), heartbeats));
    if (found === undefined) continue;
    yield {
      severity: 'fault',
      keys: [`broker.approved.${name}`, 'requester.heartbeatTopic'],
      value: `"${found}"`,
      text: `opens subjects of the heartbeats, "${requester.heartbeatTopic}"; allowed: subjects that are not in requester.heartbeatTopic`,
    };
  }
}

function* login({ nats }: Settings): Generator<SettingsConflict> {
  const ways = (['token', 'tokenFile', 'user', 'credsFile'] as const).filter(
    name => nats[name] !== undefined,
  );
  const [first, ...others] = ways.map(name => `nats.${name}` as const);
  if (first && others.length > 0) {
    yield fault(`set together with ${others.join(' and ')}; allowed: one way to log in`, first, ...others);
  }
  const passwords = (['password', 'passwordFile'] as const).filter(name => nats[name] !== undefined);
  const [password, second] = passwords.map(name => `nats.${name}` as const);
  if (password && second) yield fault(`set together with ${second}; allowed: one of them`, password, second);
  if (password && nats.user === undefined) {
    yield fault('set without nats.user; set both or neither', password, 'nats.user');
  }
  if (!password && nats.user !== undefined) {
    const text = 'set without a password; set nats.passwordFile or nats.password too';
    yield fault(text, 'nats.user', 'nats.passwordFile', 'nats.password');
  }
}

/** The accounts on a NATS with an operator that every requester needs there. */
const neededAccounts = ['muster', 'listen', 'listenLive'] as const;

function* accountsOfOperator({ nats, requester }: Settings): Generator<SettingsConflict> {
  const keys = nats.accounts;
  const given = ([...neededAccounts, 'unverified'] as const).filter(name => keys[name] !== undefined);
  const [first] = given;
  if (first === undefined) return;
  const missing = neededAccounts.find(name => keys[name] === undefined);
  if (missing !== undefined) {
    const text = `set without nats.accounts.${missing}; set all that the script of muster broker config --operator-mode prints`;
    yield fault(text, `nats.accounts.${first}`, `nats.accounts.${missing}`);
  }
  if (requester.unverifiedNodes && keys.unverified === undefined) {
    const text =
      'needs nats.accounts.unverified on a NATS with an operator: run the script of muster broker config --operator-mode again';
    yield fault(text, 'requester.unverifiedNodes', 'nats.accounts.unverified');
  }
  for (const name of given)
    if (!isAccountKey(keys[name] ?? ''))
      yield fault('is not the key of an account: a letter is wrong or missing', `nats.accounts.${name}`);
  const again = given.find((name, index) => given.findIndex(other => keys[other] === keys[name]) < index);
  if (again !== undefined)
    yield fault(
      'is also the key of another account of nats.accounts; allowed: a key for each',
      `nats.accounts.${again}`,
    );
  const login = (['token', 'tokenFile', 'user', 'credsFile'] as const).find(name => nats[name] !== undefined);
  if (login) {
    const text = `set together with nats.${login}; allowed: one of them, because the requester logs in to these accounts by its own key`;
    yield fault(text, `nats.accounts.${first}`, `nats.${login}`);
  }
}

function isAccountKey(text: string): boolean {
  try {
    decodePublicKey(text, 'account');
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

function* joinCode({ join }: Settings): Generator<SettingsConflict> {
  if (join.code === undefined || join.codeFile === undefined) return;
  yield fault('set together with join.codeFile; allowed: one of them', 'join.code', 'join.codeFile');
}

function* certificates({ nats, broker, api }: Settings): Generator<SettingsConflict> {
  for (const [group, { certFile, keyFile }] of [
    ['nats', nats.tls] as const,
    ['broker', broker.tls] as const,
    ['api', api.tls] as const,
  ]) {
    if ((certFile === undefined) === (keyFile === undefined)) continue;
    const pair = [`${group}.tls.certFile`, `${group}.tls.keyFile`] as const;
    const [given, missing] = certFile === undefined ? ([pair[1], pair[0]] as const) : pair;
    yield fault(`set without ${missing}; set both or neither`, given, missing);
  }
  const { certFile, keyFile, caFile } = broker.tls;
  if (caFile !== undefined && certFile === undefined && keyFile === undefined) {
    const text = 'set without broker.tls.certFile; set the certificate that this CA signed too';
    yield fault(text, 'broker.tls.caFile', 'broker.tls.certFile');
  }
  if (broker.allowPlaintext && certFile !== undefined) {
    const text =
      'set together with broker.tls.certFile, with which the broker always uses TLS; allowed: one of them';
    yield fault(text, 'broker.allowPlaintext', 'broker.tls.certFile');
  }
}

function* apiToken({ api }: Settings): Generator<SettingsConflict> {
  if (api.token === undefined || api.tokenFile === undefined) return;
  yield fault('set together with api.tokenFile; allowed: one of them', 'api.token', 'api.tokenFile');
}

function fault(text: string, key: SettingKey, ...others: SettingKey[]): SettingsConflict {
  return { severity: 'fault', keys: [key, ...others], text };
}
