// Writes wait while they are held, and so do reads of records when a store moves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteHold } from '../../../agent/requester/freeze/write-hold.ts';
import type { Bucket, Storage } from '../../../agent/transport/port.ts';
import { bytes } from '../../support/connections.ts';

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
  const hold = new WriteHold();
  const { writes, storage } = slowBucket();
  const bucket = await hold.guard(storage).bucket({ name: 'b', history: 1 });
  return { hold, writes, bucket };
}

test('a hold waits for the writes under way, and later writes wait for its end', async () => {
  const { hold, writes, bucket } = await start();
  const first = bucket.put('a', bytes('1'), 0);
  let isQuiet = false;
  hold.begin('records', { reads: false });
  const quiet = hold.quiet('records').then(() => {
    isQuiet = true;
  });
  await settled();
  assert.equal(isQuiet, false);
  writes[0]?.resolve(1);
  await quiet;
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

test('a hold of events does not hold records', async () => {
  const { hold, writes, bucket } = await start();
  hold.begin('events', { reads: true });
  const write = bucket.put('a', bytes('1'), 0);
  await settled();
  writes[0]?.resolve(1);
  assert.equal(await write, 1);
  assert.equal(await bucket.get('a'), undefined);
});

test('what may be made is opened only after the hold', async () => {
  const hold = new WriteHold();
  const opened: string[] = [];
  const guarded = hold.guard({
    bucket: async ({ name }: { name: string }) => void opened.push(name),
    stream: async ({ name }: { name: string }) => {
      opened.push(name);
      return {};
    },
  } as unknown as Storage);
  hold.begin('records', { reads: true });
  hold.begin('events', { reads: true });
  const bucket = guarded.bucket({ name: 'b', history: 1 });
  const stream = guarded.stream({ name: 'S', subjects: ['s'], maxAgeMs: 0, maxBytes: -1 });
  await settled();
  assert.deepEqual(opened, []);
  hold.end('records');
  await bucket;
  assert.deepEqual(opened, ['b']);
  hold.end('events');
  await stream;
  assert.deepEqual(opened, ['b', 'S']);
});

test('while the store moves, reads of records wait too', async () => {
  const { hold, bucket } = await start();
  hold.begin('records', { reads: true });
  let isRead = false;
  const read = bucket.get('a').then(() => {
    isRead = true;
  });
  await settled();
  assert.equal(isRead, false);
  hold.end('records');
  await read;
});
