// Tests the store mark: when a store is older, how often the mark is written, and what an operator confirms.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { findOlder } from '../../../agent/requester/ledger/older-store.ts';
import { noteRestore, restoreKey } from '../../../agent/requester/ledger/restore-record.ts';
import { StoreMark } from '../../../agent/requester/ledger/store-mark.ts';
import { issuerKey as issuer } from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { newFolder } from '../../support/temporary.ts';

const day = (number: number) => `2026-01-0${number}T00:00:00.123456789Z`;
const mark = { cluster: 'c', created: day(2), revision: 10 };

const cases: [what: string, cluster: string, created: string, lastRevision: number, isOlder: boolean][] = [
  ['the same', 'c', day(2), 10, false],
  ['a later state of it', 'c', day(2), 11, false],
  ['an earlier state of it', 'c', day(2), 9, true],
  ['one that was made before it', 'c', day(1), 99, true],
  ['one that began anew', 'c', day(3), 1, false],
  ['that of another cluster', 'other', day(1), 1, false],
];
for (const [what, cluster, created, lastRevision, isOlder] of cases) {
  test(`a store that is ${what} is ${isOlder ? '' : 'not '}older`, () => {
    assert.equal(findOlder(mark, cluster, { created, lastRevision }) !== undefined, isOlder);
  });
}
test('without a mark nobody knows', () => {
  assert.equal(findOlder(undefined, 'c', { created: day(1), lastRevision: 0 }), undefined);
});

async function begin() {
  const clock = new FakeClock();
  const path = join(await newFolder(), 'store-mark.json');
  const { log, lines } = recordLog();
  const open = () => StoreMark.open({ path, clock, log, issuer: issuer.publicKey });
  const read = async () => JSON.parse(await readFile(path, 'utf8')) as { revision: number };
  const bucket = await (await new FakeBroker(clock).connect().storage()).bucket(clusterBucket);
  return { clock, path, lines, open, read, bucket };
}

test('the mark follows the writes, a second after them, and those of the lease only beside others', async () => {
  const { clock, open, read, bucket } = await begin();
  const opened = await open();
  await opened.compare('c', { created: day(2), lastRevision: 0, keys: 0 });
  const [lease, followed] = [opened.follow(bucket, { isLease: true }), opened.follow(bucket)];
  let revision = 0;
  for (let times = 0; times < 3; times++) revision = await lease.put('lease', Buffer.from('x'), revision);
  await clock.advance(60_000);
  assert.equal((await read()).revision, 0);
  await followed.put('ban.x', Buffer.from('x'), 0);
  await clock.advance(1_000);
  await opened.write();
  assert.equal((await read()).revision, 4);
  await lease.put('lease', Buffer.from('x'), revision);
  await opened.write();
  assert.equal((await read()).revision, 5);
});

test('the mark follows what another requester writes, so that each notices an older store', async () => {
  const { clock, open, read, bucket } = await begin();
  const opened = await open();
  await opened.compare('c', { created: day(2), lastRevision: 0, keys: 0 });
  const watch = await opened.follow(bucket).watch(() => undefined, { prefixes: ['ban.'] });
  await watch.ready;
  await bucket.put('lease', Buffer.from('x'), 0);
  await bucket.put('ban.x', Buffer.from('x'), 0);
  await clock.advance(1_000);
  await opened.write();
  assert.equal((await read()).revision, 2);
});

test('an older store stays one over restarts, until it is confirmed', async () => {
  const { open, lines } = await begin();
  const state = (lastRevision: number) => ({ created: day(2), lastRevision, keys: 1 });
  await (await open()).compare('c', state(10));
  const second = await open();
  await second.compare('c', state(4));
  assert.deepEqual([second.older?.revision, second.older?.expected], [4, 10]);
  assert.match(lines.at(-1)?.message ?? '', /older than it was/);
  const third = await open();
  await third.compare('c', state(7));
  assert.deepEqual(third.older, second.older);
  assert.equal(await third.confirm(), true);
  assert.equal(await third.confirm(), false);
  const fourth = await open();
  await fourth.compare('c', state(8));
  assert.equal(fourth.older, undefined);
});

test('what an operator confirms at another requester counts, unless the older store itself contains it', async () => {
  const { open, lines } = await begin();
  const opened = await open();
  await opened.compare('c', { created: day(2), lastRevision: 10, keys: 0 });
  const again = await open();
  await again.compare('c', { created: day(2), lastRevision: 6, keys: 0 });
  await again.onConfirmed(6);
  assert.ok(again.older, 'an earlier confirmation');
  await again.onConfirmed(8);
  assert.equal(again.older, undefined);
  assert.equal((await open()).older, undefined, 'also after a restart');
  assert.equal(lines.filter(({ message }) => /at another requester/.test(message)).length, 1);
});

test('a store that another requester restored is no older one, once, and the ledger counts for it', async () => {
  const { open, lines, bucket } = await begin();
  const state = { created: day(2), lastRevision: 10, keys: 0 };
  await (await open()).compare('c', state);
  const doubted = await open();
  await doubted.compare('c', { ...state, lastRevision: 4 });
  assert.ok(doubted.older);
  await noteRestore(bucket, 'c', { issuer, nowMs: 500, knownMs: 0 });
  const restored = await open();
  await restored.compare('c', { ...state, lastRevision: 1 }, await bucket.get(restoreKey));
  assert.deepEqual([restored.older, restored.isRestored], [undefined, true]);
  await restored.endRestore();
  const again = await open();
  await again.compare('c', { ...state, lastRevision: 2 }, await bucket.get(restoreKey));
  assert.deepEqual([again.older, again.isRestored], [undefined, false]);
  assert.equal(lines.filter(({ message }) => /has restored the store/.test(message)).length, 1);
  const before = await open();
  await before.compare('c', { ...state, lastRevision: 12 });
  assert.deepEqual([before.older?.revision, before.older?.expected], [12, 2]);
  assert.equal(await before.confirm(), true);
  const confirmed = await open();
  await confirmed.compare('c', { ...state, lastRevision: 13 });
  assert.equal(confirmed.older, undefined, 'an operator wants it');
});

test('a mark that cannot be read stops the start, so that no older store is taken for good', async () => {
  const { open, path } = await begin();
  await writeFile(path, '{"version":1}');
  await assert.rejects(open(), { code: 'bad_state', message: /store-mark\.json cannot be read/ });
});
