// What a restart, a crash and a lost store leave of the roll, and what is announced afterwards.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertNoDoubles, Scene } from './requester-fixture.ts';
import { computeInfo } from './samples.ts';

const hour = 3_600_000;

describe('a restart', () => {
  test('keeps membership and information, asks no node for anything, and is right one heartbeat later', async () => {
    const scene = await Scene.started();
    for (const id of ['node-1', 'node-2', 'node-3']) await scene.register(id, id !== 'node-3');
    await scene.decide('node-1', 'approve');
    await scene.decide('node-2', 'reject');
    await scene.live(60_000, ['node-1', 'node-2', 'node-3']);
    const before = scene.table();
    const told = scene.told().length;
    await scene.kill();
    const spoken: string[] = [];
    scene.broker.deliver = subject => {
      if (!/^(node\.events|requester|_INBOX)\./.test(subject)) spoken.push(subject);
      return true;
    };
    await scene.start();
    await scene.clock.advance(10_000);
    assert.deepEqual(spoken, []);
    scene.broker.deliver = undefined;
    assert.deepEqual(
      scene.table(),
      before.map(line => line.replace(/ HEALTHY$/, ' UNKNOWN')),
    );
    for (const id of ['node-1', 'node-2', 'node-3']) await scene.beat(id);
    assert.deepEqual(scene.table(), before);
    await scene.live(200_000, ['node-1', 'node-2', 'node-3']);
    assert.equal(scene.told().length, told, 'nothing has changed');
    assert.deepEqual(scene.requester.get('node-1').Info.Labels, { zone: 'a' });
  });

  test('announces what changed while it was away, after one nodeDisconnectedAfter', async () => {
    const scene = await Scene.started();
    for (const id of ['gone', 'stays', 'returns']) await scene.register(id);
    await scene.live(60_000, ['gone', 'stays', 'returns']);
    await scene.live(60_000, ['gone', 'stays']);
    assert.equal(scene.told().at(-1), 'returns unhealthy');
    const told = scene.told().length;
    await scene.kill();
    await scene.clock.advance(hour);
    await scene.start();
    await scene.live(44_999, ['stays', 'returns']);
    assert.deepEqual(scene.told().slice(told), []);
    await scene.live(1, ['stays', 'returns']);
    assert.deepEqual(scene.told().slice(told).sort(), ['gone unknown', 'returns healthy']);
    await scene.live(200_000, ['stays', 'returns']);
    assert.equal(scene.told().length, told + 2);
    assertNoDoubles(scene);
  });

  test('knows a node that was deleted and came back as new', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.live(60_000, ['node-1']);
    await scene.remove('node-1');
    await scene.register('node-1');
    await scene.kill();
    await scene.start();
    await scene.live(60_000);
    assert.equal(scene.told().at(-1), 'node-1 registered', 'it is UNKNOWN, as all that is told of it says');
    await scene.beat('node-1');
    assert.equal(scene.told().at(-1), 'node-1 healthy');
  });

  test('a deleted node that comes back starts anew in the running requester too', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.live(60_000, ['node-1']);
    await scene.kill();
    await scene.start();
    await scene.live(60_000, ['node-1']);
    await scene.remove('node-1');
    await scene.register('node-1');
    await scene.beat('node-1');
    assert.deepEqual(scene.told(), [
      'node-1 registered',
      'node-1 healthy',
      'node-1 deleted',
      'node-1 registered',
      'node-1 healthy',
    ]);
  });
});

describe('a crash between a write and its announcement', () => {
  /** The broker stores, but takes no events. */
  const deaf = (scene: Scene) => {
    scene.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
  };
  const restart = async (scene: Scene) => {
    await scene.kill();
    scene.broker.storeFault = undefined;
    await scene.start();
    await scene.clock.advance(10_000);
  };

  test('is made up for at the next start, once', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    deaf(scene);
    await scene.decide('node-1', 'approve', 'mine');
    await scene.kill();
    assert.deepEqual(scene.told(), ['node-1 registered']);
    for (let i = 0; i < 3; i++) await restart(scene);
    assert.deepEqual(scene.told(), ['node-1 registered', 'node-1 approved']);
    const { id, data } = scene.events().at(-1) ?? {};
    assert.equal(id, 'node-1:3');
    assert.equal(data?.reason, 'mine');
    assertNoDoubles(scene);
  });

  test('is made up for whatever revision somebody else, or a store that was lost, has told of', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    scene.broker.inject('node.events.node-1.updated', '{"id":"node-1:4000"}');
    deaf(scene);
    await scene.decide('node-1', 'approve');
    for (let i = 0; i < 3; i++) {
      await restart(scene);
      // For so long the broker would not notice that it was told twice.
      await scene.clock.advance(hour);
    }
    assert.deepEqual(
      scene.events().flatMap(({ id, type }) => (type?.endsWith('approved') ? [id] : [])),
      ['node-1:3'],
    );
  });

  test('takes nothing from what was told of its health', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.live(60_000, ['node-1']);
    deaf(scene);
    await scene.decide('node-1', 'approve');
    await restart(scene);
    await scene.live(60_000, ['node-1']);
    assert.deepEqual(scene.told(), ['node-1 registered', 'node-1 healthy', 'node-1 approved']);
  });

  test('several changes of one node are made up for in order', async () => {
    const scene = await Scene.started();
    deaf(scene);
    await scene.register('node-1');
    await scene.register('node-1', true, { zone: 'b' });
    await scene.decide('node-1', 'approve');
    await scene.decide('node-1', 'reject');
    await scene.decide('node-1', 'approve');
    await restart(scene);
    assert.deepEqual(scene.told(), [
      'node-1 registered',
      'node-1 updated',
      'node-1 approved',
      'node-1 rejected',
      'node-1 approved',
    ]);
    assertNoDoubles(scene);
  });

  test('very many changes of one node are made up for, the older ones together: none is forgotten', async () => {
    const scene = await Scene.started();
    deaf(scene);
    await scene.register('node-1');
    for (let i = 1; i <= 100; i++) await scene.register('node-1', true, { zone: `z${i}` });
    await restart(scene);
    const events = scene.events().filter(({ subject }) => subject === 'node-1');
    assert.equal(events[0]?.id, 'node-1:2');
    assert.equal(events.at(-1)?.id, 'node-1:102');
    assert.equal(
      events.reduce((sum, { data }) => sum + 1 + (data.coalesced ?? 0), 0),
      101,
    );
    assertNoDoubles(scene);
  });

  test('a deletion is made up for through its marker, with its reason', async () => {
    const scene = await Scene.started();
    deaf(scene);
    await scene.register('node-1');
    await scene.remove('node-1', 'moved to "Köln" \u2192 gone');
    await restart(scene);
    assert.deepEqual(scene.told(), ['node-1 registered', 'node-1 deleted']);
    const { data } = scene.events().at(-1) ?? {};
    assert.equal(data?.reason, 'moved to "Köln" \u2192 gone');
    assert.equal(data?.actor, 'ann');
    assert.deepEqual(data?.previous, { membership: 'PENDING' });
  });

  test('a deletion and what came after it, too', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.live(60_000, ['node-1']);
    deaf(scene);
    await scene.remove('node-1', 'old');
    await scene.register('node-1');
    await restart(scene);
    assert.deepEqual(scene.told().slice(2), ['node-1 deleted', 'node-1 registered']);
    await scene.live(60_000, ['node-1']);
    assert.equal(scene.told().at(-1), 'node-1 healthy', 'its past health was of the node before');
    assertNoDoubles(scene);
  });

  test('an event that the broker took, though its acknowledgement was lost, is not told again', async () => {
    const scene = await Scene.started();
    scene.broker.storeFault = operation =>
      operation === 'publish' ? { fault: 'timeout', applied: true } : undefined;
    await scene.register('node-1');
    await scene.decide('node-1', 'approve');
    await restart(scene);
    assert.deepEqual(scene.told(), ['node-1 registered', 'node-1 approved']);
    assertNoDoubles(scene);
  });

  test('leaves nothing in the record once it was announced', async () => {
    const scene = await Scene.started();
    deaf(scene);
    await scene.register('node-1');
    await restart(scene);
    await scene.register('node-1');
    const { value } = scene.broker.openBucket('node_v1').entries.get('node-1') ?? {};
    assert.doesNotMatch(Buffer.from(value ?? []).toString(), /Changes/);
  });

  test('after the 100th of 200 registrations: nothing is lost or doubled, and all end up on the roll', async () => {
    const scene = await Scene.started();
    const ids = Array.from({ length: 200 }, (_, i) => `node-${i + 1}`);
    for (const id of ids.slice(0, 100)) await scene.register(id);
    await scene.kill();
    await scene.start();
    assert.equal(scene.requester.status().nodes?.total, 101);
    for (const id of ids.slice(80)) await scene.register(id);
    assert.equal(scene.requester.status().nodes?.total, 201);
    assert.deepEqual(
      scene.told(),
      ids.map(id => `${id} registered`),
    );
    assertNoDoubles(scene);
  });
});

describe('a store that is lost', () => {
  test('is set up again: the cluster, the requester, the lease; nodes are told to register, and are new', async () => {
    const scene = await Scene.started();
    const { clusterId } = scene.requester.status();
    assert.ok(clusterId);
    await scene.register('node-1');
    await scene.decide('node-1', 'approve');
    await scene.live(60_000, ['node-1']);
    scene.broker.wipe();
    scene.broker.start();
    await scene.clock.advance(5_000);
    assert.deepEqual(scene.table(), ['node-0 Requester APPROVED UNKNOWN']);
    const report = await scene.ask('node-1', 'UpdateNodeInfo/v1', {
      Info: computeInfo('node-1'),
      ...scene.under('node-1'),
    });
    assert.equal(report.value?.Muster?.Code, 'handshake_required');
    assert.equal((await scene.register('node-1')).value?.Muster?.Code, 'registered');
    await scene.beat('node-1');
    assert.deepEqual(scene.table(), ['node-0 Requester APPROVED UNKNOWN', 'node-1 Compute PENDING HEALTHY']);
    assert.deepEqual(scene.told(), ['node-1 registered', 'node-1 healthy']);
    await assert.rejects(scene.finish(scene.another(scene.broker.connect()).start()), { code: 'in_use' });
    await scene.finish(scene.requester.stop());
    await scene.start();
    assert.equal(scene.requester.status().clusterId, clusterId);
  });

  test('is set up again even if it does not answer at first', async () => {
    const scene = await Scene.started();
    const { clusterId } = scene.requester.status();
    assert.ok(clusterId);
    scene.broker.wipe();
    for (const operation of ['get', 'put', 'stream', 'get', 'put'] as const) {
      scene.broker.failNext(operation, { fault: 'timeout' });
    }
    scene.broker.start();
    await scene.clock.advance(60_000);
    assert.deepEqual(scene.table(), ['node-0 Requester APPROVED UNKNOWN']);
    await scene.finish(scene.requester.stop());
    await scene.start();
    assert.equal(scene.requester.status().clusterId, clusterId);
  });

  test('holds nothing of the nodes before', async () => {
    const scene = await Scene.started();
    for (const id of ['node-1', 'node-2']) await scene.register(id);
    await scene.live(60_000, ['node-1', 'node-2']);
    scene.broker.wipe();
    scene.broker.start();
    await scene.clock.settle();
    for (const id of ['node-1', 'node-2']) await scene.beat(id);
    assert.equal(scene.requester.status().counters.heartbeatsUnknown, 2);
    await scene.live(hour);
    assert.deepEqual(scene.told(), []);
  });
});
