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

async function begin(version = '2.12.0') {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  /** Who holds the lease, and the questions that were put to the store about it. */
  const lease = { holder: 'a', asked: [] as string[] };
  const told: string[] = [];
  const open = async (name: string) => {
    const connection = broker.connect();
    const stream = await (await connection.storage()).stream(eventStreamConfig);
    const fence = new WatchFence({
      connection: { state: { kind: 'connected', server: '', version, isEncrypted: false } },
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
    fence.follow({
      onOvertaken: () => told.push(`${name} overtaken`),
      onLost: () => told.push(`${name} lost`),
    });
    return fence;
  };
  /** Returns a requester that begins to watch. */
  const watching = async (name: string) => {
    lease.holder = name;
    const fence = await open(name);
    await fence.raise();
    return fence;
  };
  const stored = () => (broker.streams.get('NODE_EVENTS')?.messages ?? []).map(({ subject }) => subject);
  return { clock, broker, lease, told, open, watching, stored };
}

const up = (number: number) => ['node.events.n.up', String(number), `n:${number}`] as const;

describe('an event of the watcher', () => {
  test('comes after its mark, which is written once, and again a day later', async () => {
    const { watching, stored, clock } = await begin();
    const fence = await watching('a');
    await Promise.all([fence.publish(...up(1)), fence.publish('node.events.m.up', '1', 'm:1')]);
    assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up', 'node.events.m.up']);
    await clock.advance(25 * 3_600_000);
    await fence.publish(...up(2));
    assert.deepEqual(stored().slice(3), ['muster.watch', 'node.events.n.up']);
  });

  test('of a former watcher is not stored, and it learns that another one watches', async () => {
    const { watching, stored, lease, told } = await begin();
    const former = await watching('a');
    await former.publish(...up(1));
    const present = await watching('b');
    await present.publish('node.events.n.down', '2', 'n:2');
    lease.asked = [];
    await assert.rejects(former.publish(...up(3)), { code: 'in_use' });
    assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up', 'muster.watch', 'node.events.n.down']);
    assert.deepEqual([lease.asked, told], [['a'], []]);
  });

  test('of a former watcher is not stored, even if its mark is due to be written again', async () => {
    const { watching, stored, clock } = await begin();
    const former = await watching('a');
    await clock.advance(25 * 3_600_000);
    const present = await watching('b');
    await assert.rejects(former.publish(...up(1)), { code: 'in_use' });
    await present.publish('node.events.n.down', '2', 'n:2');
    assert.deepEqual(stored(), ['muster.watch', 'muster.watch', 'node.events.n.down']);
  });

  test('of one that lost the lease while it wrote its mark is not stored', async () => {
    const { open, watching, stored, lease, broker } = await begin();
    const late = await open('a');
    let other: Promise<WatchFence> | undefined;
    // The other one watches, and has its mark stored, just before the first mark is written.
    broker.storeFault = (operation, key) => {
      if (operation !== 'publish' || key !== 'muster.watch' || other) return undefined;
      other = watching('b');
      return { fault: 'disconnected' };
    };
    await assert.rejects(late.raise());
    const present = await other;
    assert.ok(present);
    lease.holder = 'b';
    await assert.rejects(late.raise(), { code: 'in_use' });
    await present.publish(...up(1));
    await assert.rejects(late.publish(...up(2)), { code: 'in_use' });
    assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up']);
  });

  test('is refused after somebody else wrote a mark, and what waits behind it is discarded', async () => {
    const { open, watching, stored, told, broker } = await begin();
    const present = await watching('a');
    broker.inject('muster.watch', 'of another program');
    const first = present.publish(...up(1));
    const second = present.publish(...up(2));
    await assert.rejects(first, { fault: 'timeout' });
    const raised = present.raise();
    await assert.rejects(second, { fault: 'timeout' });
    await raised;
    assert.deepEqual(told.slice(0, 1), ['a overtaken']);
    await present.publish(...up(3));
    assert.deepEqual(stored(), ['muster.watch', 'muster.watch', 'muster.watch', 'node.events.n.up']);
    await assert.rejects((await open('c')).publish(...up(4)), { code: 'in_use' });
  });

  test('is stored at the next attempt in a stream that was lost', async () => {
    const { watching, stored, broker, told } = await begin();
    const fence = await watching('a');
    await fence.publish(...up(1));
    broker.wipe();
    broker.start();
    await assert.rejects(fence.publish(...up(2)), { fault: 'timeout', message: /the event stream was lost/ });
    await fence.publish(...up(2));
    assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up']);
    assert.deepEqual(told, ['a lost']);
  });

  test('goes out with those that came while others were on their way', async () => {
    for (const takesBatches of [true, false]) {
      const { watching, broker, stored } = await begin();
      broker.takesBatches = takesBatches;
      const fence = await watching('a');
      const sent: string[] = [];
      broker.storeFault = (operation, key) => {
        if (operation.startsWith('publish')) sent.push(`${operation} ${key.split(' ').length}`);
        return undefined;
      };
      const results = await Promise.all(Array.from({ length: 700 }, (_, i) => fence.publish(...up(i))));
      assert.deepEqual(
        results.map(({ sequence }) => sequence),
        Array.from({ length: 700 }, (_, i) => 2 + i),
      );
      assert.equal(stored().length, 701);
      const batches = ['publish 1', 'publish 500', 'publish 199'];
      if (takesBatches) assert.deepEqual(sent, batches);
      else assert.equal(sent.filter(each => each === 'publish 1').length, 700);
    }
  });

  test('is published by itself when one of its batch is stored already', async () => {
    const { watching, stored } = await begin();
    const fence = await watching('a');
    await fence.publish(...up(2));
    const results = await Promise.all([1, 2, 3].map(each => fence.publish(...up(each))));
    assert.deepEqual(
      results.map(({ duplicate }) => duplicate),
      [false, true, false],
    );
    assert.equal(stored().length, 4);
  });

  test('has no fence on a server that does not know it', async () => {
    for (const version of ['2.10.22', '2.11.9']) {
      const { watching, stored } = await begin(version);
      await (await watching('a')).publish(...up(1));
      assert.deepEqual(stored(), ['node.events.n.up'], version);
    }
    for (const version of ['2.12.0', '2.14.1-beta', '3.0.0']) {
      const { watching, stored } = await begin(version);
      await (await watching('a')).publish(...up(1));
      assert.deepEqual(stored(), ['muster.watch', 'node.events.n.up'], version);
    }
  });
});
