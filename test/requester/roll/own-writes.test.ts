// Tests that a record which this requester is writing is known when the watch brings it, and no other record is taken for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwnWrites } from '../../../agent/requester/roll/own-writes.ts';
import { nodeBucket } from '../../../agent/requester/roll/store.ts';
import type { Bucket, BucketEntry } from '../../../agent/transport/port.ts';
import { announcedKinds, begin } from './roll-fixture.ts';

const entry = (key: string, text: string, more: Partial<BucketEntry> = {}): BucketEntry => ({
  key,
  value: Buffer.from(text),
  revision: 7,
  marker: false,
  headers: {},
  created: new Date(0),
  ...more,
});

test('a write under way is known by its id and all of its bytes, until it has ended', () => {
  const writes = new OwnWrites();
  const stored: number[] = [];
  writes.begin('node-1', Buffer.from('a record'), revision => stored.push(revision));
  assert.equal(writes.take(entry('node-2', 'a record')), false);
  assert.equal(writes.take(entry('node-1', 'a recorD')), false);
  assert.equal(writes.take(entry('node-1', 'a record ')), false);
  assert.equal(writes.take(entry('node-1', 'a record', { marker: true })), false);
  assert.deepEqual(stored, []);
  assert.equal(writes.take(entry('node-1', 'a record')), true);
  assert.deepEqual(stored, [7]);
  writes.end('node-1');
  assert.equal(writes.take(entry('node-1', 'a record')), false);
});

test('a record that the watch brings before its acknowledgement is in force and announced at once, and only once', async () => {
  const seen: string[] = [];
  let look: () => void = () => undefined;
  // The acknowledgement comes a turn of the loop after the watch.
  const wrap = (bucket: Bucket): Bucket => ({
    state: () => bucket.state(),
    get: key => bucket.get(key),
    purge: (...args) => bucket.purge(...args),
    remove: (...args) => bucket.remove(...args),
    watch: (...args) => bucket.watch(...args),
    put: async (...args) => {
      const revision = await bucket.put(...args);
      await new Promise(resolve => setImmediate(resolve));
      look();
      return revision;
    },
  });
  const { broker, roll, open, register, approve } = await begin({ wrap });
  look = () => seen.push(String(roll.records.get('node-1')?.Membership));
  await register('node-1');
  await approve('node-1');
  assert.deepEqual(seen, ['PENDING', 'APPROVED']);
  assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 approved']);
  const { revision } = broker.openBucket(nodeBucket.name).entries.get('node-1') ?? {};
  assert.equal(roll.records.stored('node-1').revision, revision);
  assert.deepEqual(
    open.announced.map(({ change }) => change.Revision),
    [1, 2],
  );
});
