// The events of a requester that watched before are kept out of the stream, whatever it believes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { WatchFence } from '../../../agent/requester/watcher/watch-fence.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

const holder = (name: string) => ({
  requester: name,
  instance: `i-${name}`,
  host: 'h',
  pid: 1,
  since: '2026-01-01T00:00:00Z',
});

async function begin(version = '2.12.0', isClustered = false) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  /** Who holds the lease, and the questions that were put to the store about it. */
  const lease = { holder: 'a', asked: [] as string[] };
  const open = async (name: string) => {
    const connection = broker.connect();
    const stream = await (await connection.storage()).stream(eventStreamConfig);
    return new WatchFence({
      connection: { state: { kind: 'connected', server: '', version, isEncrypted: false, isClustered } },
      stream,
      me: holder(name),
      clock,
      right: {
        // It believes that it watches until it asks the store.
        confirm: async ({ anew = false } = {}) => {
          if (!anew) return;
          lease.asked.push(name);
          if (lease.holder !== name) throw new MusterError('in_use', `${lease.holder} watches`);
        },
      },
    });
  };
  const stored = () => (broker.streams.get('NODE_EVENTS')?.messages ?? []).map(({ subject }) => subject);
  return { clock, broker, lease, open, stored };
}

describe('an event of the watcher', () => {
  test('comes after its mark, which is written once', async () => {
    const { open, stored, clock } = await begin();
    const fence = await open('a');
    await Promise.all([
      fence.publish('node.events.n.up', '1', 'n:1'),
      fence.publish('node.events.m.up', '1', 'm:1'),
    ]);
    assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up', 'node.events.m.up']);
    await clock.advance(25 * 3_600_000);
    await fence.publish('node.events.n.up', '2', 'n:2');
    assert.deepEqual(
      stored().slice(3),
      ['muster.watch', 'node.events.n.up'],
      'a day later it is written again',
    );
  });

  test('of a former watcher is not stored, and it learns that another one watches', async () => {
    const { open, stored, lease } = await begin();
    const [former, present] = [await open('a'), await open('b')];
    await former.publish('node.events.n.up', '1', 'n:1');
    lease.holder = 'b';
    await present.publish('node.events.n.down', '2', 'n:2');
    await assert.rejects(former.publish('node.events.n.up', '3', 'n:3'), { code: 'in_use' });
    assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up', 'muster.watch', 'node.events.n.down']);
    assert.deepEqual(lease.asked, ['a']);
  });

  test('is stored at the next attempt when a former watcher wrote its mark late', async () => {
    const { open, stored, lease } = await begin();
    const [late, present] = [await open('a'), await open('b')];
    lease.holder = 'b';
    await present.publish('node.events.n.up', '1', 'n:1');
    await late.publish('node.events.n.down', '2', 'n:2');
    await assert.rejects(present.publish('node.events.n.up', '3', 'n:3'), { fault: 'timeout' });
    await present.publish('node.events.n.up', '3', 'n:3');
    assert.equal(stored().at(-1), 'node.events.n.up');
    await assert.rejects(late.publish('node.events.n.down', '4', 'n:4'), { code: 'in_use' });
  });

  test('is stored again in a stream that was lost', async () => {
    const { open, stored, broker } = await begin();
    const fence = await open('a');
    await fence.publish('node.events.n.up', '1', 'n:1');
    broker.wipe();
    broker.start();
    await assert.rejects(fence.publish('node.events.n.up', '2', 'n:2'), {
      fault: 'timeout',
      message: /the event stream was lost/,
    });
    await fence.publish('node.events.n.up', '2', 'n:2');
    assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up']);
  });

  test('is alone under way in a cluster, also after one that failed', async () => {
    for (const isClustered of [true, false]) {
      const { open, broker } = await begin('2.12.0', isClustered);
      const fence = await open('a');
      await fence.publish('node.events.n.up', '0', 'n:0');
      let most = 0;
      let underWay = 0;
      broker.storeFault = () => {
        most = Math.max(most, ++underWay);
        queueMicrotask(() => underWay--);
        return most === 1 ? { fault: 'refused' } : undefined;
      };
      await Promise.allSettled([1, 2, 3].map(each => fence.publish('node.events.n.up', 'x', `n:${each}`)));
      assert.equal(most > 1, !isClustered);
    }
  });

  test('has no fence on a server that does not know it', async () => {
    for (const version of ['2.10.22', '2.11.9']) {
      const { open, stored } = await begin(version);
      await (await open('a')).publish('node.events.n.up', '1', 'n:1');
      assert.deepEqual(stored(), ['node.events.n.up'], version);
    }
    for (const version of ['2.12.0', '2.14.1-beta', '3.0.0']) {
      const { open, stored } = await begin(version);
      await (await open('a')).publish('node.events.n.up', '1', 'n:1');
      assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up'], version);
    }
  });
});
