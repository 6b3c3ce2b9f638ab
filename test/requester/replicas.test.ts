// Tests what a requester on a cluster of NATS servers says of the servers that store the roll, and refuses without a quorum.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StoreMark } from '../../agent/requester/ledger/store-mark.ts';
import { quorumFault, replicaTroubles } from '../../agent/requester/status/store-replicas.ts';
import { silentLog } from '../../agent/system/log.ts';
import type { StreamReplicas } from '../../agent/transport/port.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { RequesterFixture } from './requester-fixture.ts';

const streams = ['KV_muster_v1', 'KV_node_v1', 'NODE_EVENTS'];
const member = (name: string, isCurrent = true) => ({
  name,
  isCurrent,
  silentMs: 0,
  lag: 0,
});

/** A stream on three servers that all have everything. */
const whole = (stream: string): StreamReplicas => ({
  stream,
  replicas: 3,
  servers: 3,
  leader: 's0',
  others: [member('s1'), member('s2')],
});

/** A stream whose servers s1 and s2 are away. */
const leaderless = (stream: string): StreamReplicas => ({
  stream,
  replicas: 3,
  servers: 3,
  leader: undefined,
  others: [member('s0'), member('s1', false), member('s2', false)],
});

async function startOnCluster(): Promise<RequesterFixture> {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  broker.isClustered = true;
  for (const stream of streams) broker.replicas.set(stream, whole(stream));
  return RequesterFixture.started({ clock, broker });
}

const codes = ({ requester }: RequesterFixture) => requester.status().troubles?.map(({ code }) => code);
const decision = { reason: '', actor: 'ann' };

test('without a quorum a decision is refused before anything is written, and heals by itself', async () => {
  const fixture = await startOnCluster();
  const { broker, requester } = fixture;
  await fixture.register('node-1');
  await fixture.live(20_000, []);
  assert.equal(codes(fixture), undefined);
  assert.deepEqual(requester.status().store?.[1]?.others[0], { server: 's1', current: true, lag: 0 });
  for (const stream of streams) broker.replicas.set(stream, leaderless(stream));
  broker.storeFault = operation => (operation === 'put' ? { fault: 'timeout', applied: true } : undefined);
  await fixture.live(20_000, []);
  assert.deepEqual(codes(fixture)?.[0], 'no_quorum');
  const { state, reason, troubles } = requester.status();
  assert.equal(state, 'degraded');
  assert.match(reason ?? '', /what is shown is as of \d{4}-/);
  assert.match(
    troubles?.[0]?.text ?? '',
    /2 of 3 servers are away; nothing is decided until one is back \(muster_v1, node_v1, NODE_EVENTS\)$/,
  );
  const revision = broker.buckets.get('node_v1')?.revision;
  await assert.rejects(fixture.finish(requester.directory.approve('node-1', decision)), {
    code: 'no_quorum',
    message: /^the decision about node node-1 was not stored: .*no quorum: 2 of 3 servers are away/,
  });
  assert.equal(broker.buckets.get('node_v1')?.revision, revision);
  // The node is told also when its request needs no store, because another broker may lead to a requester with a quorum.
  const update = { NodeID: 'node-1', AvailableCapacity: {}, QueueUsedCapacity: {} };
  const refused = await fixture.ask('node-1', 'UpdateResources/v1', {
    ...update,
    ...fixture.senderOf('node-1'),
  });
  assert.match(JSON.stringify(refused), /"Code":"unavailable".*"Cause":"no_quorum"/);
  const answer = await fixture.register('node-2');
  assert.match(JSON.stringify(answer), /"Code":"unavailable".*"Cause":"no_quorum"/);
  for (const stream of streams) broker.replicas.set(stream, whole(stream));
  broker.storeFault = undefined;
  await fixture.finish(requester.directory.approve('node-1', decision));
  await fixture.live(20_000, []);
  assert.equal(codes(fixture), undefined);
  const done = await fixture.ask('node-1', 'UpdateResources/v1', {
    ...update,
    ...fixture.senderOf('node-1'),
  });
  assert.match(JSON.stringify(done), /"Code":"known"/);
  const texts = fixture.lines.map(({ message }) => message).filter(text => /quorum/.test(text));
  assert.deepEqual(texts, ['the store has no quorum', 'the store has a quorum again']);
});

test('a server that is behind twice in a row is a trouble, and one that was for a moment is none', async () => {
  const fixture = await startOnCluster();
  const { broker } = fixture;
  broker.replicas.set('KV_node_v1', { ...whole('KV_node_v1'), others: [member('s1', false), member('s2')] });
  await fixture.live(5_000, []);
  assert.equal(codes(fixture), undefined);
  await fixture.live(5_000, []);
  assert.deepEqual(codes(fixture), ['replica_behind']);
  assert.match(
    fixture.requester.status().troubles?.[0]?.text ?? '',
    /^s1 is away or behind, .*no further server/,
  );
  broker.replicas.set('KV_node_v1', whole('KV_node_v1'));
  await fixture.live(5_000, []);
  assert.equal(codes(fixture), undefined);
});

test('a server that is behind is a trouble also when the cluster did not answer between two questions', async () => {
  const fixture = await startOnCluster();
  const { broker } = fixture;
  broker.replicas.set('KV_node_v1', { ...whole('KV_node_v1'), others: [member('s1', false), member('s2')] });
  await fixture.live(5_000, []);
  broker.replicasFault = true;
  await fixture.live(5_000, []);
  assert.equal(codes(fixture), undefined);
  broker.replicasFault = false;
  await fixture.live(5_000, []);
  assert.deepEqual(codes(fixture), ['replica_behind']);
});

test('a stream on one server of a cluster is a trouble, and a cluster that does not answer is none', async () => {
  const fixture = await startOnCluster();
  const { broker } = fixture;
  broker.replicas.set('NODE_EVENTS', { ...whole('NODE_EVENTS'), replicas: 1, others: [] });
  await fixture.live(10_000, []);
  assert.deepEqual(codes(fixture), ['single_replica']);
  broker.replicas.set('NODE_EVENTS', { ...whole('NODE_EVENTS'), replicas: 1, servers: 2, others: [] });
  await fixture.live(10_000, []);
  assert.equal(codes(fixture), undefined, 'with two servers, one is right');
  broker.replicasFault = true;
  await fixture.live(10_000, []);
  assert.equal(codes(fixture), undefined);
  assert.equal(fixture.requester.status().store, undefined);
});

test('a stream that the cluster had and does not find any more is a trouble until it is back', async () => {
  const fixture = await startOnCluster();
  const { broker } = fixture;
  await fixture.live(10_000, []);
  broker.replicas.delete('KV_node_v1');
  await fixture.live(10_000, []);
  assert.deepEqual(codes(fixture), ['store_missing']);
  assert.match(
    fixture.requester.status().troubles?.[0]?.text ?? '',
    /does not find the stream node_v1 any more/,
  );
  broker.replicas.set('KV_node_v1', whole('KV_node_v1'));
  await fixture.live(10_000, []);
  assert.equal(codes(fixture), undefined);
});

test('the texts say how many servers are away and must come back', () => {
  const away = (replicas: number, missing: number): StreamReplicas => ({
    stream: 'KV_node_v1',
    replicas,
    servers: replicas,
    leader: undefined,
    others: Array.from({ length: replicas }, (_, index) => member(`s${index}`, index >= missing)),
  });
  assert.equal(quorumFault(whole('X')), undefined);
  assert.match(quorumFault(away(3, 2)) ?? '', /2 of 3 servers are away; .* until one is back$/);
  assert.match(quorumFault(away(3, 3)) ?? '', /2 of 3 servers are away; .* until one is back$/);
  assert.match(quorumFault(away(5, 4)) ?? '', /4 of 5 servers are away; .* until 2 are back$/);
  assert.match(quorumFault(away(3, 1)) ?? '', /have no leader now/);
  assert.match(quorumFault(away(1, 1)) ?? '', /the only server of it is away/);
  assert.deepEqual(replicaTroubles({ replicas: [], behind: new Map(), missing: [] }), []);
  const behind = new Map([['KV_node_v1', ['s1', 's2']]]);
  const troubles = replicaTroubles({
    replicas: [leaderless('KV_muster_v1'), whole('KV_node_v1')],
    behind,
    missing: [],
  });
  assert.deepEqual(
    troubles.map(({ text }) => text),
    ['no quorum: 2 of 3 servers are away; nothing is decided until one is back (muster_v1)'],
  );
});

test('the store mark remembers which streams were there, and forgets those of another cluster', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-mark-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = { path: join(folder, 'mark.json'), clock: new FakeClock(), log: silentLog };
  const state = { created: '2026-01-01T00:00:00Z', lastRevision: 1, keys: 1 };
  const first = await StoreMark.open(options);
  assert.equal(first.knows('muster_v1'), false);
  first.note('muster_v1');
  await first.compare('a', state);
  first.note('node_v1');
  await first.write();
  const second = await StoreMark.open(options);
  assert.deepEqual(
    [second.knows('muster_v1'), second.knows('node_v1'), second.knows('x')],
    [true, true, false],
  );
  second.note('muster_v1');
  await second.compare('b', state);
  const kept = JSON.parse(await readFile(options.path, 'utf8')) as { streams: string[] };
  assert.deepEqual(kept.streams, ['muster_v1']);
});
