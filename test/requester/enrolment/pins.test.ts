// A key is pinned once, whatever happens to the answers of the store, and a store that was lost gets all pins again.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { Pins } from '../../../agent/requester/enrolment/pins.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { followSets } from '../follow-sets.ts';

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const open = async () => {
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    const pins = new Pins(bucket, recordLog().log);
    await followSets(broker, bucket, pins.sets);
    return pins;
  };
  /** Lets the answers to the writes of these keys be lost. */
  const loseAnswersTo = (pattern: RegExp) => {
    broker.storeFault = (operation, key) =>
      operation === 'put' && pattern.test(key) ? { fault: 'timeout', applied: true } : undefined;
  };
  const find = async <T>(work: Promise<T>) => {
    const settled = work.catch(error => error);
    await clock.advance(10_000);
    return settled;
  };
  return { broker, open, loseAnswersTo, find, pins: await open() };
}

const pinAt = (key: string, second: number, code = 'c1') => ({
  key,
  code,
  at: `2026-01-01T00:00:0${second}Z`,
});

describe('a pin', () => {
  test('whose answer was lost counts at the next attempt, as one use of its code', async () => {
    const { broker, pins, loseAnswersTo, find } = await begin();
    loseAnswersTo(/^pin\./);
    assert.equal((await find(pins.add('node-1', pinAt('NKEY', 1)))).fault, 'timeout');
    broker.storeFault = undefined;
    assert.equal((await find(pins.add('node-1', pinAt('NKEY', 2)))).code, 'conflict');
    assert.deepEqual(pins.of('node-1'), pinAt('NKEY', 1));
    assert.equal(pins.nodeOf('NKEY'), 'node-1');
    assert.equal(pins.usesOf('c1'), 1);
  });

  test('of which only the first half was written leaves the key without a node, and free for another', async () => {
    const { broker, pins, open, loseAnswersTo, find } = await begin();
    loseAnswersTo(/^key\./);
    assert.equal((await find(pins.add('node-1', pinAt('NKEY', 1)))).fault, 'timeout');
    broker.storeFault = undefined;
    const reopened = await open();
    assert.equal(reopened.nodeOf('NKEY'), undefined);
    await reopened.add('node-2', pinAt('NKEY', 2));
    assert.equal(reopened.nodeOf('NKEY'), 'node-2');
    assert.equal(reopened.of('node-1'), undefined);
  });

  test('that another process wrote first stays', async () => {
    const { pins, open } = await begin();
    const other = await open();
    await other.add('node-1', pinAt('NOTHER', 1));
    await assert.rejects(pins.add('node-1', pinAt('NKEY', 2)), { code: 'conflict' });
    assert.equal(pins.of('node-1')?.key, 'NOTHER');
    assert.equal(pins.nodeOf('NKEY'), undefined);
  });

  test('that was removed gives its key and the use of its code back, also at the next start', async () => {
    const { pins, open } = await begin();
    await pins.add('node-1', pinAt('NKEY', 1));
    await pins.remove('node-1');
    for (const each of [pins, await open()]) {
      assert.equal(each.of('node-1'), undefined);
      assert.equal(each.nodeOf('NKEY'), undefined);
      assert.equal(each.usesOf('c1'), 0);
    }
    await pins.add('node-1', pinAt('NEW', 2));
    assert.equal((await open()).nodeOf('NEW'), 'node-1');
  });
});

describe('a key that is pinned again to its node while another requester still removes the former pin', () => {
  test('keeps its node', async () => {
    const { broker, pins, open } = await begin();
    await pins.add('node-1', pinAt('NKEY', 1));
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    const [isReached, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = Object.create(bucket, {
      purge: {
        value: async (...args: Parameters<typeof bucket.purge>) => {
          if (args[0] !== 'key.NKEY') return bucket.purge(...args);
          isReached.resolve();
          await mayGoOn.promise;
          return bucket.purge(...args);
        },
      },
    }) as typeof bucket;
    const other = new Pins(slow, recordLog().log);
    await followSets(broker, bucket, other.sets);

    const removed = other.remove('node-1');
    await isReached.promise;
    await pins.addAmongOthers('node-1', pinAt('NKEY', 2), await pins.revisionToAdd('node-1'));
    mayGoOn.resolve();
    await removed;

    for (const each of [pins, other, await open()]) assert.equal(each.nodeOf('NKEY'), 'node-1');
  });

  test('gets its node back when an earlier version took it away', async () => {
    const { broker, pins, open } = await begin();
    await pins.add('node-1', pinAt('NKEY', 1));
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    await bucket.purge('key.NKEY', (await bucket.get('key.NKEY'))?.revision ?? 0, {});
    const reopened = await open();
    assert.equal(reopened.nodeOf('NKEY'), undefined);
    await reopened.complete('node-1');
    assert.equal((await open()).nodeOf('NKEY'), 'node-1');
  });
});

describe('a store that was lost', () => {
  test('gets all pins again, but not what is newer there', async () => {
    const { broker, pins, open } = await begin();
    for (let n = 0; n < 200; n++) await pins.add(`node-${n}`, pinAt(`N${n}`, 1));
    broker.wipe();
    broker.start();
    await (await open()).add('node-7', pinAt('NEWER', 2));
    await pins.restore();
    const restored = await open();
    assert.equal(restored.size, 200);
    for (let n = 0; n < 200; n++) if (n !== 7) assert.equal(restored.nodeOf(`N${n}`), `node-${n}`);
    assert.equal(pins.of('node-7')?.key, 'NEWER');
    assert.equal(pins.usesOf('c1'), 200);
  });
});
