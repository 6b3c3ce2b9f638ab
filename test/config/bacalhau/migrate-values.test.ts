// A migration converts the values of Bacalhau in all forms in which it writes them, and drops values that are not valid.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { bacalhauKeys } from '../../../agent/config/bacalhau/key-table.ts';
import { migrated, nested } from './migrated.ts';

test('an empty value that Bacalhau writes counts as absent', async () => {
  const text =
    'Compute: { Orchestrators: [], Auth: { Token: "" }, Heartbeat: { Interval: }, Network: {}, X: null }\nNameProvider: uuid\n';
  const { settings, dropped } = await migrated(text);
  assert.deepEqual([settings, dropped], [{ node: { nameProvider: 'uuid' } }, []]);
});

test('values are converted from all forms in which Bacalhau writes them', async () => {
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
    ['Compute.AllocatedCapacity.Memory', '0.3KiB', '307B'],
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

test('values that are not valid are dropped, each with a reason', async () => {
  const cases: [key: string, value: unknown, why: string][] = [
    ['Compute.Heartbeat.Interval', 15, '"15" is too short; allowed: 10ms to 7d'],
    ['Compute.Heartbeat.Interval', '1w', '"1w" is not a duration; allowed: like 15s, 1m30s, 500ms'],
    ['Compute.Heartbeat.Interval', ['1s'], 'one value is expected'],
    ['Compute.Heartbeat.Interval', { a: 1 }, 'one value is expected'],
    ['Compute.Heartbeat', '15s', 'it is a group of keys in Bacalhau, but not in this file'],
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
    ['Orchestrator.NodeManager.DisconnectTimeout', '0s', '"0s" is too short; allowed: 10ms to 7d'],
    [
      'Orchestrator.NodeManager.DisconnectTimeout',
      '100h',
      'requester.nodeUnknownAfter must be longer than this, and cannot be',
    ],
    ['Compute.TLS.RequireTLS', 'maybe', '"maybe" is neither true nor false; allowed: true, false'],
    ['NameProvider', 'dns', '"dns" is not one of the choices; allowed: puuid, uuid, hostname, aws, gcp'],
    [
      'Logging.Mode',
      'station',
      '"station" is not a format of muster, which chooses one by where the log goes; allowed: default, json',
    ],
    ['Compute.Orchestrators', { a: 1 }, 'one value or a list of values is expected'],
    ['Compute.Orchestrators', [{ a: 1 }], 'one value or a list of values is expected'],
    [
      'Compute.Orchestrators',
      ['ws://h'],
      '"ws://h" is not a NATS server; allowed: like nats://host:4222, tls://host:4222, host:4222',
    ],
    ['Compute.Enabled', { a: 1 }, 'one value is expected'],
    [
      'Labels',
      { 'a b': '1' },
      '"a b" is not a label: it has " " as character 2; allowed: 1 to 63 letters, digits and . _ / -, first a letter or digit',
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
    // The file has one valid key, because it would not be a configuration of Bacalhau without one.
    const { settings, dropped } = await migrated(
      stringify({ StrictVersionMatch: '', ...nested(key, value), DataDir: '/x' }),
    );
    assert.deepEqual(settings, {}, key);
    const told = dropped.filter(line => !line.includes(' DataDir '));
    assert.equal(told.length, 1, `${key}: ${told}`);
    assert.ok(told[0]?.endsWith(` is dropped: ${why}`), told.join());
  }
});

test('tokens in the addresses of servers become settings', async () => {
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

test('a key that is given twice counts once', async () => {
  const { settings, dropped } = await migrated(
    'DataDir: /a\ndatadir: /b\nNameProvider: uuid\nnameprovider: aws\n',
  );
  assert.deepEqual(settings, { node: { nameProvider: 'uuid' } });
  assert.ok(dropped.includes('2: datadir is dropped: it is given twice; the first is on line 1'));
  assert.ok(dropped.includes('4: nameprovider is dropped: it is given twice; the first is on line 3'));
});

test('each label beyond the limit is dropped by itself', async () => {
  const many = Object.fromEntries(Array.from({ length: 66 }, (_, index) => [`k${index}`, '1']));
  const { settings, dropped } = await migrated(stringify({ Labels: { ...many, K1: '2' } }));
  assert.equal(Object.keys(settings.node.labels).length, 64);
  assert.deepEqual(dropped, [
    '66: Labels.k64 is dropped: there are too many; allowed: 64',
    '67: Labels.k65 is dropped: there are too many; allowed: 64',
    '68: Labels.K1 is dropped: it is given twice',
  ]);
});
