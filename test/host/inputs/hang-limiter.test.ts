// Tests that calls that hang cost their time limit once, and a limited number of threads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultOf, HangLimiter } from '../../../agent/host/inputs/hang-limiter.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function newLimiter(maxHung = 2) {
  const clock = new FakeClock();
  return { clock, limiter: new HangLimiter({ timeoutMs: 2000, maxHung, clock }) };
}

const coded = (code: string) => Object.assign(new Error(code), { code });

test('an answer in time is returned, and no timer is left', async () => {
  const { clock, limiter } = newLimiter();
  const { value, fault } = await limiter.ask('x', async () => 7);
  assert.deepEqual([value, fault, clock.pending, limiter.hung], [7, undefined, 0, 0]);
});

test('a call that hangs is given up when its time is over, and not before', async () => {
  const { clock, limiter } = newLimiter();
  const asked = limiter.ask('x', () => new Promise<never>(() => undefined));
  let settled = false;
  void asked.then(() => {
    settled = true;
  });
  await clock.advance(1999);
  assert.equal(settled, false);
  await clock.advance(1);
  assert.deepEqual(await asked, { fault: { kind: 'late', reason: 'did not answer within 2 s' }, took: 2000 });
});

test('a call that hangs is not made again until it has ended', async () => {
  const { clock, limiter } = newLimiter();
  const answer = Promise.withResolvers<number>();
  let asks = 0;
  const question = () => {
    asks++;
    return answer.promise;
  };
  const first = limiter.ask('x', question);
  await clock.advance(60_000);
  await first;
  for (let day = 0; day < 288; day++) {
    const { fault } = await limiter.ask('x', question);
    assert.deepEqual(fault, { kind: 'late', reason: 'has not answered since 2026-01-01T00:00:00Z' });
    await clock.advance(300_000);
  }
  assert.equal(asks, 1);
  answer.resolve(3);
  await clock.settle();
  assert.equal(limiter.hung, 0);
  assert.equal((await limiter.ask('x', question)).value, 3);
});

test('while too many calls hang, no other call is made', async () => {
  const { clock, limiter } = newLimiter(2);
  const hung = Promise.withResolvers<number>();
  const given = [limiter.ask('a', () => hung.promise), limiter.ask('b', () => new Promise(() => undefined))];
  await clock.advance(2000);
  await Promise.all(given);
  const refused = await limiter.ask('c', () => assert.fail('it was asked'));
  assert.deepEqual(refused.fault, {
    kind: 'late',
    reason: 'was not asked, because a and 1 more hang',
  });
  hung.resolve(1);
  await clock.settle();
  assert.equal((await limiter.ask('c', async () => 'asked')).value, 'asked');
});

test('errors of the system become faults with a kind and a reason', () => {
  assert.equal(faultOf(coded('ENOENT')).kind, 'absent');
  assert.equal(faultOf(coded('ENOTDIR')).kind, 'absent');
  assert.equal(faultOf(coded('EACCES')).kind, 'denied');
  assert.equal(faultOf(coded('ETIMEDOUT')).kind, 'late');
  const wrapped = new MusterError('bad_state', 'cannot read /x', { cause: coded('EPERM') });
  assert.equal(faultOf(wrapped).kind, 'denied');
  assert.deepEqual(faultOf(new Error('larger than 65536 bytes')), {
    kind: 'failed',
    reason: 'failed: larger than 65536 bytes',
  });
});

test('a call that rejects with something else than an error gives a fault', async () => {
  const { limiter } = newLimiter();
  const { fault } = await limiter.ask('x', () => Promise.reject('no words'));
  assert.equal(fault?.kind, 'failed');
});

test('only the allowed number of calls runs at a time; the others wait for their turn or are refused', async () => {
  const { clock, limiter } = newLimiter(2);
  const answers = new Map<number, PromiseWithResolvers<number>>();
  const given = Array.from({ length: 6 }, (_, n) =>
    limiter.ask(`${n}`, () => {
      const answer = Promise.withResolvers<number>();
      answers.set(n, answer);
      return answer.promise;
    }),
  );
  const out = async () => {
    await clock.settle();
    return [...answers.keys()];
  };
  assert.deepEqual(await out(), [0, 1]);
  await clock.advance(1500);
  answers.get(1)?.resolve(1);
  assert.deepEqual(await out(), [0, 1, 2]);
  // Call 0 was given up but still occupies its place. Call 2 has a time limit of its own.
  await clock.advance(1000);
  assert.equal((await given[0])?.fault?.reason, 'did not answer within 2 s');
  answers.get(2)?.resolve(2);
  assert.deepEqual(await out(), [0, 1, 2, 3]);
  await clock.advance(2000);
  assert.deepEqual(await out(), [0, 1, 2, 3]);
  const ends = await Promise.all(given);
  assert.deepEqual(
    ends.map(({ value, fault }) => value ?? fault?.reason),
    [
      'did not answer within 2 s',
      1,
      2,
      'did not answer within 2 s',
      'was not asked, because 0 and 1 more hang',
      'was not asked, because 0 and 1 more hang',
    ],
  );
  assert.equal(ends[2]?.took, 1000, 'waiting for its turn does not count');
  assert.deepEqual([limiter.hung, clock.pending], [2, 0]);
});

test('two equal calls take two places while they hang, and free both', async () => {
  const { clock, limiter } = newLimiter(2);
  const answer = Promise.withResolvers<number>();
  const given = [limiter.ask('x', () => answer.promise), limiter.ask('x', () => answer.promise)];
  await clock.advance(2000);
  await Promise.all(given);
  assert.equal((await limiter.ask('y', () => assert.fail('it was asked'))).fault?.kind, 'late');
  answer.resolve(1);
  await clock.settle();
  assert.equal(limiter.hung, 0);
  assert.equal((await limiter.ask('y', async () => 7)).value, 7);
});
