// Writes wait while they are held, and go on by themselves when nobody ends the hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteHold } from '../../agent/requester/write-hold.ts';
import type { Bucket, Storage } from '../../agent/transport/port.ts';
import { bytes } from '../support/connections.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A bucket whose writes end when the test says so. */
function slowBucket() {
  const writes: PromiseWithResolvers<number>[] = [];
  const bucket = {
    put: () => {
      const write = Promise.withResolvers<number>();
      writes.push(write);
      return write.promise;
    },
    get: () => Promise.resolve(undefined),
  } as unknown as Bucket;
  const storage = { bucket: () => Promise.resolve(bucket) } as unknown as Storage;
  return { writes, storage };
}

const settled = () => new Promise(resolve => setImmediate(resolve));

async function start() {
  const clock = new FakeClock();
  const hold = new WriteHold(clock);
  const { writes, storage } = slowBucket();
  const bucket = await hold.guard(storage).bucket({ name: 'b', history: 1 });
  return { clock, hold, writes, bucket };
}

test('a hold waits for the writes under way, and later writes wait for its end', async () => {
  const { hold, writes, bucket } = await start();
  const first = bucket.put('a', bytes('1'), 0);
  let isHeld = false;
  const begun = hold.begin('records').then(() => {
    isHeld = true;
  });
  await settled();
  assert.equal(isHeld, false);
  writes[0]?.resolve(1);
  await begun;
  assert.equal(await first, 1);
  const second = bucket.put('a', bytes('2'), 1);
  await settled();
  assert.equal(writes.length, 1);
  assert.equal(await bucket.get('a'), undefined);
  hold.end('records');
  await settled();
  writes[1]?.resolve(2);
  assert.equal(await second, 2);
});

test('a hold that nobody ends is over after 10 s', async () => {
  const { clock, hold, writes, bucket } = await start();
  await hold.begin('records');
  const write = bucket.put('a', bytes('1'), 0);
  clock.advance(9_999);
  await settled();
  assert.equal(writes.length, 0);
  clock.advance(1);
  await settled();
  writes[0]?.resolve(1);
  assert.equal(await write, 1);
});

test('a write that does not end refuses the hold, and the others go on', async () => {
  const { clock, hold, writes, bucket } = await start();
  void bucket.put('a', bytes('1'), 0);
  const begun = hold.begin('records');
  const later = bucket.put('b', bytes('1'), 0);
  await settled();
  clock.advance(3_000);
  await assert.rejects(begun, { code: 'failed' });
  await settled();
  writes[1]?.resolve(2);
  assert.equal(await later, 2);
});

test('a second hold of the same is refused, and the first one stays', async () => {
  const { hold, writes, bucket } = await start();
  await hold.begin('records');
  await assert.rejects(hold.begin('records'), { code: 'conflict', message: /another backup/ });
  const write = bucket.put('a', bytes('1'), 0);
  await settled();
  assert.equal(writes.length, 0);
  hold.end('records');
  await hold.begin('events');
  await settled();
  writes[0]?.resolve(1);
  assert.equal(await write, 1);
  hold.end('events');
});

test('a hold of events does not hold records', async () => {
  const { hold, writes, bucket } = await start();
  await hold.begin('events');
  const write = bucket.put('a', bytes('1'), 0);
  await settled();
  writes[0]?.resolve(1);
  assert.equal(await write, 1);
});
