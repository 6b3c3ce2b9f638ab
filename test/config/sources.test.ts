// For every setting a flag wins over the environment, a credential, the file and the default.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  environmentName,
  flagName,
  isSecret,
  settingKeys,
  settingOf,
  settingValue,
} from '../../agent/config/keys.ts';
import { loadSettings } from '../../agent/config/load.ts';
import type { SettingKey } from '../../agent/config/settings.ts';
import { encodePublicKey } from '../../agent/protocol/nkey.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { configFile, faultsOf, surroundings, temporaryFolder } from './surroundings.ts';

const accountKey = (seed: number) => encodePublicKey(new Uint8Array(32).fill(seed), 'account');

/** Three values of each kind as an operator writes them, with their meaning: for the file, the environment and the flag. */
const samples: Record<string, [string, unknown][]> = {
  duration: [
    ['11s', 11_000],
    ['12s', 12_000],
    ['13s', 13_000],
  ],
  time: [
    ['1h30m', 5_400_000],
    ['30d', 2_592_000_000],
    ['365d', 31_536_000_000],
  ],
  subject: [
    ['one.{nodeId}', 'one.{nodeId}'],
    ['two', 'two'],
    ['{nodeId}.three', '{nodeId}.three'],
  ],
  boolean: [
    ['true', true],
    ['false', false],
    ['TRUE', true],
  ],
  allocation: [
    ['10%', { percent: 10 }],
    ['20%', { percent: 20 }],
    ['30.5%', { percent: 30.5 }],
  ],
  size: [
    ['1GB', 1_000_000_000],
    ['2GiB', 2_147_483_648],
    ['3TB', 3_000_000_000_000],
  ],
  number: [
    ['1', 1],
    ['2', 2],
    ['3', 3],
  ],
  port: [
    ['0', 0],
    ['1', 1],
    ['65535', 65_535],
  ],
  subjects: [
    ['work.{nodeId}, results', ['work.{nodeId}', 'results']],
    ['work.*.{nodeId}.>', ['work.*.{nodeId}.>']],
    ['a-b_c', ['a-b_c']],
  ],
  keys: [
    [
      'UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45L, UCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJPJO',
      [
        'UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45L',
        'UCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJPJO',
      ],
    ],
    [
      'UCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJPJO',
      ['UCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJPJO'],
    ],
    [
      'UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4',
      ['UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4'],
    ],
  ],
  addresses: [
    ['a.example, 10.0.0.1', ['a.example', '10.0.0.1']],
    ['b.example:4333', ['b.example:4333']],
    ['[2001:db8::1]:4222,2001:db8::2', ['[2001:db8::1]:4222', '2001:db8::2']],
  ],
  address: [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['eth0', 'eth0'],
    ['2001:db8::1', '2001:db8::1'],
  ],
  host: [
    ['localhost', 'localhost'],
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
  ],
  list: [
    ['a', ['nats://a:4222']],
    ['b,tls://c:1', ['nats://b:4222', 'tls://c:1']],
    ['d', ['nats://d:4222']],
  ],
  servers: [
    ['one:1', ['one:1']],
    ['https://two:2,[::1]:3', ['https://two:2', '[::1]:3']],
    ['127.0.0.1:4', ['127.0.0.1:4']],
  ],
  map: [
    ['a=1', { a: '1' }],
    ['a=2,b=3', { a: '2', b: '3' }],
    ['Zone=eu', { Zone: 'eu' }],
  ],
  secret: [
    ['one', 'one'],
    ['two', 'two'],
    ['', ''],
  ],
  pins: [
    [`${'a'.repeat(43)}, ${'b'.repeat(43)}`, ['a'.repeat(43), 'b'.repeat(43)]],
    ['c'.repeat(43), ['c'.repeat(43)]],
    [`${'d'.repeat(43)},${'e'.repeat(43)}`, ['d'.repeat(43), 'e'.repeat(43)]],
  ],
  account: [
    [accountKey(1), accountKey(1)],
    [accountKey(2), accountKey(2)],
    [accountKey(3), accountKey(3)],
  ],
  path: [
    ['/one', '/one'],
    ['/two', '/two'],
    ['/three', '/three'],
  ],
  text: [
    ['one', 'one'],
    ['two', 'two'],
    ['three', 'three'],
  ],
};

const muster = { 'nats.accounts.muster': accountKey(11) };
const listen = { 'nats.accounts.listen': accountKey(12) };
const listenLive = { 'nats.accounts.listenLive': accountKey(13) };

/** Settings that must be set too for a value to be allowed. */
const companions: Partial<Record<SettingKey, Partial<Record<SettingKey, string>>>> = {
  'nats.user': { 'nats.passwordFile': '/secret' },
  'nats.password': { 'nats.user': 'someone' },
  'nats.passwordFile': { 'nats.user': 'someone' },
  'nats.accounts.muster': { ...listen, ...listenLive },
  'nats.accounts.listen': { ...muster, ...listenLive },
  'nats.accounts.listenLive': { ...muster, ...listen },
  'nats.accounts.unverified': { ...muster, ...listen, ...listenLive },
  'nats.tls.certFile': { 'nats.tls.keyFile': '/key' },
  'nats.tls.keyFile': { 'nats.tls.certFile': '/cert' },
  'broker.tls.certFile': { 'broker.tls.keyFile': '/key' },
  'broker.tls.keyFile': { 'broker.tls.certFile': '/cert' },
  'requester.nodeUnknownAfter': { 'requester.nodeDisconnectedAfter': '10s' },
  'broker.tls.caFile': { 'broker.tls.certFile': '/cert', 'broker.tls.keyFile': '/key' },
  'api.tls.certFile': { 'api.tls.keyFile': '/key' },
  'api.tls.keyFile': { 'api.tls.certFile': '/cert' },
};

for (const key of settingKeys) {
  test(`${key} can be set in the file, by ${environmentName(key)} and by its flag, the later over the former`, async t => {
    const kind = settingOf(key).type.name;
    const choices = kind
      .split(', ')
      .reverse()
      .slice(0, 3)
      .map((name): [string, unknown] => [name, name]);
    const [file, environment, flag] = samples[kind] ?? choices;
    if (!file || !environment || !flag) return assert.fail(`no samples of ${kind}`);
    const others = Object.entries(companions[key] ?? {});
    const lines = [[key, file[0]], ...others].map(pair => pair.join(': '));
    const path = await configFile(t, lines.join('\n'));
    const variables = { [environmentName(key)]: environment[0] };

    const inFile = await loadSettings({ configFile: path, environment: surroundings() });
    assert.deepEqual(settingValue(inFile.settings, key), file[1]);
    assert.equal(inFile.origin[key], `file ${path}:1`);
    assert.equal(inFile.file, path);

    const inEnvironment = await loadSettings({ configFile: path, environment: surroundings(variables) });
    assert.deepEqual(settingValue(inEnvironment.settings, key), environment[1]);
    assert.equal(inEnvironment.origin[key], `environment ${environmentName(key)}`);

    if (isSecret(key)) return;
    const flags = { [key]: flag[0] };
    const byFlag = await loadSettings({ flags, configFile: path, environment: surroundings(variables) });
    assert.deepEqual(settingValue(byFlag.settings, key), flag[1]);
    assert.equal(byFlag.origin[key], `flag ${flagName(key)}`);
  });
}

test('when nothing is given, every setting has its default and no file is named', async () => {
  const { settings, origin, warnings, file } = await loadSettings({ environment: surroundings() });
  assert.deepEqual(settings, defaultSettings());
  assert.deepEqual(new Set(Object.values(origin)), new Set(['default']));
  assert.deepEqual(Object.keys(origin), settingKeys);
  assert.deepEqual([warnings, file], [[], undefined]);
});

test('the defaults are the documented ones', () => {
  assert.deepEqual(defaultSettings(), {
    compute: {
      infoUpdateFrequency: 60_000,
      resourceUpdateFrequency: 30_000,
      heartbeatFrequency: 15_000,
      heartbeatTopic: 'bacalhau.global.compute.{nodeId}.out.heartbeat',
      rejoinAfterDelete: false,
      busyFile: undefined,
      allocatedCapacity: {
        cpu: { percent: 80 },
        memory: { percent: 80 },
        disk: { percent: 80 },
        gpu: { percent: 100 },
      },
    },
    requester: {
      heartbeatFrequency: 5_000,
      forgetAfter: undefined,
      heartbeatTopic: 'bacalhau.global.compute.{nodeId}.out.heartbeat',
      nodeDisconnectedAfter: 45_000,
      nodeUnknownAfter: 90_000,
      manualApproval: true,
      maxPending: 1000,
      unverifiedNodes: false,
      requireIdentity: false,
    },
    nats: {
      servers: [],
      token: undefined,
      tokenFile: undefined,
      user: undefined,
      password: undefined,
      passwordFile: undefined,
      credsFile: undefined,
      accounts: { muster: undefined, listen: undefined, listenLive: undefined, unverified: undefined },
      tls: { caFile: undefined, certFile: undefined, keyFile: undefined, handshakeFirst: false },
    },
    join: { code: undefined, codeFile: undefined },
    broker: {
      binary: undefined,
      host: '127.0.0.1',
      port: 4222,
      advertise: [],
      allowPlaintext: false,
      requesters: [],
      approved: { publish: [], subscribe: [] },
      tls: { certFile: undefined, keyFile: undefined, caFile: undefined },
    },
    node: {
      id: undefined,
      nameProvider: 'puuid',
      labels: {},
      address: undefined,
      cloudMetadata: false,
      declared: {
        cpu: undefined,
        memory: undefined,
        disk: undefined,
        gpu: undefined,
        gpuName: undefined,
        gpuMemory: undefined,
      },
      nvmlLibrary: undefined,
    },
    api: {
      host: '127.0.0.1',
      port: 1234,
      servers: [],
      openReads: true,
      token: undefined,
      tokenFile: undefined,
      tls: { certFile: undefined, keyFile: undefined, caFile: undefined, pin: [] },
    },
    metrics: { port: undefined, host: '127.0.0.1' },
    dataDir: undefined,
    log: { level: 'info', format: 'auto', file: undefined },
  });
});

test('the names in the environment and of flags are all different, and secrets have no flag', () => {
  assert.equal(new Set(settingKeys.map(environmentName)).size, settingKeys.length);
  const flags = settingKeys.flatMap(key => (isSecret(key) ? [] : [flagName(key)]));
  assert.equal(new Set(flags).size, flags.length);
  assert.deepEqual(settingKeys.filter(isSecret), ['nats.token', 'nats.password', 'join.code', 'api.token']);
  assert.equal(environmentName('nats.tls.caFile'), 'MUSTER_NATS_TLS_CA_FILE');
  assert.equal(flagName('dataDir'), '--data-dir');
});

test('readFlags takes numbers, booleans and lists as the command line gives them', async () => {
  const { settings } = await loadSettings({
    flags: {
      'api.port': 80,
      'requester.manualApproval': false,
      'node.labels': ['a=1', 'b=2,c=3'],
      'nats.servers': ['h', 'i'],
      'node.id': undefined,
    },
    environment: surroundings(),
  });
  assert.equal(settings.api.port, 80);
  assert.equal(settings.requester.manualApproval, false);
  assert.deepEqual(settings.node.labels, { a: '1', b: '2', c: '3' });
  assert.deepEqual(settings.nats.servers, ['nats://h:4222', 'nats://i:4222']);
});

test('an empty variable counts as not set', async () => {
  const { origin } = await loadSettings({
    environment: surroundings({ MUSTER_NODE_ID: '', MUSTER_NOT_A_SETTING: '' }),
  });
  assert.equal(origin['node.id'], 'default');
});

test('an unknown MUSTER_ variable is a fault that names the nearest setting', async () => {
  const variables = {
    MUSTER_COMPUTE_HARTBEAT_FREQUENCY: '1s',
    MUSTER_ZEBRA: 's3cret',
    OTHER: 'x',
    MUSTERED: 'x',
  };
  assert.deepEqual(await faultsOf(loadSettings({ environment: surroundings(variables) })), [
    'environment MUSTER_COMPUTE_HARTBEAT_FREQUENCY is not a setting; did you mean MUSTER_COMPUTE_HEARTBEAT_FREQUENCY?',
    'environment MUSTER_ZEBRA is not a setting; "muster config show" lists the settings',
  ]);
});

test('the variables of Kubernetes for services named muster, muster-api and muster-nats are not faults', async () => {
  const variables = {
    MUSTER_SERVICE_HOST: '10.0.0.1',
    MUSTER_SERVICE_PORT: '4222',
    MUSTER_SERVICE_PORT_CLIENT: '4222',
    MUSTER_PORT: 'tcp://10.0.0.1:4222',
    MUSTER_PORT_4222_TCP: 'tcp://10.0.0.1:4222',
    MUSTER_PORT_4222_TCP_ADDR: '10.0.0.1',
    MUSTER_NATS_SERVICE_HOST: '10.0.0.2',
    MUSTER_API_PORT: 'tcp://10.0.0.3:1234',
    MUSTER_API_PORT_1234_TCP_PROTO: 'tcp',
  };
  const { settings } = await loadSettings({ environment: surroundings(variables) });
  assert.deepEqual(settings, defaultSettings());
});

test('a secret comes from the environment, or else from the credentials, or else from the file', async t => {
  const folder = await temporaryFolder(t);
  const path = await configFile(t, 'nats: {token: from-file}');
  await writeFile(join(folder, 'nats.token'), '  from credential \n');
  await writeFile(join(folder, 'something.else'), 'x');
  const variables = { CREDENTIALS_DIRECTORY: folder };
  const load = (more = {}) =>
    loadSettings({ configFile: path, environment: surroundings({ ...variables, ...more }) });
  const credential = await load();
  assert.equal(credential.settings.nats.token, '  from credential ');
  assert.equal(credential.origin['nats.token'], `credential ${folder}/nats.token`);
  assert.equal((await load({ MUSTER_NATS_TOKEN: 'from-variable' })).settings.nats.token, 'from-variable');
  assert.equal((await load({ CREDENTIALS_DIRECTORY: '/nonexistent' })).settings.nats.token, 'from-file');
});

test('a credential that is not a readable file is a fault', async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'nats.token'), 'x'.repeat(70_000));
  const faults = await faultsOf(
    loadSettings({ environment: surroundings({ CREDENTIALS_DIRECTORY: folder }) }),
  );
  assert.deepEqual(faults, [`credential ${folder}/nats.token: cannot be read: larger than 65536 bytes`]);
});
