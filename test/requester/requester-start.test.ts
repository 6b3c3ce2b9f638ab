// Tests how a requester starts and stops, and what it does when another one took over.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Requester, RequesterOptions } from '../../agent/requester/requester.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { assertNoDoubles, RequesterFixture, withoutIncarnation } from './requester-fixture.ts';
import { computeInfo, requesterNode } from './samples.ts';

const hour = 3_600_000;

test('a requester on a NATS of one’s own says where its CA is replaced, and any other where it makes one', async () => {
  const hintOf = async (options: Partial<RequesterOptions>) => {
    const fixture = new RequesterFixture();
    fixture.requester = fixture.newRequester(fixture.connection, options);
    await fixture.finish(fixture.requester.start());
    try {
      return fixture.requester.directory.authorities && 'none';
    } catch (error) {
      assert.ok(error instanceof MusterError);
      return `${error.code} ${error.message}. ${error.hint}`;
    }
  };
  assert.match(
    await hintOf({}),
    /^conflict the CA of the NATS in nats\.servers .*nats\.tls\.caFile .*agent trust PIN/,
  );
  assert.match(await hintOf({ brokerFolder: '/var/lib/muster/broker' }), /^conflict .*broker\.host/);
});

describe('a start', () => {
  test('waits for a broker that is away, and its status says so', async () => {
    const clock = new FakeClock();
    const broker = new FakeBroker(clock);
    broker.stop();
    const fixture = new RequesterFixture({ clock, broker });
    const started = fixture.requester.start();
    await clock.advance(hour);
    assert.equal(fixture.requester.status().state, 'starting');
    assert.equal(fixture.requester.status().reason, 'waiting for the broker');
    assert.throws(() => fixture.requester.directory.list(), {
      code: 'unreachable',
      message: /waits for the broker/,
    });
    await assert.rejects(fixture.approve('node-1'), { code: 'unreachable' });
    broker.start();
    await fixture.finish(started);
    assert.equal(fixture.requester.status().state, 'ready');
    assert.deepEqual(fixture.table(), ['node-0 Requester APPROVED UNKNOWN']);
    assert.deepEqual(
      fixture.events().map(({ id, type }) => `${withoutIncarnation(id)} ${type}`),
      ['node-0:1 org.muster.node.registered'],
    );
  });

  for (const operation of ['bucket', 'stream', 'get', 'put', 'watch', 'last'] as const) {
    test(`tries again when the store does not answer (${operation}), until it succeeds`, async () => {
      const before = await RequesterFixture.started();
      await before.register('node-1');
      await before.kill();
      const { clock, broker } = before;
      for (const fault of ['timeout', 'disconnected', 'refused'] as const) {
        for (const applied of [false, true]) {
          const fixture = new RequesterFixture({ clock, broker });
          for (let i = 0; i < 3; i++) broker.failNext(operation, { fault, applied });
          const started = fixture.requester.start();
          await clock.advance(60_000);
          await started;
          assert.equal(fixture.requester.status().state, 'ready');
          assert.deepEqual(fixture.table(), [
            'node-0 Requester APPROVED UNKNOWN',
            'node-1 Compute PENDING UNKNOWN',
          ]);
          assertNoDoubles(fixture);
          await fixture.finish(fixture.requester.stop());
          await fixture.connection.close();
        }
      }
    });
  }

  test('under the id of another requester is refused, and names it', async () => {
    const fixture = await RequesterFixture.started();
    const second = fixture.newRequester(fixture.broker.connect());
    await assert.rejects(fixture.finish(second.start()), {
      code: 'in_use',
      message: /requester node-0 \(process 4001 on host-1.* under the id of this one/,
    });
    assert.equal(fixture.requester.status().state, 'ready');
    await fixture.finish(fixture.requester.stop());
    await fixture.finish(second.start().catch(() => assert.fail('the first one has stopped')));
  });

  test('under the id of another requester that is busy, and answers late, is refused too', async () => {
    for (const isBeside of [false, true]) {
      const fixture = await RequesterFixture.started();
      const { broker, clock } = fixture;
      const others: Requester[] = [];
      if (isBeside) {
        others.push(fixture.newRequester(broker.connect(), { self: requesterNode('node-9') }));
        await fixture.finish(others[0]?.start() ?? Promise.reject());
      }
      const lateMs = isBeside ? 400 : 3_000;
      broker.deliver = (subject, data) => {
        if (!/"requester":"node-0".*"watches"/.test(Buffer.from(data).toString())) return true;
        clock.after(lateMs, () => {
          const { deliver } = broker;
          broker.deliver = undefined;
          broker.inject(subject, data);
          broker.deliver = deliver;
        });
        return false;
      };
      const second = fixture.newRequester(broker.connect());
      await assert.rejects(fixture.finish(second.start()), { code: 'in_use', message: /requester node-0/ });
      broker.deliver = undefined;
      for (const each of [fixture.requester, ...others]) await fixture.finish(each.stop());
    }
  });

  test('under the id of a compute node is refused, and the lease is given back', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.finish(fixture.requester.stop());
    const other = fixture.newRequester(fixture.broker.connect(), { self: requesterNode('node-1') });
    await assert.rejects(fixture.finish(other.start()), { code: 'conflict', message: /node-1/ });
    await fixture.start();
    assert.equal(fixture.table().length, 2);
  });

  test('can be stopped at any moment, and leaves no timers and no lease', async () => {
    let started = false;
    for (let ticks = 0; !started; ticks++) {
      const fixture = new RequesterFixture();
      const start = fixture.requester.start().then(() => {
        started = !stopping;
      });
      let stopping = false;
      for (let i = 0; i < ticks; i++) await null;
      stopping = true;
      const stopped = fixture.requester.stop();
      await fixture.clock.advance(5_000);
      await Promise.all([start, stopped]);
      assert.equal(fixture.clock.pending, 0, `after ${ticks}`);
      await assert.rejects(fixture.ask('node-1', 'RegisterNode/v1', { Info: computeInfo('node-1') }), {
        fault: 'no_responders',
      });
      fixture.broker.deliver = subject =>
        !subject.startsWith('requester.lease.') || assert.fail('the next requester had to ask for the lease');
      const next = fixture.newRequester(fixture.broker.connect());
      const ready = next.start();
      await fixture.clock.settle();
      fixture.broker.deliver = undefined;
      await ready;
    }
  });
});

describe('a stop', () => {
  test('sends events that wait, gives the lease back, and leaves no timers', async () => {
    const fixture = await RequesterFixture.started();
    fixture.broker.failNext('publish', { fault: 'no_responders' });
    await fixture.register('node-1');
    await fixture.finish(fixture.requester.stop());
    assert.deepEqual(fixture.announced(), ['node-1 registered']);
    assert.equal(fixture.clock.pending, 0);
    assert.equal(fixture.broker.openBucket('muster_v1').entries.get('lease')?.marker, true);
    await fixture.finish(fixture.requester.stop());
  });

  test('does not wait for a broker that is away, and stored changes are announced at the next start', async () => {
    const fixture = await RequesterFixture.started();
    fixture.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
    await fixture.register('node-1');
    fixture.broker.stop();
    await fixture.finish(fixture.requester.stop());
    assert.equal(fixture.clock.pending, 0);
    assert.ok(fixture.lines.some(({ message }) => message.includes('sent at the next start')));
    fixture.broker.storeFault = undefined;
    fixture.broker.start();
    await fixture.start();
    await fixture.clock.settle();
    assert.deepEqual(fixture.announced(), ['node-1 registered']);
  });
});
