// Settings are shown with their origins and without secrets, as text that can be loaded again. A reload finds what changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingKeys } from '../../agent/config/keys.ts';
import { type LoadedSettings, loadSettings } from '../../agent/config/load.ts';
import { compareSettings } from '../../agent/config/settings-difference.ts';
import { settingsDocument, settingsTable, showSettings } from '../../agent/config/show.ts';
import { yamlText } from '../../agent/output/data.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { configFile, faultsOf, surroundings } from './surroundings.ts';

const yamlOf = async (loaded: LoadedSettings) => yamlText(await settingsDocument(loaded));

const text = `compute:
  heartbeatFrequency: 1m30s
  allocatedCapacity: {cpu: 1500m, memory: 8GiB, disk: 12.5%}
requester: {nodeDisconnectedAfter: 4m, nodeUnknownAfter: 5m}
nats: {servers: [h, "tls://[::1]:1"], user: "null"}
node: {labels: {version: "1.10", Zone: "a: b # c", empty: ""}}
dataDir: /a b
`;

test('every setting is shown as an operator would write it, with its origin', async t => {
  const path = await configFile(t, text);
  const loaded = await loadSettings({
    configFile: path,
    environment: surroundings({ MUSTER_NATS_PASSWORD: 's3cret' }),
  });
  const shown = showSettings(loaded);
  assert.deepEqual(
    shown.map(row => row.key),
    settingKeys,
  );
  const row = (key: string) => shown.find(found => found.key === key);
  assert.deepEqual(row('compute.heartbeatFrequency'), {
    key: 'compute.heartbeatFrequency',
    value: '1m30s',
    origin: `file ${path}:2`,
  });
  assert.deepEqual(row('compute.allocatedCapacity.cpu')?.value, '1500m');
  assert.deepEqual(row('compute.allocatedCapacity.memory')?.value, '8GiB');
  assert.deepEqual(row('nats.servers')?.value, ['nats://h:4222', 'tls://[::1]:1']);
  assert.deepEqual(row('nats.password'), {
    key: 'nats.password',
    value: '<redacted>',
    origin: 'environment MUSTER_NATS_PASSWORD',
  });
  assert.deepEqual(row('nats.token'), { key: 'nats.token', value: undefined, origin: 'default' });
  assert.deepEqual(row('api.port'), { key: 'api.port', value: 1234, origin: 'default' });
});

test('the YAML names each origin, hides secrets, and is loaded to the same settings', async t => {
  const path = await configFile(t, text);
  const variables = { MUSTER_NATS_PASSWORD: 's3cret' };
  const loaded = await loadSettings({ configFile: path, environment: surroundings(variables) });
  const yaml = await yamlOf(loaded);
  assert.doesNotMatch(yaml, /s3cret/);
  assert.match(yaml, /^ {2}heartbeatFrequency: 1m30s # file .*config\.yaml:2$/m);
  assert.match(yaml, /^ {2}password: <redacted> # environment MUSTER_NATS_PASSWORD$/m);
  assert.match(yaml, /^ {2}token: # not set$/m);
  assert.match(yaml, /^ {2}servers: \[ nats:\/\/h:4222, "tls:\/\/\[::1\]:1" \] # file/m);

  const copy = await configFile(t, yaml);
  const [fault] = await faultsOf(loadSettings({ configFile: copy, environment: surroundings() }));
  assert.match(fault ?? '', /nats\.password: the value is <redacted>, which only stands for a secret/);
  const filled = await configFile(t, yaml.replace('<redacted>', 's3cret'));
  assert.deepEqual(
    (await loadSettings({ configFile: filled, environment: surroundings() })).settings,
    loaded.settings,
  );
});

test('the YAML has nothing that a terminal obeys, and is loaded to the same settings', async t => {
  const labels = '{ a: "\\u202e\\u00ad", b: "\\u200b# c" }';
  const path = await configFile(t, `nats: { user: "\\u009b2J", password: x }\nnode: { labels: ${labels} }\n`);
  const loaded = await loadSettings({ configFile: path, environment: surroundings() });
  const yaml = await yamlOf(loaded);
  assert.doesNotMatch(yaml.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
  const copy = await configFile(t, yaml.replace('<redacted>', 'x'));
  assert.deepEqual(
    (await loadSettings({ configFile: copy, environment: surroundings() })).settings,
    loaded.settings,
  );
});

test('the YAML names the file that was read, or the places where it was looked for', async t => {
  const path = await configFile(t, '');
  const first = async (configFile?: string) =>
    (await yamlOf(await loadSettings({ configFile, environment: surroundings() }))).split('\n')[0];
  assert.equal(await first(path), `# ${path}`);
  assert.equal(await first(), '# no configuration file (looked for /nonexistent/muster/etc/config.yaml)');
});

test('the YAML of the defaults is loaded to the defaults', async t => {
  const path = await configFile(t, await yamlOf(await loadSettings({ environment: surroundings() })));
  assert.deepEqual(
    (await loadSettings({ configFile: path, environment: surroundings() })).settings,
    defaultSettings(),
  );
});

test('the table has a row for each setting, and each says what it is in one line', () => {
  const rows = settingsTable();
  assert.deepEqual(
    rows.map(row => row.key),
    settingKeys,
  );
  for (const row of rows) assert.match(row.help, /^[^\n|]{10,110}[^.\n]$/, row.key);
  assert.deepEqual(
    rows.find(row => row.key === 'compute.heartbeatFrequency'),
    {
      key: 'compute.heartbeatFrequency',
      type: 'duration',
      unit: 'milliseconds',
      default: '15s',
      environment: 'MUSTER_COMPUTE_HEARTBEAT_FREQUENCY',
      flag: '--compute-heartbeat-frequency',
      reload: true,
      roles: 'agent',
      secret: false,
      help: 'time between two heartbeats of the agent',
    },
  );
  assert.equal(rows.find(row => row.key === 'nats.token')?.flag, undefined);
});

test('compareSettings tells changes that take effect now from those that wait for a restart', async () => {
  const before = defaultSettings();
  assert.deepEqual(compareSettings(before, defaultSettings()), { now: [], atRestart: [] });
  const { settings } = await loadSettings({
    flags: {
      'log.level': 'debug',
      'node.labels': 'a=1',
      'api.port': 1,
      'nats.servers': 'h',
      'compute.allocatedCapacity.cpu': '2',
    },
    environment: surroundings(),
  });
  assert.deepEqual(compareSettings(before, settings), {
    now: ['compute.allocatedCapacity.cpu', 'node.labels', 'log.level'],
    atRestart: ['nats.servers', 'api.port'],
  });
});
