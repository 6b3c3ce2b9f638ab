// Tests that the probe notices when records vanish from the store of a running broker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StoreProbe } from '../../../agent/requester/roll/store-probe.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { BrokerError, type BucketState } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Starts a probe over a store whose state a test changes. */
function begin() {
  const clock = new FakeClock();
  const store: BucketState = { created: 'c1', lastRevision: 10, keys: 5 };
  const probed = { known: 5, shortages: 0, fails: false };
  const probe = new StoreProbe({
    clock,
    log: silentLog,
    bucket: {
      state: async () => {
        if (probed.fails) throw new BrokerError('timeout', 'no answer');
        return { ...store };
      },
    },
    countKnown: () => probed.known,
    onShortage: () => {
      probed.shortages++;
      // The store is read again, and then only its present keys are known.
      probed.known = store.keys;
    },
  });
  probe.start();
  return { clock, store, probed, probe };
}

test('a missing key is noticed within 7 s', async () => {
  const { clock, store, probed, probe } = begin();
  await clock.advance(10_000);
  assert.equal(probed.shortages, 0);
  store.keys--;
  await clock.advance(7_000);
  assert.equal(probed.shortages, 1);
  probe.stop();
});

test('another bucket of the same name, and an older state, are noticed', async () => {
  for (const change of [{ created: 'c2' }, { lastRevision: 9 }]) {
    const { clock, store, probed, probe } = begin();
    await clock.advance(10_000);
    Object.assign(store, change);
    await clock.advance(7_000);
    assert.equal(probed.shortages, 1);
    await clock.advance(60_000);
    assert.equal(probed.shortages, 1, 'it is noticed once');
    probe.stop();
  }
});

test('a check that fails is no shortage, and a key that is removed here a moment later is none', async () => {
  const { clock, store, probed, probe } = begin();
  await clock.advance(10_000);
  probed.fails = true;
  await clock.advance(10_000);
  probed.fails = false;
  store.keys--;
  await clock.advance(200);
  probed.known--;
  await clock.advance(60_000);
  assert.equal(probed.shortages, 0);
  probe.stop();
});

test('writes of ours and of others are never a shortage', async () => {
  const write = fc.record({ isOurs: fc.boolean(), isNew: fc.boolean(), waitMs: fc.nat(4_000) });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 40 }), async writes => {
      const { clock, store, probed, probe } = begin();
      for (const { isOurs, isNew, waitMs } of writes) {
        store.lastRevision++;
        if (isNew) store.keys++;
        // The watch tells of a write after the store has it.
        await clock.advance(waitMs);
        if (isNew && isOurs) probed.known++;
      }
      await clock.advance(10_000);
      assert.equal(probed.shortages, 0);
      probe.stop();
    }),
  );
});
