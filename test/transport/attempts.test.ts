// What a cluster does not answer in time is asked again; what a single server does not answer is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Msg } from 'nats';
import { silentLog } from '../../agent/system/log.ts';
import { attemptTimesMs, inAttempts } from '../../agent/transport/attempts.ts';
import { openBucket } from '../../agent/transport/bucket.ts';
import type { StorageConnection } from '../../agent/transport/jetstream.ts';
import { BrokerError, type BrokerFault } from '../../agent/transport/port.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { steadyRandom } from '../support/steady-random.ts';

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

/** Writes into a bucket whose leader answers with these codes, the last one again and again; undefined for no answer. */
async function writeWith(...codes: (number | undefined)[]) {
  const clock = new FakeClock();
  const config = { subjects: ['$KV.k.>'], allow_rollup_hdrs: true };
  const encode = (value: unknown) => ({ data: new TextEncoder().encode(JSON.stringify(value)) }) as Msg;
  const requestRaw: StorageConnection['requestRaw'] = async subject => {
    if (subject.startsWith('$JS.API.')) return encode({ config, created: '', state: {} });
    const code = codes.length > 1 ? codes.shift() : codes[0];
    if (code === undefined) throw new BrokerError('timeout', 'no answer');
    return encode({ error: { code: 400, err_code: code, description: 'refused' } });
  };
  const connection = { isClustered: true, storeTimeoutMs: 5_000, requestRaw } as StorageConnection;
  const environment = { connection, clock, random: steadyRandom(), log: silentLog };
  const bucket = await openBucket(environment, { name: 'k', history: 1 });
  const work = bucket.put('key', new Uint8Array(), 0);
  work.catch(() => undefined);
  await clock.advance(2 * attemptTimesMs.all);
  return work;
}

test('a write that only met another one which is under way was not begun, and else it may stand', async () => {
  const underWay = 10_164;
  await assert.rejects(writeWith(underWay), { fault: 'write_under_way' });
  await assert.rejects(writeWith(underWay, undefined, underWay), { fault: 'timeout' });
  await assert.rejects(writeWith(undefined, underWay), { fault: 'timeout' });
  await assert.rejects(writeWith(underWay, 10_071), { fault: 'revision_conflict' });
});
