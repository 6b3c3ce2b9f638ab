// All faults of the settings are reported at once, in exact texts with the place, the key, the value and what is allowed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { environmentName, isSecret, settingKeys } from '../../agent/config/keys.ts';
import { loadSettings } from '../../agent/config/load.ts';
import type { Role } from '../../agent/config/role.ts';
import type { SettingKey } from '../../agent/config/settings.ts';
import { configFile, faultsOf, surroundings } from './surroundings.ts';

/** Returns the fault of one setting with one value, without its place. */
async function faultOf(key: SettingKey, value: string): Promise<string> {
  const name = environmentName(key);
  const [fault, ...more] = await faultsOf(loadSettings({ environment: surroundings({ [name]: value }) }));
  assert.deepEqual(more, []);
  const place = `environment ${name}: ${key}: `;
  if (!fault?.startsWith(place)) return assert.fail(fault);
  return fault.slice(place.length);
}

test('the text behind the ? of a server may be a secret, and is not repeated', async () => {
  const why = 'is not a NATS server; allowed: like nats://host:4222, tls://host:4222, host:4222';
  assert.equal(await faultOf('nats.servers', 'nats://h?token=zq7qz'), `"nats://h?…" ${why}`);
  assert.equal(await faultOf('nats.servers', 'nats://h#zq7qz'), `"nats://h#…" ${why}`);
  assert.match(await faultOf('nats.servers', 'nats://u@h/?token=zq7qz'), /^"…@h\/\?…" holds/);
});

test('all faults of all sources are reported at once, those of the file line by line', async t => {
  const path = await configFile(
    t,
    `compute:
  heartbeatFrequency: 15 sec
  hartbeatTopic: x
  infoUpdateFrequency: [1s]
requester:
  nodeUnknownAfter: 30s
nats: none
log:
  level: loud
node:
  labels: { a: 1 }
  id: node 1
`,
  );
  const options = {
    flags: { 'api.port': 99_999 },
    configFile: path,
    environment: surroundings({ MUSTER_BROKER_PORT: 'x' }),
  };
  assert.deepEqual(await faultsOf(loadSettings(options)), [
    `${path}:2: compute.heartbeatFrequency: "15 sec" is not a duration; allowed: like 15s, 1m30s, 500ms`,
    `${path}:3: compute.hartbeatTopic is not a setting; did you mean compute.heartbeatTopic?`,
    `${path}:4: compute.infoUpdateFrequency: a list is not allowed here; allowed: one value`,
    `${path}:6: requester.nodeUnknownAfter: 30s is not longer than requester.nodeDisconnectedAfter; allowed: longer than 45s`,
    `${path}:7: nats is a group of settings; allowed in it: servers, token, tokenFile, user, password, passwordFile, credsFile, accounts, tls`,
    `${path}:9: log.level: "loud" is not one of the choices; allowed: trace, debug, info, warn, error, silent`,
    `${path}:12: node.id: "node 1" is not valid; allowed: 1 to 128 letters, digits, - and _`,
    'environment MUSTER_BROKER_PORT: broker.port: "x" is not a port; allowed: 0 to 65535',
    'flag --api-port: api.port: "99999" is not a port; allowed: 0 to 65535',
  ]);
});

test('each kind of value says what it allows', async () => {
  const cases: [SettingKey, string, string][] = [
    ['compute.heartbeatFrequency', '15', '"15" is not a duration; allowed: like 15s, 1m30s, 500ms'],
    ['compute.heartbeatFrequency', '9ms', '"9ms" is too short; allowed: 10ms to 7d'],
    ['compute.heartbeatFrequency', '0s', '"0s" is too short; allowed: 10ms to 7d'],
    ['compute.heartbeatFrequency', '169h', '"169h" is too long; allowed: 10ms to 7d'],
    ['compute.rejoinAfterDelete', 'yes', '"yes" is neither true nor false; allowed: true, false'],
    ['requester.maxPending', '-1', '"-1" is not a whole number; allowed: 0 to 1000000'],
    ['requester.maxPending', '1000001', '"1000001" is not a whole number; allowed: 0 to 1000000'],
    ['api.port', '65536', '"65536" is not a port; allowed: 0 to 65535'],
    ['api.port', '12.5', '"12.5" is not a port; allowed: 0 to 65535'],
    [
      'api.host',
      'http://h',
      '"http://h" is not a host; allowed: a host name or an IP address, without scheme and port',
    ],
    [
      'api.host',
      'h:80',
      '"h:80" is not a host; allowed: a host name or an IP address, without scheme and port',
    ],
    [
      'api.host',
      '300.1.1.1',
      '"300.1.1.1" is not a host; allowed: a host name or an IP address, without scheme and port',
    ],
    [
      'node.nameProvider',
      'hostnam',
      '"hostnam" is not one of the choices; allowed: puuid, uuid, hostname, aws, gcp; did you mean hostname?',
    ],
    ['node.nameProvider', 'dns', '"dns" is not one of the choices; allowed: puuid, uuid, hostname, aws, gcp'],
    [
      'compute.allocatedCapacity.cpu',
      '120%',
      '"120%" is not a share or a number of cores; allowed: like 80%, 2, 1.5, 500m',
    ],
    ['compute.allocatedCapacity.memory', '8', '"8" is not a share or a size; allowed: like 80%, 8GB, 8GiB'],
    [
      'compute.allocatedCapacity.gpu',
      '1.5',
      '"1.5" is not a share or a number of GPUs; allowed: like 100%, 2',
    ],
    ['node.declared.memory', '8', '"8" is not a size; allowed: like 8GB, 8GiB'],
    ['node.labels', 'zone', '"zone" is not a pair; allowed: like zone=eu,disk=ssd'],
    [
      'node.labels',
      '-a=1',
      '"-a" is not a label: it begins with "-"; allowed: 1 to 63 letters, digits and . _ / -, first a letter or digit',
    ],
    ['node.labels', 'a=1,a=2', '"a" is given twice; allowed: each label once'],
    [
      'node.labels',
      `a=${'x'.repeat(256)}`,
      '"a" has a value that is not allowed: it has 256 characters; allowed: at most 255 characters on one line',
    ],
    [
      'node.labels',
      Array.from({ length: 65 }, (_, i) => `k${i}=`).join(),
      '65 labels are too many; allowed: 64',
    ],
    ['node.id', 'a.b', '"a.b" is not valid; allowed: 1 to 128 letters, digits, - and _'],
    [
      'node.id',
      'x'.repeat(129),
      `"${'x'.repeat(100)}…" is not valid; allowed: 1 to 128 letters, digits, - and _`,
    ],
    ['dataDir', '~other/x', '"~other/x" names the home folder of another user; allowed: ~/ and then a path'],
    ['dataDir', '~/x', '"~/x" needs a home folder, and HOME is not set; write the whole path'],
    [
      'dataDir',
      'a\u001bb',
      '"a\\u001bb" is not a path; allowed: like /etc/muster/token, without control characters',
    ],
    [
      'nats.servers',
      'http://h',
      '"http://h" is not a NATS server; allowed: like nats://host:4222, tls://host:4222, host:4222',
    ],
    [
      'nats.servers',
      'h:99999',
      '"h:99999" is not a NATS server; allowed: like nats://host:4222, tls://host:4222, host:4222',
    ],
    [
      'nats.servers',
      'a,nats://b/c',
      '"nats://b/c" is not a NATS server; allowed: like nats://host:4222, tls://host:4222, host:4222',
    ],
    ['nats.servers', Array(65).fill('h').join(), '65 servers are too many; allowed: 64'],
    [
      'nats.token',
      'a\nb',
      'the value is not usable; allowed: 1 to 4096 characters, without line breaks and control characters',
    ],
    [
      'nats.token',
      '<redacted>',
      'the value is <redacted>, which only stands for a secret; write the secret itself',
    ],
  ];
  for (const [key, value, expected] of cases) assert.equal(await faultOf(key, value), expected);
});

test('a topic is a subject to publish on, in which {nodeId} may be one whole token', async () => {
  const wildcard = 'holds a wildcard; allowed: {nodeId} where the id of a node stands';
  const brace = 'holds a brace; allowed: {nodeId}, exactly so and as a whole token between dots';
  const subject =
    'is not a subject; allowed: tokens without spaces joined by dots, like a.{nodeId}.heartbeat';
  const cases: [string, string][] = [
    ['a.*.b', wildcard],
    ['a.>', wildcard],
    ['a.{nodeId}.{nodeId}', 'holds {nodeId} more than once; allowed: once at most'],
    ['a.{nodeID}', brace],
    ['a.x{nodeId}', brace],
    ['a..b', subject],
    ['.a', subject],
    ['a b', subject],
    ['{nodeId}', subject],
    ['$JS.API.{nodeId}', subject],
    ['a.é', subject],
    ['a'.repeat(256), subject],
  ];
  for (const key of ['compute.heartbeatTopic', 'requester.heartbeatTopic'] as const) {
    for (const [value, why] of cases) {
      const shown = value.length > 100 ? `${value.slice(0, 100)}…` : value;
      assert.equal(await faultOf(key, value), `"${shown}" ${why}`);
    }
  }
});

test('settings that exclude or need each other are faults', async () => {
  const cases: [Record<string, string>, string[]][] = [
    [
      { MUSTER_NATS_TOKEN: 's3cret', MUSTER_NATS_TOKEN_FILE: '/t', MUSTER_NATS_CREDS_FILE: '/c' },
      [
        'environment MUSTER_NATS_TOKEN, environment MUSTER_NATS_TOKEN_FILE, environment MUSTER_NATS_CREDS_FILE: nats.token: set together with nats.tokenFile and nats.credsFile; allowed: one way to log in',
      ],
    ],
    [
      { MUSTER_NATS_USER: 'u', MUSTER_NATS_PASSWORD: 's3cret', MUSTER_NATS_PASSWORD_FILE: '/p' },
      [
        'environment MUSTER_NATS_PASSWORD, environment MUSTER_NATS_PASSWORD_FILE: nats.password: set together with nats.passwordFile; allowed: one of them',
      ],
    ],
    [
      { MUSTER_NATS_USER: 'u' },
      [
        'environment MUSTER_NATS_USER: nats.user: set without a password; set nats.passwordFile or nats.password too',
      ],
    ],
    [
      { MUSTER_NATS_PASSWORD_FILE: '/p' },
      [
        'environment MUSTER_NATS_PASSWORD_FILE: nats.passwordFile: set without nats.user; set both or neither',
      ],
    ],
    [
      { MUSTER_NATS_TLS_KEY_FILE: '/k' },
      [
        'environment MUSTER_NATS_TLS_KEY_FILE: nats.tls.keyFile: set without nats.tls.certFile; set both or neither',
      ],
    ],
    [
      { MUSTER_BROKER_TLS_CERT_FILE: '/c', MUSTER_BROKER_ALLOW_PLAINTEXT: 'true' },
      [
        'environment MUSTER_BROKER_ALLOW_PLAINTEXT, environment MUSTER_BROKER_TLS_CERT_FILE: broker.allowPlaintext: set together with broker.tls.certFile, with which the broker always uses TLS; allowed: one of them',
        'environment MUSTER_BROKER_TLS_CERT_FILE: broker.tls.certFile: set without broker.tls.keyFile; set both or neither',
      ],
    ],
    [
      { MUSTER_BROKER_TLS_CA_FILE: '/c', MUSTER_BROKER_ADVERTISE: 'a.example, http://b' },
      [
        'environment MUSTER_BROKER_ADVERTISE: broker.advertise: "http://b" is not an address; allowed: like broker.example.com, 192.0.2.1:4222, [2001:db8::1]:4222',
        'environment MUSTER_BROKER_TLS_CA_FILE: broker.tls.caFile: set without broker.tls.certFile; set the certificate that this CA signed too',
      ],
    ],
    [
      { MUSTER_API_SERVERS: 'm1:1234,m2' },
      [
        'environment MUSTER_API_SERVERS: api.servers: "m2" is not an address with a port; allowed: like requester-1.example:1234, https://192.0.2.1:1234, [2001:db8::1]:1234',
      ],
    ],
    [
      { MUSTER_API_SERVERS: 'https://ada:secret@m1:1234' },
      [
        'environment MUSTER_API_SERVERS: api.servers: the value is not an address with a port; allowed: like requester-1.example:1234, https://192.0.2.1:1234, [2001:db8::1]:1234',
      ],
    ],
    [
      { MUSTER_BROKER_APPROVED_PUBLISH: 'results.{nodeId},bacalhau.>' },
      [
        'environment MUSTER_BROKER_APPROVED_PUBLISH: broker.approved.publish: "bacalhau.>" opens subjects of the heartbeats, "bacalhau.global.compute.{nodeId}.out.heartbeat"; allowed: subjects that are not in requester.heartbeatTopic',
      ],
    ],
    [
      { MUSTER_REQUESTER_NODE_DISCONNECTED_AFTER: '90s' },
      [
        'environment MUSTER_REQUESTER_NODE_DISCONNECTED_AFTER: requester.nodeUnknownAfter: 1m30s (the default) is not longer than requester.nodeDisconnectedAfter; allowed: longer than 1m30s',
      ],
    ],
  ];
  for (const [variables, expected] of cases) {
    assert.deepEqual(await faultsOf(loadSettings({ environment: surroundings(variables) })), expected);
  }
});

test('a refused setting causes no second fault together with other settings', async () => {
  const variables = {
    MUSTER_REQUESTER_NODE_UNKNOWN_AFTER: 'soon',
    MUSTER_REQUESTER_NODE_DISCONNECTED_AFTER: '100s',
  };
  assert.deepEqual(await faultsOf(loadSettings({ environment: surroundings(variables) })), [
    'environment MUSTER_REQUESTER_NODE_UNKNOWN_AFTER: requester.nodeUnknownAfter: "soon" is not a duration; allowed: like 15s, 1m30s, 500ms',
  ]);
});

test('a value that is overridden must be valid too', async t => {
  const path = await configFile(t, 'api: {port: none}');
  const environment = surroundings({ MUSTER_API_PORT: '80' });
  assert.deepEqual(await faultsOf(loadSettings({ configFile: path, environment })), [
    `${path}:1: api.port: "none" is not a port; allowed: 0 to 65535`,
  ]);
});

test('doubtful combinations are warnings that name the settings', async () => {
  const warningsOf = async (variables: Record<string, string>) =>
    (await loadSettings({ environment: surroundings(variables) })).warnings;
  assert.deepEqual(await warningsOf({ MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: '22500ms' }), []);
  assert.deepEqual(await warningsOf({ MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: '23s' }), [
    'environment MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: compute.heartbeatFrequency: 23s is more than half of requester.nodeDisconnectedAfter, 45s: one lost heartbeat may make a node UNHEALTHY',
  ]);
  assert.deepEqual(await warningsOf({ MUSTER_REQUESTER_HEARTBEAT_FREQUENCY: '46s' }), [
    'environment MUSTER_REQUESTER_HEARTBEAT_FREQUENCY: requester.heartbeatFrequency: 46s is longer than requester.nodeDisconnectedAfter, 45s: a silent node is noticed late',
  ]);
  assert.deepEqual(await warningsOf({ MUSTER_COMPUTE_HEARTBEAT_TOPIC: 'heartbeat' }), [
    'environment MUSTER_COMPUTE_HEARTBEAT_TOPIC: compute.heartbeatTopic: "heartbeat" is not requester.heartbeatTopic, "bacalhau.global.compute.{nodeId}.out.heartbeat": a requester with these settings does not get the heartbeats of this agent',
  ]);
});

test('a warning about two settings names the place of the one that it is about', async t => {
  const doubts = async (text: string, variables: Record<string, string> = {}) => {
    const path = await configFile(t, text);
    const { warnings } = await loadSettings({ configFile: path, environment: surroundings(variables) });
    return warnings.map(warning => warning.replaceAll(path, 'FILE'));
  };
  const tail = 'one lost heartbeat may make a node UNHEALTHY';
  const file = 'requester:\n  manualApproval: true\n  nodeDisconnectedAfter: 20s\n';
  // Only the second of the two is set: the warning is about it, and names its line.
  assert.deepEqual(await doubts(file), [
    `FILE:3: requester.nodeDisconnectedAfter: 20s is less than twice compute.heartbeatFrequency, 15s (the default): ${tail}`,
  ]);
  // Both are set: the warning is about the heartbeat, and names only its line.
  assert.deepEqual(await doubts(`${file}compute:\n  heartbeatFrequency: 15s\n`), [
    `FILE:5: compute.heartbeatFrequency: 15s is more than half of requester.nodeDisconnectedAfter, 20s: ${tail}`,
  ]);
  assert.deepEqual(await doubts(file, { MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: '15s' }), [
    `environment MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: compute.heartbeatFrequency: 15s is more than half of requester.nodeDisconnectedAfter, 20s: ${tail}`,
  ]);
  assert.deepEqual(await doubts('compute:\n  heartbeatFrequency: 30s\n'), [
    `FILE:2: compute.heartbeatFrequency: 30s is more than half of requester.nodeDisconnectedAfter, 45s: ${tail}`,
  ]);
  assert.deepEqual(await doubts('log: {level: info}\nrequester: {heartbeatTopic: beats}\n'), [
    'FILE:2: compute.heartbeatTopic: "bacalhau.global.compute.{nodeId}.out.heartbeat" (the default) is not requester.heartbeatTopic, "beats": a requester with these settings does not get the heartbeats of this agent',
  ]);
});

test('a role is not warned about heartbeats that it does not send', async t => {
  const path = await configFile(t, 'requester:\n  nodeDisconnectedAfter: 20s\n');
  const load = async (role?: Role) =>
    (await loadSettings({ configFile: path, environment: surroundings(), role })).warnings.length;
  assert.deepEqual([await load('requester'), await load('agent'), await load()], [0, 1, 1]);
});

test('no fault repeats a secret, wherever it is in the file', async t => {
  const files = [
    'nats: {token: "s3cret\\u0007"}',
    'nats: {token: [s3cret]}',
    'nats: {token: {s3cret: s3cret}}',
    'nats: {token: *s3cret}',
    'nats: {token: &s3cret x}',
    'nats: {token: !s3cret x}',
    'nats: {token: @s3cret}',
    'nats: {token: "s3cret}',
    'nats: {token: "\\s3cret"}',
    'nats: s3cret',
    'nats: {token:s3cret}',
    'nats: {token=s3cret}',
    'nats: {token: ab,s3cret}',
    'nats: {tls: {token: ab,s3cret}, ? s3cret}',
    '{token: ab,s3cret}',
    'nats:\n  token:s3cret\n  user: x',
    'nats:\n  token: s3cret: s3cret',
    'nats:\n  token: [s3cret',
    'nats:\n  token: x\n s3cret',
    'nats:\n  tokn: s3cret',
    'token: s3cret',
    's3cret',
    '- s3cret',
    'nats: {servers: "nats://s3cret@host"}',
    'nats: {servers: [a, "nats://user:s3,cret@host"]}',
    'nats: {servers: ["nats://user:s3cret", "host@x"]}',
    'nats: {servers: "ht tp://s3cret@"}',
  ];
  for (const text of files) {
    const path = await configFile(t, text);
    const faults = await faultsOf(loadSettings({ configFile: path, environment: surroundings() }));
    // The name of a temporary folder is random, and may hold the same letters as a short secret.
    const told = faults.join('\n').replaceAll(path, 'FILE');
    if (text.includes('@x')) assert.match(told, /"…@x"/);
    else assert.doesNotMatch(told, /s3|cret/, text);
  }
});

test('a NATS server with a user or a token in its address is refused, and the fault says where to put them', async () => {
  const why =
    'holds a user or a token, which would appear in logs; use nats.tokenFile, nats.token or nats.user instead';
  assert.equal(await faultOf('nats.servers', 'a,nats://s3cret@host:4222'), `"…@host:4222" ${why}`);
});

test('at most 50 faults are listed, and the rest are counted', async t => {
  const path = await configFile(t, Array.from({ length: 60 }, (_, index) => `zebra${index}: 1`).join('\n'));
  const faults = await faultsOf(loadSettings({ configFile: path, environment: surroundings() }));
  assert.equal(faults.length, 51);
  assert.equal(faults.at(-1), 'and 10 more faults');
});

test('any environment and any flags give settings or faults, and never a crash or a fault of two lines', async () => {
  const names = settingKeys.map(environmentName);
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('1s', '0', '-1', 'true', 'a=b', ',', '=', '{nodeId}', '~/', '%', '\0', '1e999'),
  );
  const variables = fc.dictionary(fc.constantFrom(...names, 'MUSTER_X', 'HOME'), value);
  const flags = fc.dictionary(
    fc.constantFrom(...settingKeys.filter(key => !isSecret(key))),
    fc.oneof(value, fc.array(value), fc.double(), fc.boolean()),
  );
  await fc.assert(
    fc.asyncProperty(variables, flags, async (variables, flags) => {
      const loaded = loadSettings({ flags, environment: surroundings(variables) });
      const faults = await loaded.then(
        () => [],
        () => faultsOf(loaded),
      );
      for (const line of faults)
        assert.match(line, /^(flag --|environment MUSTER_)[\x20-\x7e\u00a0-\u{10ffff}]+$/u);
    }),
  );
});

test('a subject for approved nodes opens nothing of muster or of the broker', async () => {
  const faultsIn = async (texts: string[], wanted: RegExp) => {
    for (const text of texts) assert.match(await faultOf('broker.approved.publish', text), wanted, text);
  };
  const reserved = [
    'node',
    'node.management.{nodeId}.>',
    'requester.events.>',
    'muster.why',
    'unverified.node',
  ];
  await faultsIn(reserved, /belongs to muster or to the broker/);
  await faultsIn(['$JS.API.>', '$KV.a', '_INBOX.>', '_R_.a'], /belongs to muster or to the broker/);
  const open = ['>', '*', '*.management.x', '{nodeId}.management.>', '{nodeId}'];
  await faultsIn(open, /could be any subject, also one of muster/);
  const malformed = [
    'work.{node}',
    'work.x{nodeId}',
    'a.{nodeId}.{nodeId}',
    'work.>.a',
    'work..a',
    'work.',
    '.a',
  ];
  await faultsIn(malformed, /is no subject for approved nodes/);
  await faultsIn(
    ['work. a', 'wörk', 'a>', '1.a', `a.${'x'.repeat(254)}`],
    /is no subject for approved nodes/,
  );
  await faultsIn([Array(33).fill('a').join()], /too many; allowed: 32/);
});

test('what is no public key of a requester is refused, and no secret key is shown', async () => {
  const secret = 'SUAJ5CGTCUYTAPNDIMXXZPO5RXWLMMRX4Y4MFTAHOG5MUMMHTTSLKGSSQY';
  for (const text of [
    secret,
    'NBDWEAMSB',
    'UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45LA',
    'UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45A',
    'u',
  ]) {
    const fault = await faultOf('broker.requesters', text);
    assert.match(fault, /is no key of a requester/, text);
    assert.ok(!fault.includes(text.slice(2, 20)) || text === 'u', fault);
  }
  assert.match(
    await faultOf(
      'broker.requesters',
      Array(9).fill('UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45L').join(),
    ),
    /too many; allowed: 8/,
  );
});
