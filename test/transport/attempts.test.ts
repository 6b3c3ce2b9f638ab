// What a cluster does not answer in time is asked again; what a single server does not answer is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptTimesMs, inAttempts } from '../../agent/transport/attempts.ts';
import type { StorageConnection } from '../../agent/transport/jetstream.ts';
import { BrokerError, type BrokerFault } from '../../agent/transport/port.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** Asks a store that fails with each of `faults`, after `takesMs` each, and then answers. */
function begin(faults: (BrokerFault | undefined)[], { isClustered = true, takesMs = 1_000 } = {}) {
  const clock = new FakeClock();
  const connection = { isClustered, storeTimeoutMs: 5_000 } as StorageConnection;
  const asked: { at: number; timeoutMs: number }[] = [];
  const work = inAttempts({ connection, clock }, async ({ storeTimeoutMs: timeoutMs }) => {
    asked.push({ at: clock.monotonic(), timeoutMs });
    const fault = faults.length > 1 ? faults.shift() : faults[0];
    if (!fault) return 'done';
    await new Promise<void>(resolve => clock.after(takesMs, resolve));
    throw new BrokerError(fault, fault);
  });
  work.catch(() => undefined);
  return { clock, work, asked };
}

test('a cluster is asked again until it answers, with little patience for each attempt', async () => {
  const { clock, work, asked } = begin(['timeout', 'timeout', undefined]);
  await clock.advance(3_000);
  assert.equal(await work, 'done');
  assert.deepEqual(asked, [
    { at: 0, timeoutMs: 1_000 },
    { at: 1_000, timeoutMs: 1_000 },
    { at: 2_000, timeoutMs: 1_000 },
  ]);
});

test('a cluster that never answers is given up after twelve seconds', async () => {
  const { clock, work, asked } = begin(['timeout']);
  await clock.advance(attemptTimesMs.all);
  await assert.rejects(work, { fault: 'timeout' });
  assert.equal(asked.length, 12);
  assert.equal(clock.pending, 0);
});

test('a cluster that says at once that it has no leader is asked less and less often', async () => {
  const { clock, work, asked } = begin([...Array<BrokerFault>(8).fill('timeout'), undefined], { takesMs: 0 });
  await clock.advance(attemptTimesMs.one);
  assert.equal(await work, 'done');
  assert.deepEqual(
    asked.map(({ at }) => at),
    [0, 10, 30, 70, 150, 310, 510, 710, 910],
  );
});

test('any other fault is told at once', async () => {
  for (const fault of ['revision_conflict', 'disconnected', 'no_space', 'refused'] as const) {
    const { clock, work, asked } = begin([fault]);
    await clock.advance(attemptTimesMs.one);
    await assert.rejects(work, { fault });
    assert.equal(asked.length, 1);
  }
});

test('a single server is asked once, with the usual patience', async () => {
  const { clock, work, asked } = begin(['timeout'], { isClustered: false });
  await clock.advance(attemptTimesMs.all);
  await assert.rejects(work, { fault: 'timeout' });
  assert.deepEqual(asked, [{ at: 0, timeoutMs: 5_000 }]);
});
