// Tests how the settings of a requester are shown under Bacalhau's keys.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bacalhauConfig } from '../../../agent/config/bacalhau/shown-config.ts';
import { redacted } from '../../../agent/system/secrets.ts';
import { defaultSettings } from '../../support/default-settings.ts';

test('a requester shows its settings under the keys of Bacalhau', () => {
  const settings = defaultSettings();
  assert.deepEqual(bacalhauConfig(settings), {
    API: { Host: '127.0.0.1', Port: 1234 },
    Labels: {},
    Logging: { Level: 'info' },
    NameProvider: 'puuid',
    Orchestrator: {
      Enabled: true,
      Host: settings.broker.host,
      Port: 4222,
      NodeManager: { DisconnectTimeout: '45s', ManualApproval: true },
    },
  });
});

test('the token of nodes of Bacalhau is only said to be there, and a broker of its own only when it has one', () => {
  const { requester, nats, node, ...rest } = defaultSettings();
  const settings = {
    ...rest,
    node: { ...node, labels: { env: 'prod' } },
    requester: { ...requester, unverifiedNodes: true },
    nats: { ...nats, servers: ['nats://10.0.0.1:4222'] },
  };
  const { Labels, Orchestrator } = bacalhauConfig(settings);
  assert.deepEqual(Labels, { env: 'prod' });
  assert.deepEqual(Orchestrator, {
    Enabled: true,
    Auth: { Token: redacted },
    NodeManager: { DisconnectTimeout: '45s', ManualApproval: true },
  });
});

test('after a reload the settings that it changes are shown, and those that need a restart stay', () => {
  const started = defaultSettings();
  const latest = defaultSettings();
  Object.assign(latest.requester, { manualApproval: false, nodeDisconnectedAfter: 1 });
  const { Orchestrator } = bacalhauConfig(started, latest);
  assert.deepEqual((Orchestrator as Record<string, unknown>).NodeManager, {
    DisconnectTimeout: '45s',
    ManualApproval: false,
  });
});

test('durations are written as Go writes them', () => {
  const cases: [milliseconds: number, text: string][] = [
    [0, '0s'],
    [20, '20ms'],
    [1_500, '1.5s'],
    [60_000, '1m0s'],
    [90_250, '1m30.25s'],
    [3_600_000, '1h0m0s'],
    [50 * 3_600_000 + 61_000, '50h1m1s'],
  ];
  for (const [nodeDisconnectedAfter, text] of cases) {
    const settings = defaultSettings();
    Object.assign(settings.requester, { nodeDisconnectedAfter });
    const { Orchestrator } = bacalhauConfig(settings);
    const { NodeManager } = Orchestrator as { NodeManager: { DisconnectTimeout: string } };
    assert.equal(NodeManager.DisconnectTimeout, text);
  }
});
