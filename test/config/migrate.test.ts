// Configurations of Bacalhau made into ours: what each key becomes, what is told, and that the result always loads.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { yamlText } from '../../agent/cli/data.ts';
import { bacalhauKeys } from '../../agent/config/bacalhau-keys.ts';
import { checkText } from '../../agent/config/check-text.ts';
import { migrate } from '../../agent/config/migrate.ts';
import { isLoopback } from '../../agent/requester/api/loopback.ts';
import { faultsOf } from './surroundings.ts';

const path = '/etc/bacalhau/config.yaml';

async function migrated(text: string, secrets: 'write' | 'point' = 'point') {
  const { document, dropped, notes } = await migrate(text, { path, secrets, mayListenOn: isLoopback });
  const yaml = await yamlText(document);
  const { faults, warnings } = checkText(yaml, '/result');
  assert.deepEqual(faults, []);
  const bare = (lines: string[]) => lines.map(line => line.replace(`${path}:`, ''));
  return { yaml, settings: parse(yaml) ?? {}, dropped: bare(dropped), notes: bare(notes), warnings };
}

const example = (name: string) =>
  readFile(new URL(`../fixtures/bacalhau/config-${name}.yaml`, import.meta.url), 'utf8');

/** `value` at the path `key`, as a file of Bacalhau would nest it. */
const nested = (key: string, value: unknown): object =>
  key.split('.').reduceRight((inner, name) => ({ [name]: inner }), value) as object;

test('a compute node from 1.5 on', async () => {
  const { settings, yaml, dropped, notes, warnings } = await migrated(await example('1.6-compute'));
  assert.deepEqual(settings, {
    compute: {
      infoUpdateFrequency: '1m',
      resourceUpdateFrequency: '45s',
      heartbeatFrequency: '15s',
      allocatedCapacity: { cpu: '80%', memory: '75.5%', disk: '500GB', gpu: '100%' },
    },
    nats: {
      servers: ['nats://orchestrator-1.example:4222', 'nats://orchestrator-2.example:4222'],
      tokenFile: 'token',
      tls: { caFile: '/etc/bacalhau/nats-ca.pem', handshakeFirst: true },
    },
    node: {
      nameProvider: 'puuid',
      labels: { zone: 'eu-west', maintainer: 'ops & friends', version: '1.10' },
    },
    api: { host: '127.0.0.1', port: 1234 },
    log: { level: 'debug', format: 'json' },
  });
  assert.deepEqual(yaml.split('\n').slice(0, 2), [
    '# yaml-language-server: $schema=/usr/share/muster/config.schema.json',
    `# Made from ${path}, a configuration of Bacalhau from 1.5 on.`,
  ]);
  assert.match(yaml, /^ {2}heartbeatFrequency: 15s # Compute\.Heartbeat\.Interval, line 19$/m);
  const local = 'the HTTP API of muster listens on this machine only, without TLS and login';
  assert.deepEqual(dropped, [
    '3: DataDir is dropped: muster keeps its state in a folder of its own, and dataDir moves it',
    `8: API.TLS.UseTLS is dropped: ${local}`,
    `9: API.TLS.SelfSigned is dropped: ${local}`,
    '28: Compute.Network.AdvertisedAddress is dropped: nobody calls an agent of muster',
    '29: Compute.AllowListedLocalPaths is dropped: muster runs no jobs',
    '39: Engines.Types.Docker.ManifestCache.Size is dropped: muster runs no jobs',
    '43: InputSources.Types.IPFS.Endpoint is dropped: muster runs no jobs',
    '45: JobAdmissionControl.AcceptNetworkedJobs is dropped: muster runs no jobs',
    '50: UpdateConfig.Interval is dropped: it is about the program of Bacalhau alone',
    '51: DisableAnalytics is dropped: muster sends nothing to its makers',
  ]);
  assert.deepEqual(notes, [
    '13: Compute.Orchestrators holds a secret, which is not printed: put it into the file that nats.tokenFile names, or use --output FILE',
    'start it with "muster agent": which role runs is no setting',
  ]);
  assert.deepEqual(warnings, []);
});

test('an orchestrator from 1.5 on', async () => {
  const { settings, dropped, notes } = await migrated(await example('1.6-orchestrator'));
  assert.deepEqual(settings, {
    requester: { nodeDisconnectedAfter: '1m', manualApproval: true },
    broker: { host: '0.0.0.0', port: 4222 },
    node: { labels: { role: 'control' } },
    api: { port: 1234 },
    log: { level: 'info' },
  });
  assert.equal(dropped.length, 15);
  assert.ok(dropped.includes('3: API.Host is dropped: the HTTP API of muster listens on this machine only'));
  assert.ok(
    dropped.includes(
      '16: Orchestrator.Auth.Token is dropped: the broker of a requester makes its own token, in broker/token of its data folder',
    ),
  );
  assert.deepEqual(notes, ['start it with "muster requester": which role runs is no setting']);
});

test('a compute node up to 1.4', async () => {
  const { settings, dropped, notes, warnings } = await migrated(await example('1.4-compute'), 'write');
  assert.deepEqual(settings, {
    compute: {
      infoUpdateFrequency: '1m',
      resourceUpdateFrequency: '30s',
      heartbeatFrequency: '10s',
      heartbeatTopic: 'heartbeat',
      allocatedCapacity: { cpu: '12', memory: '48GiB', gpu: '2' },
    },
    requester: { heartbeatTopic: 'heartbeat' },
    nats: { servers: ['nats://orchestrator.example:4222', 'nats://10.0.0.2:4222'], token: 'old-s3cret' },
    broker: { port: 4222 },
    node: {
      id: 'rack7-blade3',
      nameProvider: 'hostname',
      labels: { owner: 'lab', zone: 'eu-west', 'disk/type': 'ssd' },
    },
    api: { host: '127.0.0.1', port: 1235 },
    log: { format: 'json' },
  });
  assert.equal(dropped.length, 28);
  assert.ok(
    dropped.includes('14: Node.ClientAPI.Port is dropped: Node.ServerAPI.Port, on line 21, comes first'),
  );
  assert.ok(
    dropped.includes(
      '33: Node.Network.StoreDir is dropped: muster keeps its state in a folder of its own, and dataDir moves it',
    ),
  );
  assert.deepEqual(notes, [
    '8: Node.Labels.Owner becomes owner, as Bacalhau reads it',
    'Bacalhau 1.4.0 reads ControlPlaneSettings and goes by its defaults all the same; muster goes by them',
    'start it with "muster agent": which role runs is no setting',
  ]);
  assert.deepEqual(warnings, []);
});

test('a requester up to 1.4, its keys in small letters', async () => {
  const { settings, yaml, notes, warnings } = await migrated(await example('1.4-requester'));
  assert.deepEqual(settings, {
    compute: { heartbeatTopic: 'heartbeat' },
    requester: {
      heartbeatFrequency: '15s',
      heartbeatTopic: 'heartbeat',
      nodeDisconnectedAfter: '2m',
      nodeUnknownAfter: '4m',
      manualApproval: true,
    },
    broker: { port: 4333 },
    api: { port: 1234 },
  });
  assert.match(yaml, /nodeUnknownAfter: 4m # longer than requester\.nodeDisconnectedAfter, as it must be\n/);
  assert.deepEqual(notes.slice(1), [
    'the broker listens on 127.0.0.1; to listen on every address as that of Bacalhau does: broker.host: 0.0.0.0',
    'start it with "muster requester": which role runs is no setting',
  ]);
  assert.deepEqual(warnings, []);
});

/** A value that each key may have. */
const samples: Record<string, unknown> = {
  duration: '20s',
  size: '8GiB',
  boolean: true,
  path: '/etc/x.pem',
  labels: { zone: 'eu' },
  level: 'warn',
  mode: 'json',
};

test('every key of the table, in any case, becomes a setting, a role or a reason', async () => {
  const texts: Record<string, unknown> = {
    'broker.host': '0.0.0.0',
    'broker.port': 4333,
    'api.host': 'localhost',
    'api.port': 4321,
    'node.nameProvider': 'uuid',
    'node.id': 'n-1',
    'compute.heartbeatTopic': 'heartbeat',
    'requester.heartbeatTopic': 'heartbeat',
    'compute.allocatedCapacity.cpu': 2,
    'compute.allocatedCapacity.gpu': 1,
  };
  for (const [key, fate] of Object.entries(bacalhauKeys)) {
    for (const spelled of [key, key.toLowerCase(), key.toUpperCase()]) {
      if ('to' in fate) {
        const value = samples[fate.as] ?? texts[fate.to] ?? assert.fail(fate.to);
        const { settings, dropped } = await migrated(stringify(nested(spelled, value)));
        const found = fate.to.split('.').reduce((group, name) => group?.[name], settings);
        assert.deepEqual([found !== undefined, dropped], [true, []], spelled);
      } else {
        const value =
          'role' in fate ? (fate.role === 'list' ? ['compute'] : true) : 'servers' in fate ? ['h'] : 'x';
        const { settings, dropped, notes } = await migrated(stringify(nested(spelled, value)));
        if ('dropped' in fate) {
          assert.deepEqual(settings, {}, spelled);
          assert.ok(
            dropped[0]?.startsWith(`${spelled.split('.').length}: ${spelled} is dropped: ${fate.dropped}`),
          );
        } else if ('role' in fate) assert.match(notes.join(), /start it with/);
        else if ('servers' in fate) assert.deepEqual(settings.nats.servers, ['nats://h:4222']);
        else if (fate.token === 'requester') assert.match(dropped[0] ?? '', /only a requester asks for it/);
        else assert.equal(settings.nats.tokenFile, 'token');
      }
    }
  }
});

test('what Bacalhau writes out as empty is as if it were not there', async () => {
  const text =
    'Compute: { Orchestrators: [], Auth: { Token: "" }, Heartbeat: { Interval: }, Network: {}, X: null }\nNameProvider: uuid\n';
  const { settings, dropped } = await migrated(text);
  assert.deepEqual([settings, dropped], [{ node: { nameProvider: 'uuid' } }, []]);
});

test('values in the ways that Bacalhau writes them', async () => {
  const cases: [key: string, value: unknown, expected: unknown][] = [
    ['Compute.Heartbeat.Interval', '1m30s', '1m30s'],
    ['Compute.Heartbeat.Interval', '0h0m15.5s', '15s500ms'],
    ['Compute.Heartbeat.Interval', '1500000us', '1s500ms'],
    ['Compute.Heartbeat.Interval', '2s1m', '1m2s'],
    ['Compute.Heartbeat.Interval', '.5m', '30s'],
    ['Compute.Heartbeat.Interval', 15_000_000_000, '15s'],
    ['Compute.AllocatedCapacity.Memory', '8G', '8GB'],
    ['Compute.AllocatedCapacity.Memory', '8gi', '8GiB'],
    ['Compute.AllocatedCapacity.Memory', '1.5 GiB', '1536MiB'],
    ['Compute.AllocatedCapacity.Memory', '1,024mb', '1024MB'],
    ['Compute.AllocatedCapacity.Memory', 4096, '4KiB'],
    ['Compute.AllocatedCapacity.Memory', '80 %', '80%'],
    ['Compute.AllocatedCapacity.CPU', '100m', '100m'],
    ['Compute.AllocatedCapacity.CPU', 2.5, '2500m'],
    ['Orchestrator.NodeManager.ManualApproval', 1, true],
    ['Orchestrator.NodeManager.ManualApproval', 'F', false],
    ['Logging.Level', 'FATAL', 'error'],
    ['Logging.Mode', 'default', 'auto'],
    ['Compute.Orchestrators', 'a, nats://b:1', ['nats://a:4222', 'nats://b:1']],
    ['Labels', 'a=1,b=x=y', { a: '1', b: 'x=y' }],
    ['Labels', ['a=1', 'b='], { a: '1', b: '' }],
  ];
  for (const [key, value, expected] of cases) {
    const { settings, dropped } = await migrated(stringify(nested(key, value)));
    const fate = bacalhauKeys[key];
    const to = fate && 'to' in fate ? fate.to : 'nats.servers';
    const found = to.split('.').reduce((group, name) => group?.[name], settings);
    assert.deepEqual([found, dropped], [expected, []], `${key}: ${value}`);
  }
});

test('values that are none are dropped, each with its reason', async () => {
  const cases: [key: string, value: unknown, why: string][] = [
    ['Compute.Heartbeat.Interval', 15, '"15" is too short; allowed: 10ms to 168h'],
    ['Compute.Heartbeat.Interval', '1d', '"1d" is not a duration; allowed: like 15s, 1m30s, 500ms'],
    ['Compute.Heartbeat.Interval', ['1s'], 'one value is expected'],
    ['Compute.Heartbeat.Interval', { a: 1 }, 'one value is expected'],
    ['Compute.Heartbeat', '15s', 'it is a group of keys in Bacalhau, and something else here'],
    [
      'Compute.AllocatedCapacity.Memory',
      'lots',
      '"lots" is not a share or a size; allowed: like 80%, 8GB, 8GiB',
    ],
    ['Orchestrator.Port', 'x', '"x" is not a port; allowed: 0 to 65535'],
    [
      'Orchestrator.Host',
      '<IP>',
      '"<IP>" is not a host; allowed: a host name or an IP address, without scheme and port',
    ],
    ['Orchestrator.NodeManager.DisconnectTimeout', '0s', '"0s" is too short; allowed: 10ms to 168h'],
    [
      'Orchestrator.NodeManager.DisconnectTimeout',
      '100h',
      'requester.nodeUnknownAfter must be longer still, and cannot be',
    ],
    ['Compute.TLS.RequireTLS', 'maybe', '"maybe" is neither true nor false; allowed: true, false'],
    ['NameProvider', 'dns', '"dns" is not one of the choices; allowed: puuid, uuid, hostname, aws, gcp'],
    [
      'Logging.Mode',
      'station',
      '"station" is no format of muster, which chooses by where it writes; allowed: default, json',
    ],
    ['Compute.Orchestrators', { a: 1 }, 'one value, or a list of values, is expected'],
    ['Compute.Orchestrators', [{ a: 1 }], 'one value, or a list of values, is expected'],
    [
      'Compute.Orchestrators',
      ['ws://h'],
      '"ws://h" is not a NATS server; allowed: like nats://host:4222, tls://host:4222, host:4222',
    ],
    ['Compute.Enabled', { a: 1 }, 'one value is expected'],
    [
      'Labels',
      { 'a b': '1' },
      '"a b" is not a label; allowed: 1 to 63 letters, digits and . _ / -, first a letter or digit',
    ],
    ['Labels', { a: [1] }, 'one value is expected'],
    ['Labels', 'alone', 'one value is expected'],
    [
      'Compute.Heartbeat.Intervall',
      '1s',
      'Bacalhau has no such key; did you mean Compute.Heartbeat.Interval?',
    ],
    ['Frobnicate', '1', 'Bacalhau has no such key'],
  ];
  for (const [key, value, why] of cases) {
    // With one key that is good: else it is no configuration of Bacalhau at all.
    const { settings, dropped } = await migrated(
      stringify({ StrictVersionMatch: '', ...nested(key, value), DataDir: '/x' }),
    );
    assert.deepEqual(settings, {}, key);
    const told = dropped.filter(line => !line.includes(' DataDir '));
    assert.equal(told.length, 1, `${key}: ${told}`);
    assert.ok(told[0]?.endsWith(` is dropped: ${why}`), told.join());
  }
});

test('which role it is for decides on servers and tokens', async () => {
  const tokens =
    'Compute: { Auth: { Token: a }, Orchestrators: [h] }\nOrchestrator: { Auth: { Token: b } }\n';
  const nats = async (text: string) => (await migrated(text, 'write')).settings.nats;
  assert.deepEqual(await nats(tokens), { servers: ['nats://h:4222'], token: 'a' });
  const both = parse(tokens);
  const enabled = (agent: boolean, requester: boolean) =>
    stringify({
      Compute: { Enabled: agent, ...both.Compute },
      Orchestrator: { Enabled: requester, ...both.Orchestrator },
    });
  assert.deepEqual(await nats(enabled(true, false)), { servers: ['nats://h:4222'], token: 'a' });
  assert.equal(await nats(enabled(false, true)), undefined);
  assert.equal(await nats(enabled(true, true)), undefined);
  const startNote = async (text: string) => (await migrated(text)).notes.at(-1);
  assert.match(
    (await startNote(enabled(true, true))) ?? '',
    /^start it with "muster requester" and "muster agent"/,
  );
  // Where the file is silent, a broker's port without a broker to call is a requester's.
  assert.match((await startNote('Orchestrator: { Port: 4222 }')) ?? '', /"muster requester"/);
  assert.match((await startNote('Labels: { a: b }')) ?? '', /"muster agent"/);
  assert.equal(await nats('Node: { Type: [requester, compute], Network: { AuthSecret: x } }'), undefined);
  assert.deepEqual(await nats('Node: { Type: compute, Network: { AuthSecret: x } }'), { token: 'x' });
});

test('tokens in the addresses of the servers', async () => {
  const at = async (...servers: string[]) => {
    const { settings, dropped } = await migrated(stringify({ Compute: { Orchestrators: servers } }), 'write');
    return [settings.nats?.servers, settings.nats?.token, dropped];
  };
  assert.deepEqual(await at('nats://t%40k@h:1', 'u'), [['nats://h:1', 'nats://u:4222'], 't@k', []]);
  assert.deepEqual(await at('x@h', 'x@i'), [['nats://h:4222', 'nats://i:4222'], 'x', []]);
  assert.deepEqual(await at('x@h', 'y@i'), [
    ['nats://h:4222', 'nats://i:4222'],
    'x',
    ['4: Compute.Orchestrators is dropped: Compute.Orchestrators, on line 3, comes first'],
  ]);
  assert.deepEqual(await at('nats://user:pass@h'), [
    ['nats://h:4222'],
    undefined,
    [
      '3: Compute.Orchestrators is dropped: an address holds a user and a password; set nats.user and nats.passwordFile',
    ],
  ]);
});

test('a secret is in the result only where it is asked for, and in no line that is told', async () => {
  const files = [
    'Compute: { Auth: { Token: zq7qz } }',
    'Compute: { Auth: { Token: "zq7qz\\u0007" } }',
    'Compute: { Auth: { Token: [zq7qz] } }',
    'Compute: { Auth: { Token: { zq7qz: zq7qz } } }',
    'Compute: { Auth: zq7qz }',
    'Compute: { Auth: { Tokn: zq7qz } }',
    'Compute:\n  Auth:\n    Token:zq7qz: x',
    'Compute: { Orchestrators: ["nats://zq7qz@h"] }',
    'Compute: { Orchestrators: ["ws://zq7qz@h"] }',
    'Compute: { Orchestrators: "nats://zq7qz@h, zq7qz@i" }',
    'Compute: { Orchestrators: ["nats://user:zq7qz@h"] }',
    'Compute: { Orchestrators: ["nats://zq7%zz7qz@h"] }',
    'Orchestrator: { Enabled: true, Auth: { Token: zq7qz } }',
    'Orchestrator: { Auth: { Token: zq7qz } }',
    'Node: { Network: { AuthSecret: zq7qz } }',
    'Node: { EstuaryAPIKey: zq7qz }',
  ];
  for (const text of files) {
    const { yaml, dropped, notes } = await migrated(`${text}\nDataDir: /x`);
    assert.doesNotMatch([yaml, ...dropped, ...notes].join('\n'), /zq7|7qz/, text);
    const written = await migrated(`${text}\nDataDir: /x`, 'write');
    assert.doesNotMatch([...written.dropped, ...written.notes].join('\n'), /zq7|7qz/, text);
  }
  assert.match(
    (await migrated(files[0] ?? '', 'write')).yaml,
    /^ {2}token: zq7qz # Compute\.Auth\.Token, line 1$/m,
  );
});

test('what is no YAML, or no configuration of Bacalhau, is an error', async () => {
  const fails = (text: string) =>
    faultsOf(migrate(text, { path, secrets: 'point', mayListenOn: isLoopback }));
  assert.deepEqual(await fails('Compute: {'), [
    `${path}:1: not valid YAML: the indentation does not fit the lines around it, or a bracket is not closed`,
  ]);
  for (const text of ['', 'x', '- a', 'Frobnicate: 1', 'compute: { heartbeatFrequency: 5s }']) {
    assert.deepEqual(
      await fails(text),
      [`${path}: none of its keys is one of Bacalhau's configuration`],
      text,
    );
  }
  const hint = async (text: string) =>
    migrate(text, { path, secrets: 'point', mayListenOn: isLoopback }).catch(error => error.hint);
  assert.match(await hint('compute: { heartbeatFrequency: 5s }'), /it looks like a configuration of muster/);
  assert.match(await hint('x: 1'), /^give the config\.yaml of a Bacalhau node$/);
});

test('aliases are not followed, so that none can grow without end', async () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi'])
    bomb.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`);
  const { settings, dropped } = await migrated(
    `${bomb.join('\n')}\nLabels: { a: *i }\nCompute:\n  Orchestrators: *i\n  <<: *i\n`,
  );
  assert.deepEqual(settings, {});
  const alias = 'it is an alias, which is not followed; write out what it stands for';
  assert.ok(dropped.includes('10: Labels.a is dropped: one value is expected'));
  assert.ok(dropped.includes(`12: Compute.Orchestrators is dropped: ${alias}`));
  assert.ok(dropped.includes(`13: Compute.<< is dropped: ${alias}`));
  const anchored = await migrated('Compute: { Heartbeat: &h { Interval: &i 20s } }');
  assert.deepEqual(anchored.settings, { compute: { heartbeatFrequency: '20s' } });
});

test('a key that is given twice counts once', async () => {
  const { settings, dropped } = await migrated(
    'DataDir: /a\ndatadir: /b\nNameProvider: uuid\nnameprovider: aws\n',
  );
  assert.deepEqual(settings, { node: { nameProvider: 'uuid' } });
  assert.ok(dropped.includes('2: datadir is dropped: it is given twice; the first is on line 1'));
  assert.ok(dropped.includes('4: nameprovider is dropped: it is given twice; the first is on line 3'));
});

test('what a file holds cannot steer a terminal', async () => {
  const text =
    'Labels: { "a\\u001b[2J": x, b: "\\u202e" }\n"Evil\\u001b]0;x\\u0007": 1\n"Compute\\n": { x: 1 }\n';
  const { yaml, dropped, notes, settings } = await migrated(text);
  for (const line of [...yaml.split('\n'), ...dropped, ...notes])
    assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  assert.deepEqual(settings, { node: { labels: { b: '\u202e' } } });
});

test('a mebibyte of keys that Bacalhau has not is told of, and nothing more', async () => {
  const lines = Array.from({ length: 60_000 }, (_, index) => `Frobnicate${index}: 1`);
  const { settings, dropped } = await migrated(`DataDir: /x\n${lines.join('\n')}`);
  assert.deepEqual([settings, dropped.length], [{}, 60_001]);
});

test('labels beyond what may be, one by one', async () => {
  const many = Object.fromEntries(Array.from({ length: 66 }, (_, index) => [`k${index}`, '1']));
  const { settings, dropped } = await migrated(stringify({ Labels: { ...many, K1: '2' } }));
  assert.equal(Object.keys(settings.node.labels).length, 64);
  assert.deepEqual(dropped, [
    '66: Labels.k64 is dropped: there are too many; allowed: 64',
    '67: Labels.k65 is dropped: there are too many; allowed: 64',
    '68: Labels.K1 is dropped: it is given twice',
  ]);
});

test('whatever a file holds, the result loads and each key is accounted for', async () => {
  const names = Object.keys(bacalhauKeys);
  const scalar = fc.oneof(
    fc.constantFrom(
      '15s',
      '1m',
      '100h',
      '168h',
      '8GB',
      '80%',
      '2',
      true,
      false,
      0,
      4222,
      '0.0.0.0',
      'localhost',
      'json',
      'x=y',
      'heartbeat',
    ),
    fc.string({ unit: 'binary' }).filter(text => text.isWellFormed()),
    fc.double(),
  );
  const value = fc.oneof(
    { arbitrary: scalar, weight: 5 },
    fc.array(scalar, { maxLength: 3 }),
    fc.dictionary(fc.string(), scalar, { maxKeys: 3 }),
  );
  const entries = fc.uniqueArray(fc.tuple(fc.constantFrom(...names), value), {
    minLength: 1,
    maxLength: 12,
    selector: ([name]) => name,
  });
  await fc.assert(
    fc.asyncProperty(entries, fc.constantFrom('write', 'point'), async (entries, secrets) => {
      const { root, placed } = tree(entries);
      const text = stringify(root);
      const done = await migrate(text, { path, secrets, mayListenOn: isLoopback }).catch(error => error);
      if (done instanceof Error) {
        // None of its keys had a value.
        assert.match(done.message, /none of its keys/);
        return;
      }
      const yaml = await yamlText(done.document);
      assert.deepEqual(checkText(yaml, '/result').faults, [], yaml);
      const told = [...yaml.split('\n'), ...done.dropped, ...done.notes];
      for (const line of told) assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      for (const [name, value] of placed) {
        const fate = bacalhauKeys[name];
        // What says the same as another key is not told of.
        const alone = !placed.some(([other]) => other !== name && sameTarget(name, other));
        if (fate && !('role' in fate) && alone && holds(value))
          assert.ok(
            told.some(line => line.includes(name)),
            `${name} in ${text}`,
          );
      }
    }),
    { numRuns: 300 },
  );
});

/** The entries as a file would nest them, and those that could be placed: some would stand below a value. */
function tree(entries: readonly [string, unknown][]) {
  const root: Record<string, unknown> = {};
  const placed = entries.filter(([name, value]) => {
    const names = name.split('.');
    const last = names.pop() ?? '';
    let group = root;
    for (const part of names) {
      group[part] ??= {};
      const below = group[part];
      if (typeof below !== 'object' || below === null || Array.isArray(below)) return false;
      group = below as typeof root;
    }
    if (last in group) return false;
    group[last] = value;
    return true;
  });
  return { root, placed };
}

function sameTarget(one: string, other: string): boolean {
  const targets = [one, other].map(name => {
    const fate = bacalhauKeys[name] ?? { dropped: '' };
    return 'to' in fate ? fate.to : 'token' in fate || 'servers' in fate ? 'nats' : name;
  });
  return targets[0] === targets[1];
}

/** Is there anything in it but blanks and commas, which are as good as nothing? */
function holds(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return !/^[\s,]*$/.test(String(value ?? ''));
  return Object.values(value).some(holds);
}
