// Two agents under one node id, and a requester that doubts itself: what is told of each, and how often.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RequesterFixture, settings } from './requester-fixture.ts';

const hour = 3_600_000;

describe('a message of an older registration', () => {
  const old = 's-old';

  test('while the newer one is alive is a conflict, told at most once per node and minute', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.register('node-2');
    await fixture.live(60_000, ['node-1', 'node-2']);
    const conflicts = () => fixture.events().filter(({ type }) => type.endsWith('.conflict'));
    for (let second = 0; second < 61; second++) {
      await fixture.heartbeat('node-1', old);
      await fixture.heartbeat('node-1');
      await fixture.clock.advance(1_000);
    }
    assert.deepEqual(
      conflicts().map(({ subject }) => subject),
      ['node-1', 'node-1'],
    );
    assert.equal(fixture.requester.status().counters.conflicts, 61);
    assert.match(conflicts()[0]?.data.evidence?.rule ?? '', /older registration/);
    assert.deepEqual(conflicts()[0]?.data.current, { membership: 'PENDING' });
    await fixture.ask('node-2', 'UpdateResources/v1', {
      NodeID: 'node-2',
      AvailableCapacity: {},
      QueueUsedCapacity: {},
      Muster: { Session: old },
    });
    assert.equal(conflicts().length, 2, 'node-2 has been silent for a while');
    await fixture.heartbeat('node-2');
    await fixture.heartbeat('node-2', old);
    assert.equal(conflicts().at(-1)?.subject, 'node-2');
  });

  test('is none just after a registration, nor when the newer one is silent, or gone', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(44_999, ['node-1']);
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 0);
    await fixture.clock.advance(1);
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 1);
    await fixture.clock.advance(60_000);
    await fixture.heartbeat('node-1', old);
    await fixture.delete('node-1');
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 1);
    const { heartbeatsOtherSession, heartbeatsUnknown } = fixture.requester.status().counters;
    assert.deepEqual([heartbeatsOtherSession, heartbeatsUnknown], [3, 1]);
  });

  test('is none after a registration whose answer the store lost', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    // It is stored, and neither the answer to that nor the look at it afterwards comes back.
    let stored = false;
    fixture.broker.storeFault = (operation, key) => {
      if (key !== 'node-1' || (operation === 'get' && !stored)) return undefined;
      stored = true;
      return { fault: 'timeout', applied: true };
    };
    const { error } = await fixture.register('node-1');
    fixture.broker.storeFault = undefined;
    assert.match(error ?? '', /does not answer; try again/);
    await fixture.heartbeat('node-1');
    const { heartbeatsOtherSession, conflicts } = fixture.requester.status().counters;
    assert.deepEqual([heartbeatsOtherSession, conflicts], [1, 0]);
  });

  test('is told of a node that was deleted and came back as of any other', async () => {
    const fixture = await RequesterFixture.started();
    const conflicts = () => fixture.events().filter(({ type }) => type.endsWith('.conflict')).length;
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    await fixture.heartbeat('node-1', old);
    assert.equal(conflicts(), 1);
    await fixture.delete('node-1');
    await fixture.register('node-1');
    await fixture.live(50_000, ['node-1']);
    await fixture.heartbeat('node-1', old);
    assert.equal(conflicts(), 2);
  });

  test('of very many nodes is told once for each', async () => {
    const fixture = await RequesterFixture.started({ settings: { maxPending: 5_000 } });
    const ids = Array.from({ length: 1_100 }, (_, i) => `node-${i + 1}`);
    for (const id of ids) await fixture.register(id);
    await fixture.clock.advance(45_000);
    for (const id of ids) await fixture.heartbeat(id);
    for (let round = 0; round < 2; round++) for (const id of ids) await fixture.heartbeat(id, old);
    const conflicts = fixture.events().filter(({ type }) => type.endsWith('.conflict'));
    assert.equal(conflicts.length, ids.length);
  });
});

describe('when the requester doubts itself', () => {
  test('it says so under its own name, once, and again when it is over', async () => {
    const fixture = await RequesterFixture.started();
    const heard: { subject: string; event: Record<string, unknown> }[] = [];
    fixture.broker.connect().subscribe('requester.events.>', ({ subject, data }) => {
      heard.push({ subject, event: JSON.parse(Buffer.from(data).toString()) });
    });
    fixture.broker.deliver = subject => !subject.startsWith('requester.echo.');
    await fixture.clock.advance(60_000);
    assert.equal(fixture.requester.status().state, 'degraded');
    assert.equal(fixture.requester.status().reason, 'the broker does not return our own messages');
    fixture.broker.deliver = undefined;
    await fixture.clock.advance(10_000);
    assert.equal(fixture.requester.status().state, 'ready');
    assert.deepEqual(
      heard.map(({ subject }) => subject),
      ['requester.events.node-0.degraded', 'requester.events.node-0.recovered'],
    );
    assert.equal(heard[0]?.event.source, `/muster/${fixture.requester.status().clusterId}/node-0`);
    assert.deepEqual(
      heard.map(({ event }) => [event.specversion, event.type, event.subject]),
      [
        ['1.0', 'org.muster.requester.degraded', 'node-0'],
        ['1.0', 'org.muster.requester.recovered', 'node-0'],
      ],
    );
    assert.equal(new Set(heard.map(({ event }) => event.id)).size, 2);
  });

  test('a suspension, or a lost broker, tells nothing of any node', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['node-1', 'node-2']) await fixture.register(id);
    await fixture.live(60_000, ['node-1', 'node-2']);
    const told = fixture.announced();
    await fixture.clock.stall(3 * settings.nodeUnknownAfter);
    await fixture.live(60_000, ['node-1', 'node-2']);
    fixture.broker.stop();
    await fixture.clock.advance(hour);
    assert.equal(fixture.requester.status().state, 'degraded');
    assert.ok(
      fixture.table().every(line => /node-0|HEALTHY$/.test(line)),
      'answered from memory',
    );
    fixture.broker.start();
    await fixture.live(60_000, ['node-1', 'node-2']);
    assert.deepEqual(fixture.announced(), told);
    await fixture.live(60_000, ['node-1']);
    assert.deepEqual(fixture.announced().slice(told.length), ['node-2 unhealthy']);
  });
});
