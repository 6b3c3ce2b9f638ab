// Two agents under one node id, and a requester that doubts itself: what is told of each, and how often.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Scene, settings } from './requester-fixture.ts';

const hour = 3_600_000;

describe('a message of an older registration', () => {
  const old = 's-old';

  test('while the newer one is alive is a conflict, told at most once per node and minute', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.register('node-2');
    await scene.live(60_000, ['node-1', 'node-2']);
    const conflicts = () => scene.events().filter(({ type }) => type.endsWith('.conflict'));
    for (let second = 0; second < 61; second++) {
      await scene.beat('node-1', old);
      await scene.beat('node-1');
      await scene.clock.advance(1_000);
    }
    assert.deepEqual(
      conflicts().map(({ subject }) => subject),
      ['node-1', 'node-1'],
    );
    assert.equal(scene.requester.status().counters.conflicts, 61);
    assert.match(conflicts()[0]?.data.evidence?.rule ?? '', /older registration/);
    assert.deepEqual(conflicts()[0]?.data.current, { membership: 'PENDING' });
    await scene.ask('node-2', 'UpdateResources/v1', {
      NodeID: 'node-2',
      AvailableCapacity: {},
      QueueUsedCapacity: {},
      Muster: { Session: old },
    });
    assert.equal(conflicts().length, 2, 'node-2 has been silent for a while');
    await scene.beat('node-2');
    await scene.beat('node-2', old);
    assert.equal(conflicts().at(-1)?.subject, 'node-2');
  });

  test('is none just after a registration, nor when the newer one is silent, or gone', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.live(44_999, ['node-1']);
    await scene.beat('node-1', old);
    assert.equal(scene.requester.status().counters.conflicts, 0);
    await scene.clock.advance(1);
    await scene.beat('node-1', old);
    assert.equal(scene.requester.status().counters.conflicts, 1);
    await scene.clock.advance(60_000);
    await scene.beat('node-1', old);
    await scene.remove('node-1');
    await scene.beat('node-1', old);
    assert.equal(scene.requester.status().counters.conflicts, 1);
    const { heartbeatsOtherSession, heartbeatsUnknown } = scene.requester.status().counters;
    assert.deepEqual([heartbeatsOtherSession, heartbeatsUnknown], [3, 1]);
  });

  test('is none after a registration whose answer the store lost', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.live(60_000, ['node-1']);
    // It is stored, and neither the answer to that nor the look at it afterwards comes back.
    let stored = false;
    scene.broker.storeFault = (operation, key) => {
      if (key !== 'node-1' || (operation === 'get' && !stored)) return undefined;
      stored = true;
      return { fault: 'timeout', applied: true };
    };
    const { error } = await scene.register('node-1');
    scene.broker.storeFault = undefined;
    assert.match(error ?? '', /does not answer; try again/);
    await scene.beat('node-1');
    const { heartbeatsOtherSession, conflicts } = scene.requester.status().counters;
    assert.deepEqual([heartbeatsOtherSession, conflicts], [1, 0]);
  });

  test('is told of a node that was deleted and came back as of any other', async () => {
    const scene = await Scene.started();
    const conflicts = () => scene.events().filter(({ type }) => type.endsWith('.conflict')).length;
    await scene.register('node-1');
    await scene.live(60_000, ['node-1']);
    await scene.beat('node-1', old);
    assert.equal(conflicts(), 1);
    await scene.remove('node-1');
    await scene.register('node-1');
    await scene.live(50_000, ['node-1']);
    await scene.beat('node-1', old);
    assert.equal(conflicts(), 2);
  });

  test('of very many nodes is told once for each', async () => {
    const scene = await Scene.started({ settings: { maxPending: 5_000 } });
    const ids = Array.from({ length: 1_100 }, (_, i) => `node-${i + 1}`);
    for (const id of ids) await scene.register(id);
    await scene.clock.advance(45_000);
    for (const id of ids) await scene.beat(id);
    for (let round = 0; round < 2; round++) for (const id of ids) await scene.beat(id, old);
    const conflicts = scene.events().filter(({ type }) => type.endsWith('.conflict'));
    assert.equal(conflicts.length, ids.length);
  });
});

describe('when the requester doubts itself', () => {
  test('it says so under its own name, once, and again when it is over', async () => {
    const scene = await Scene.started();
    const heard: { subject: string; event: Record<string, unknown> }[] = [];
    scene.broker.connect().subscribe('requester.events.>', ({ subject, data }) => {
      heard.push({ subject, event: JSON.parse(Buffer.from(data).toString()) });
    });
    scene.broker.deliver = subject => !subject.startsWith('requester.echo.');
    await scene.clock.advance(60_000);
    assert.equal(scene.requester.status().state, 'degraded');
    assert.equal(scene.requester.status().reason, 'the broker does not return our own messages');
    scene.broker.deliver = undefined;
    await scene.clock.advance(10_000);
    assert.equal(scene.requester.status().state, 'ready');
    assert.deepEqual(
      heard.map(({ subject }) => subject),
      ['requester.events.node-0.degraded', 'requester.events.node-0.recovered'],
    );
    assert.equal(heard[0]?.event.source, `/muster/${scene.requester.status().clusterId}/node-0`);
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
    const scene = await Scene.started();
    for (const id of ['node-1', 'node-2']) await scene.register(id);
    await scene.live(60_000, ['node-1', 'node-2']);
    const told = scene.told();
    await scene.clock.stall(3 * settings.nodeUnknownAfter);
    await scene.live(60_000, ['node-1', 'node-2']);
    scene.broker.stop();
    await scene.clock.advance(hour);
    assert.equal(scene.requester.status().state, 'degraded');
    assert.ok(
      scene.table().every(line => /node-0|HEALTHY$/.test(line)),
      'answered from memory',
    );
    scene.broker.start();
    await scene.live(60_000, ['node-1', 'node-2']);
    assert.deepEqual(scene.told(), told);
    await scene.live(60_000, ['node-1']);
    assert.deepEqual(scene.told().slice(told.length), ['node-2 unhealthy']);
  });
});
