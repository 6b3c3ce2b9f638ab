// Migrates configurations of Bacalhau: whole files of both generations, every key, and the roles.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { bacalhauKeys } from '../../../agent/config/bacalhau/key-table.ts';
import { migrated, nested, path } from './migrated.ts';

const example = (name: string) =>
  readFile(new URL(`../../fixtures/bacalhau/config-${name}.yaml`, import.meta.url), 'utf8');

test('the configuration of a compute node from 1.5 on is migrated', async () => {
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
  const local = 'the HTTP API of muster makes its certificate and its tokens by itself';
  assert.deepEqual(dropped, [
    '3: DataDir is dropped: muster keeps its state in a folder of its own, and dataDir moves it',
    `8: API.TLS.UseTLS is dropped: ${local}`,
    `9: API.TLS.SelfSigned is dropped: ${local}`,
    '28: Compute.Network.AdvertisedAddress is dropped: nobody connects to an agent of muster',
    '29: Compute.AllowListedLocalPaths is dropped: muster runs no jobs',
    '39: Engines.Types.Docker.ManifestCache.Size is dropped: muster runs no jobs',
    '43: InputSources.Types.IPFS.Endpoint is dropped: muster runs no jobs',
    '45: JobAdmissionControl.AcceptNetworkedJobs is dropped: muster runs no jobs',
    '50: UpdateConfig.Interval is dropped: it concerns only the program of Bacalhau',
    '51: DisableAnalytics is dropped: muster sends nothing to its makers',
  ]);
  assert.deepEqual(notes, [
    '13: Compute.Orchestrators holds a secret, which is not shown: put it into the file that nats.tokenFile names, or use --output FILE',
    'start it with "muster agent": the command decides which role runs',
  ]);
  assert.deepEqual(warnings, []);
});

test('the configuration of an orchestrator from 1.5 on is migrated', async () => {
  const { settings, dropped, notes } = await migrated(await example('1.6-orchestrator'));
  assert.deepEqual(settings, {
    requester: { nodeDisconnectedAfter: '1m', manualApproval: true },
    broker: { host: '0.0.0.0', port: 4222 },
    node: { labels: { role: 'control' } },
    api: { port: 1234 },
    log: { level: 'info' },
  });
  assert.equal(dropped.length, 15);
  assert.ok(
    dropped.includes(
      '3: API.Host is dropped: the HTTP API is not opened to other machines by itself; set api.host for that',
    ),
  );
  assert.ok(
    dropped.includes(
      '16: Orchestrator.Auth.Token is dropped: the broker of a requester lets the nodes of Bacalhau in by a token of its own, with requester.unverifiedNodes',
    ),
  );
  assert.deepEqual(notes, ['start it with "muster requester": the command decides which role runs']);
});

test('the configuration of a compute node up to 1.4 is migrated', async () => {
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
    'Bacalhau 1.4.0 ignores ControlPlaneSettings and uses its defaults; muster uses the values',
    'start it with "muster agent": the command decides which role runs',
  ]);
  assert.deepEqual(warnings, []);
});

test('the configuration of a requester up to 1.4 is migrated, with its keys in lower case', async () => {
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
    'the broker listens on 127.0.0.1; to listen on every address as the broker of Bacalhau does: broker.host: 0.0.0.0',
    'start it with "muster requester": the command decides which role runs',
  ]);
  assert.deepEqual(warnings, []);
});

test('servers and tokens are converted according to the role', async () => {
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
  // When the file names no role, the port of a broker without servers to connect to means a requester.
  assert.match((await startNote('Orchestrator: { Port: 4222 }')) ?? '', /"muster requester"/);
  assert.match((await startNote('Labels: { a: b }')) ?? '', /"muster agent"/);
  assert.equal(await nats('Node: { Type: [requester, compute], Network: { AuthSecret: x } }'), undefined);
  assert.deepEqual(await nats('Node: { Type: compute, Network: { AuthSecret: x } }'), { token: 'x' });
});

test('notes explain how an agent beside a requester reaches the broker, which has no TLS', async () => {
  const tls = 'TLS: { CACert: /ca.pem, RequireTLS: true }';
  const node = (agent: boolean, requester: boolean, port = 4222) =>
    migrated(
      `Compute: { Enabled: ${agent}, ${tls} }\nOrchestrator: { Enabled: ${requester}, Host: h, Port: ${port} }\n`,
    );
  const { settings, dropped, notes } = await node(true, true);
  assert.equal(settings.nats, undefined);
  const why = 'the broker of a requester speaks no TLS; use NATS servers of your own for that';
  assert.deepEqual(dropped, [
    `1: Compute.TLS.CACert is dropped: ${why}, and name them in nats.servers`,
    `1: Compute.TLS.RequireTLS is dropped: ${why}, and name them in nats.servers`,
  ]);
  const agent = 'beside the requester the agent needs, and in its environment only,';
  assert.deepEqual(notes.slice(1, -1), [
    `${agent} the token that the broker makes, broker/token in the data folder: MUSTER_NATS_TOKEN_FILE names a copy`,
  ]);
  const moved = await node(true, true, 4333);
  assert.deepEqual(moved.notes.slice(2, -1), [
    `${agent} the address of that broker: MUSTER_NATS_SERVERS=nats://127.0.0.1:4333`,
  ]);
  const bothRoles = 'Compute: { Enabled: true }\nOrchestrator: { Enabled: true, Host: h }\n';
  const named = await migrated(`${bothRoles}NameProvider: hostname\n`);
  assert.deepEqual(named.notes.slice(2, -1), [`${agent} an id other than the requester's: MUSTER_NODE_ID`]);
  const unnamed = await migrated(`${bothRoles}NameProvider: puuid\n`);
  assert.doesNotMatch(unnamed.notes.join('\n'), /MUSTER_NODE_ID/);
  const alone = await node(true, false);
  assert.deepEqual(alone.settings.nats.tls, { caFile: '/ca.pem', handshakeFirst: true });
  for (const { notes } of [alone, await node(false, true, 4333)])
    assert.doesNotMatch(notes.join('\n'), /beside the requester/);
});

/** A valid value for each key. */
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
