// Tests what a requester remembers of operations that stand in no record.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationNotes } from '../../../agent/requester/operations/operation-notes.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const wanted = { node: 'node-1', action: 'approve' };
const fail = (error: unknown) => () => Promise.reject(error);

test('an operation is under way until its work has ended', async () => {
  const notes = new OperationNotes(new FakeClock());
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = notes.during('op', wanted, () => promise);
  const second = notes.during('op', { ...wanted, node: 'node-2' }, async () => undefined);
  await second;
  assert.deepEqual(notes.underWay('op'), [wanted]);
  resolve();
  await first;
  assert.deepEqual(notes.underWay('op'), []);
});

test('a refusal is remembered, and what may stand is none', async () => {
  const clock = new FakeClock();
  const notes = new OperationNotes(clock);
  const refusal = new MusterError('conflict', 'node node-1 already approved');
  await assert.rejects(notes.during('op', wanted, fail(refusal)), refusal);
  await assert.rejects(notes.during('open', wanted, fail(new MusterError('unreachable', 'it may stand'))));
  await assert.rejects(notes.during('fault', wanted, fail(new TypeError('a fault'))));
  assert.deepEqual(notes.refused('op'), [
    { ...wanted, reason: 'node node-1 already approved', at: clock.now().toISOString() },
  ]);
  assert.deepEqual([notes.refused('open'), notes.refused('fault')], [[], []]);
});

test('the refusals of a thousand operations are remembered, and a hundred of each', async () => {
  const notes = new OperationNotes(new FakeClock());
  const refuse = (operation: string) =>
    notes.during(operation, wanted, fail(new MusterError('conflict', 'no'))).catch(() => undefined);
  for (let n = 0; n <= 1_000; n++) await refuse(`op-${n}`);
  for (let n = 0; n < 200; n++) await refuse('op-500');
  assert.deepEqual([notes.refused('op-0').length, notes.refused('op-1').length], [0, 1]);
  assert.equal(notes.refused('op-500').length, 100);
});
