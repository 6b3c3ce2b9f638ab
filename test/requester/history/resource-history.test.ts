// Tests the history of resources: what it keeps of nodes, for how long, and what gives way when there is no more room.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Health } from '../../../agent/protocol/node-state.ts';
import { historyLimits, ResourceHistory } from '../../../agent/requester/history/resource-history.ts';
import type { ResourceInfo } from '../../../agent/requester/roll/resource-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RequesterFixture } from '../requester-fixture.ts';
import { computeInfo, record } from '../samples.ts';

const gpus = (count: number) =>
  Array.from({ length: count }, (_, Index) => ({
    Index,
    Name: `gpu ${Index}`,
    Vendor: 'NVIDIA',
    Memory: 80_000,
    PCIAddress: `0:${Index}`,
  }));

function node(id: string, gpuCount = 0) {
  const info = computeInfo(id);
  const MaxCapacity = { CPU: 8, GPUs: gpus(gpuCount) };
  return record(id, 'APPROVED', {
    Info: { ...info, ComputeNodeInfo: { ...info.ComputeNodeInfo, MaxCapacity } },
  });
}

const report = (cpu: number): ResourceInfo => ({
  available: { CPU: 8 - cpu, Memory: 1e9, Disk: 2e9 },
  queued: {},
  usage: {
    CPU: cpu,
    Memory: 3e9,
    Disk: 4e9,
    Load: 1,
    GPUs: [{ Index: 0, PCIAddress: '', Memory: 5, Utilisation: 6 }],
  },
  at: new Date(0),
  protocol: 'bprotocol/v2',
});

function begin(nodes: Map<string, ReturnType<typeof node>>, limits = historyLimits) {
  const clock = new FakeClock();
  const reports = new Map<string, ResourceInfo>();
  const health = new Map<string, Health>();
  const history = new ResourceHistory({
    clock,
    records: () => nodes.values(),
    record: id => nodes.get(id),
    report: id => reports.get(id),
    health: id => health.get(id) ?? 'HEALTHY',
    limits,
  });
  history.start();
  return { clock, reports, health, history };
}

const many = (count: number, gpuCount = 0) =>
  new Map(Array.from({ length: count }, (_, at) => [`node-${at}`, node(`node-${at}`, gpuCount)]));

test('a node that nobody looked at has a history too, with gaps while it was silent', async () => {
  const { clock, reports, health, history } = begin(many(1, 1));
  reports.set('node-0', report(1));
  await clock.advance(30_000);
  reports.set('node-0', report(2));
  await clock.advance(30_000);
  health.set('node-0', 'UNKNOWN');
  await clock.advance(30_000);
  const seen = history.look('node-0');
  assert.deepEqual(seen.Used.CPU, [1, 2, null]);
  assert.deepEqual(seen.Available.CPU, [7, 6, null]);
  assert.deepEqual(seen.Used.Memory, [3e9, 3e9, null]);
  assert.deepEqual(seen.GPUs, [{ Index: 0, Name: 'gpu 0', Memory: [5, 5, null], Utilisation: [6, 6, null] }]);
  assert.deepEqual(
    seen.TimesMs.map(time => (time - Date.parse(seen.Since)) / 1000),
    [0, 30, 60],
  );
});

test('it reaches back an hour', async () => {
  const { clock, reports, history } = begin(many(1));
  for (let sample = 1; sample <= 130; sample++) {
    reports.set('node-0', report(sample));
    await clock.advance(30_000);
  }
  const { Used, TimesMs } = history.look('node-0');
  assert.deepEqual([Used.CPU.length, Used.CPU[0], Used.CPU.at(-1)], [120, 11, 130]);
  assert.equal((TimesMs.at(-1) ?? 0) - (TimesMs[0] ?? 0), 119 * 30_000);
});

test('a node that was not kept begins when it is looked at', async () => {
  const { clock, reports, history } = begin(many(1), { ...historyLimits, unseenBytes: 0 });
  await clock.advance(120_000);
  reports.set('node-0', report(1));
  const first = history.look('node-0');
  assert.deepEqual([first.Used.CPU, first.TimesMs.length], [[1], 1]);
  await clock.advance(30_000);
  const second = history.look('node-0');
  assert.deepEqual([second.Since, second.Used.CPU], [first.Since, [1, 1]]);
});

test('the memory is bounded, and what nobody looked at for longest gives way', async () => {
  const limits = { bytes: 400_000, unseenBytes: 100_000 };
  const { clock, reports, history } = begin(many(500), limits);
  for (let at = 0; at < 500; at++) reports.set(`node-${at}`, report(1));
  await clock.advance(30_000);
  assert.ok(history.sizeBytes > 90_000 && history.sizeBytes < 110_000, `${history.sizeBytes}`);
  for (let at = 499; at >= 0; at--) {
    history.look(`node-${at}`);
    assert.ok(history.sizeBytes <= limits.bytes);
  }
  await clock.advance(30_000);
  assert.equal(history.look('node-0').Used.CPU.length, 2);
  // The first ones that were looked at have given way, so they begin anew.
  assert.equal(history.look('node-499').Used.CPU.length, 1);
});

test('the memory is bounded too when nodes that were looked at get more GPUs', async () => {
  const limits = { bytes: 400_000, unseenBytes: 100_000 };
  const nodes = many(150);
  const { clock, reports, history } = begin(nodes, limits);
  for (const id of nodes.keys()) {
    reports.set(id, report(1));
    if (Number(id.slice(5)) < 100) history.look(id);
  }
  for (const [id] of nodes) nodes.set(id, node(id, 8));
  await clock.advance(30_000);
  assert.ok(history.sizeBytes <= limits.bytes, `${history.sizeBytes}`);
  await clock.advance(30_000);
  assert.equal(history.look('node-99').Used.CPU.length, 2);
});

test('a node whose GPUs changed begins anew, and one that is gone is forgotten', async () => {
  const nodes = many(1, 2);
  const { clock, reports, history } = begin(nodes);
  reports.set('node-0', report(1));
  await clock.advance(60_000);
  assert.equal(history.look('node-0').GPUs.length, 2);
  nodes.set('node-0', node('node-0', 3));
  await clock.advance(30_000);
  const after = history.look('node-0');
  assert.deepEqual([after.GPUs.length, after.Used.CPU], [3, [1]]);
  history.onRemoved('node-0');
  assert.equal(history.sizeBytes, 0);
});

test('a running requester keeps the history of its nodes', async () => {
  const fixture = await RequesterFixture.started();
  await fixture.register('a');
  const update = (cpu: number) =>
    fixture.ask('a', 'UpdateResources/v1', {
      NodeID: 'a',
      AvailableCapacity: { CPU: cpu },
      QueueUsedCapacity: {},
      Usage: { CPU: cpu, Memory: 2e9, Disk: 3e9, Load: 1 },
      ...fixture.senderOf('a'),
    });
  await update(1);
  await fixture.clock.advance(30_000);
  await update(2);
  await fixture.clock.advance(30_000);
  const { Used, NodeID } = fixture.requester.directory.history('a');
  assert.deepEqual([NodeID, Used.CPU], ['a', [1, 2]]);
  assert.throws(() => fixture.requester.directory.history('b'), { code: 'not_found' });
});
