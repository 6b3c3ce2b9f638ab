// How a requester starts, stops, and ends when another one took over.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { assertNoDoubles, Scene } from './requester-fixture.ts';
import { computeInfo, requesterNode } from './samples.ts';

const hour = 3_600_000;

describe('a start', () => {
  test('waits for a broker that is not there, and says so', async () => {
    const clock = new FakeClock();
    const broker = new FakeBroker(clock);
    broker.stop();
    const scene = new Scene({ clock, broker });
    const started = scene.requester.start();
    await clock.advance(hour);
    assert.equal(scene.requester.status().state, 'starting');
    assert.equal(scene.requester.status().reason, 'waiting for the broker');
    assert.throws(() => scene.requester.list(), { code: 'unreachable', message: /waits for the broker/ });
    await assert.rejects(scene.decide('node-1', 'approve'), { code: 'unreachable' });
    broker.start();
    await scene.finish(started);
    assert.equal(scene.requester.status().state, 'ready');
    assert.deepEqual(scene.table(), ['node-0 Requester APPROVED UNKNOWN']);
    assert.deepEqual(
      scene.events().map(({ id, type }) => `${id} ${type}`),
      ['node-0:1 org.muster.node.registered'],
    );
  });

  for (const operation of ['bucket', 'stream', 'get', 'put', 'watch', 'last'] as const) {
    test(`tries again when the store does not answer (${operation}), and ends up as any other`, async () => {
      const before = await Scene.started();
      await before.register('node-1');
      await before.kill();
      const { clock, broker } = before;
      for (const fault of ['timeout', 'disconnected', 'refused'] as const) {
        for (const applied of [false, true]) {
          const scene = new Scene({ clock, broker });
          for (let i = 0; i < 3; i++) broker.failNext(operation, { fault, applied });
          const started = scene.requester.start();
          await clock.advance(60_000);
          await started;
          assert.equal(scene.requester.status().state, 'ready');
          assert.deepEqual(scene.table(), [
            'node-0 Requester APPROVED UNKNOWN',
            'node-1 Compute PENDING UNKNOWN',
          ]);
          assertNoDoubles(scene);
          await scene.finish(scene.requester.stop());
          await scene.connection.close();
        }
      }
    });
  }

  test('is refused while another requester keeps the roll, which it names', async () => {
    const scene = await Scene.started();
    const second = scene.another(scene.broker.connect());
    await assert.rejects(scene.finish(second.start()), {
      code: 'in_use',
      message: /requester node-0 \(process 4001 on host-1/,
    });
    assert.equal(scene.requester.status().state, 'ready');
    await scene.finish(scene.requester.stop());
    await scene.finish(second.start().catch(() => assert.fail('the lease was given back')));
  });

  test('under the id of a compute node is refused, and the lease given back', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    await scene.finish(scene.requester.stop());
    const other = scene.another(scene.broker.connect(), { self: requesterNode('node-1') });
    await assert.rejects(scene.finish(other.start()), { code: 'conflict', message: /node-1/ });
    await scene.start();
    assert.equal(scene.table().length, 2);
  });

  test('can be stopped at any moment of it, leaving nothing that runs and no lease', async () => {
    let started = false;
    for (let ticks = 0; !started; ticks++) {
      const scene = new Scene();
      const start = scene.requester.start().then(() => {
        started = !stopping;
      });
      let stopping = false;
      for (let i = 0; i < ticks; i++) await null;
      stopping = true;
      const stopped = scene.requester.stop();
      await scene.clock.advance(5_000);
      await Promise.all([start, stopped]);
      assert.equal(scene.clock.pending, 0, `after ${ticks}`);
      await assert.rejects(scene.ask('node-1', 'RegisterNode/v1', { Info: computeInfo('node-1') }), {
        fault: 'no_responders',
      });
      scene.broker.deliver = () => assert.fail('the next one has to ask for the lease');
      const next = scene.another(scene.broker.connect());
      const ready = next.start();
      await scene.clock.settle();
      scene.broker.deliver = undefined;
      await ready;
    }
  });

  test('that is stopped while it waits for the lease gives up', async () => {
    const scene = await Scene.started();
    scene.connection.drop();
    scene.broker.connect().subscribe('requester.lease.>', () => undefined);
    const second = scene.another(scene.broker.connect());
    const started = second.start();
    await scene.clock.advance(5_000);
    assert.match(second.status().reason ?? '', /lease/);
    await second.stop();
    await scene.clock.advance(3_000);
    await started;
    assert.equal(second.status().state, 'stopping');
  });
});

describe('a stop', () => {
  test('sends what waits, gives the lease back, and leaves nothing that runs', async () => {
    const scene = await Scene.started();
    scene.broker.failNext('publish', { fault: 'no_responders' });
    await scene.register('node-1');
    await scene.finish(scene.requester.stop());
    assert.deepEqual(scene.told(), ['node-1 registered']);
    assert.equal(scene.clock.pending, 0);
    assert.equal(scene.broker.openBucket('muster_v1').entries.get('lease')?.marker, true);
    await scene.finish(scene.requester.stop());
  });

  test('does not wait for a broker that is away; what is in the store is told at the next start', async () => {
    const scene = await Scene.started();
    scene.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
    await scene.register('node-1');
    scene.broker.stop();
    await scene.finish(scene.requester.stop());
    assert.equal(scene.clock.pending, 0);
    assert.ok(scene.lines.some(({ message }) => message.includes('sent at the next start')));
    scene.broker.storeFault = undefined;
    scene.broker.start();
    await scene.start();
    await scene.clock.settle();
    assert.deepEqual(scene.told(), ['node-1 registered']);
  });
});

describe('a requester that was taken over', () => {
  test('notices, stops answering and deciding, and says who took over', async () => {
    const scene = await Scene.started();
    await scene.register('node-1');
    scene.connection.drop();
    const other = scene.another(scene.broker.connect(), { host: 'host-2' });
    await scene.finish(other.start());
    scene.connection.regain();
    await scene.clock.advance(5_000);
    assert.equal(scene.lost.length, 1);
    assert.match(scene.lost[0]?.message ?? '', /requester node-0 \(process 4002 on host-2\) took over/);
    assert.equal(scene.requester.status().state, 'stopping');
    assert.throws(() => scene.requester.list(), { code: 'unreachable' });
    await assert.rejects(scene.decide('node-1', 'approve'), { code: 'unreachable' });
    // One answers, and one only.
    const answers: string[] = [];
    const node = scene.broker.connect();
    node.subscribe('answers', ({ data }) => void answers.push(Buffer.from(data).toString()));
    scene.broker.inject(
      'node.management.node-1.RegisterNode/v1',
      JSON.stringify({ Info: computeInfo('node-1') }),
      'answers',
    );
    await scene.clock.settle();
    assert.equal(answers.length, 1);
    await scene.requester.stop();
    assert.equal(other.status().state, 'ready');
    assertNoDoubles(scene);
  });
});
