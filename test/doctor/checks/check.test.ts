// Checks that checks run at the same time, end at their timeout, and cannot stop each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Check,
  type CheckResult,
  ok,
  runChecks,
  withTimeout,
} from '../../../agent/doctor/checks/check.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

async function run(
  checks: Check[],
  clock: FakeClock,
  time: number,
): Promise<{ results: CheckResult[]; ended: boolean }> {
  const results: CheckResult[] = [];
  let ended = false;
  void runChecks(checks, clock, result => results.push(result)).then(() => {
    ended = true;
  });
  await clock.advance(time);
  return { results, ended };
}

const hang = () => new Promise<never>(() => undefined);

test('a check that hangs ends at its timeout, and the results of the others come at once', async () => {
  const clock = new FakeClock();
  const checks: Check[] = [
    { name: 'hangs', run: hang },
    { name: 'hangs longer', timeoutMs: 15_000, run: hang },
    { name: 'answers', run: async () => [ok('well')] },
  ];
  const { results, ended } = await run(checks, clock, 9_999);
  assert.deepEqual(
    [results, ended],
    [[{ check: 'answers', findings: [{ status: 'ok', text: 'well' }] }], false],
  );
  await clock.advance(5_001);
  assert.deepEqual(
    results.map(({ check, findings }) => [check, findings[0]?.status, findings[0]?.text]),
    [
      ['answers', 'ok', 'well'],
      ['hangs', 'failed', 'no answer within 10 s: what it asks hangs'],
      ['hangs longer', 'failed', 'no answer within 15 s: what it asks hangs'],
    ],
  );
  assert.equal(clock.pending, 0);
});

test('a check that throws has failed; what this user may not see is a warning', async () => {
  const checks: Check[] = [
    {
      name: 'at once',
      run() {
        throw new Error('no luck');
      },
    },
    { name: 'later', run: () => Promise.reject('just text') },
    { name: 'denied', run: () => Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' })) },
    { name: 'refused', run: () => Promise.reject(new MusterError('not_allowed', 'not for you')) },
    { name: 'well', run: async () => [] },
  ];
  const { results, ended } = await run(checks, new FakeClock(), 0);
  assert.equal(ended, true);
  const of = (name: string) => results.find(({ check }) => check === name)?.findings;
  assert.equal(of('at once')?.[0]?.text, 'this check failed with an error: no luck');
  assert.equal(of('later')?.[0]?.text, 'this check failed with an error: just text');
  for (const name of ['denied', 'refused']) assert.equal(of(name)?.[0]?.status, 'warning');
  assert.equal(of('refused')?.[0]?.text, 'this user may not see this: not for you');
  assert.deepEqual(of('well'), []);
});

test('a result that comes in time leaves no timer', async () => {
  const clock = new FakeClock();
  assert.equal(await withTimeout(clock, 1_000, Promise.resolve(7)), 7);
  await assert.rejects(withTimeout(clock, 1_000, Promise.reject(new Error('no'))), /no/);
  assert.equal(clock.pending, 0);
});
