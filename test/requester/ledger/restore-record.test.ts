// Tests the record of a restore: whom the other requesters believe, and that no clock makes a later restore an earlier one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { findOlder } from '../../../agent/requester/ledger/older-store.ts';
import { noteRestore, restoredAtMs, restoreKey } from '../../../agent/requester/ledger/restore-record.ts';
import type { Mark } from '../../../agent/requester/ledger/store-mark-file.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import { issuerKey as issuer } from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

const key = issuer.publicKey;
const newBucket = async () =>
  (await new FakeBroker(new FakeClock()).connect().storage()).bucket(clusterBucket);

test('a restore is believed that somebody with the keys of this roll noted in this store, at this place', async () => {
  const bucket = await newBucket();
  await bucket.put('ban.x', Buffer.from('x'), 0);
  assert.equal(await noteRestore(bucket, 'c', { issuer, nowMs: 500, knownMs: 0 }), 500);
  const entry = await bucket.get(restoreKey);
  assert.ok(entry);
  assert.equal(restoredAtMs(entry, 'c', key), 500);
  assert.equal(restoredAtMs(entry, 'other', key), 0, 'another cluster');
  assert.equal(restoredAtMs({ ...entry, revision: 3 }, 'c', key), 0, 'moved to another copy of the store');
  const stranger = keyPairOf(new Uint8Array(32).fill(9), 'account');
  assert.equal(restoredAtMs(entry, 'c', stranger.publicKey), 0, 'another key');
  await noteRestore(bucket, 'c', { issuer: stranger, nowMs: 900, knownMs: 0 });
  assert.equal(restoredAtMs(await bucket.get(restoreKey), 'c', key), 0);
  assert.equal(restoredAtMs(undefined, 'c', key), 0);
});

test('a restore is later than each known one, whatever the clock says, and names its place also beside another writer', async () => {
  const times = fc.array(fc.record({ nowMs: fc.nat(1_000), knownMs: fc.nat(1_000), writes: fc.nat(3) }), {
    minLength: 1,
    maxLength: 6,
  });
  const run = fc.asyncProperty(times, async steps => {
    const bucket = await newBucket();
    let latest = 0;
    for (const [at, { nowMs, knownMs, writes }] of steps.entries()) {
      let more = writes;
      const beside: typeof bucket = {
        ...bucket,
        get: wanted => bucket.get(wanted),
        put: (...args) => bucket.put(...args),
        state: async () => {
          const state = await bucket.state();
          if (more-- > 0) await bucket.put(`ban.${at}-${more}`, Buffer.from('x'), 0);
          return state;
        },
      };
      const atMs = await noteRestore(beside, 'c', { issuer, nowMs, knownMs });
      assert.ok(atMs > latest && atMs > knownMs && atMs >= nowMs);
      assert.equal(restoredAtMs(await bucket.get(restoreKey), 'c', key), atMs);
      latest = atMs;
    }
  });
  await fc.assert(run, { numRuns: 50 });
});

const created = '2026-01-02T00:00:00Z';
const earlier = '2026-01-01T00:00:00Z';
const marked = { cluster: 'c', created, revision: 90, storeRestoredAtMs: 500, newestRestoreAtMs: 500 };
const cases: [what: string, mark: Mark, created: string, revision: number, atMs: number, isOlder: boolean][] =
  [
    ['restored since', marked, created, 20, 501, false],
    ['restored since, from before the store was lost', marked, earlier, 20, 501, false],
    ['the one before the restore, which was further', marked, created, 120, 0, true],
    ['the one before the restore, in a cluster', { ...marked, created: '' }, '', 120, 400, true],
    ['an earlier state of the restored one', marked, created, 80, 500, true],
    ['a later state of the restored one', marked, created, 91, 500, false],
    [
      'lost since, and the restored one is put back',
      { ...marked, created, storeRestoredAtMs: 0 },
      earlier,
      99,
      500,
      true,
    ],
    [
      'the right one again, after an older one',
      { ...marked, storeRestoredAtMs: 0, revision: 9 },
      created,
      91,
      500,
      false,
    ],
  ];
for (const [what, mark, at, lastRevision, restored, isOlder] of cases) {
  test(`a store that is ${what} is ${isOlder ? '' : 'not '}older`, () => {
    const found = findOlder(mark, 'c', { created: at, lastRevision, restoredAtMs: restored });
    assert.equal(found !== undefined, isOlder);
  });
}
