// The limited log writes the first line at once, then one per interval with the number of lines left out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitedLog } from '../../agent/system/limited-log.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordLog } from '../support/log-lines.ts';

function newLimitedLog() {
  const clock = new FakeClock();
  const { log, lines } = recordLog();
  const limited = limitedLog(log, clock, 1_000);
  /** Writes a line of each key; returns the fields of those that reached the log. */
  const write = (...keys: string[]) => {
    const before = lines.length;
    for (const key of keys) limited.warn(key, { key }, 'it failed');
    return lines.slice(before).map(({ fields }) => fields);
  };
  return { clock, lines, limited, write };
}

test('writes one line of each key per interval, with the number of lines left out', async () => {
  const { clock, write } = newLimitedLog();
  assert.deepEqual(write('a', 'b', 'a', 'a'), [{ key: 'a' }, { key: 'b' }]);
  await clock.advance(999);
  assert.deepEqual(write('a'), []);
  await clock.advance(1);
  assert.deepEqual(write('a', 'b', 'a'), [{ key: 'a', suppressed: 3 }, { key: 'b' }]);
  await clock.advance(5_000);
  assert.deepEqual(write('a', 'b'), [{ key: 'a', suppressed: 1 }, { key: 'b' }]);
});

test('keeps the level and the message', () => {
  const { lines, limited } = newLimitedLog();
  limited.warn('a', { n: 1 }, 'it is slow');
  limited.error('b', {}, 'it failed');
  assert.deepEqual(lines, [
    { level: 'warn', fields: { n: 1 }, message: 'it is slow' },
    { level: 'error', fields: {}, message: 'it failed' },
  ]);
});

test('does not depend on the wall clock', async () => {
  const { clock, write } = newLimitedLog();
  write('a');
  clock.moveWall(86_400_000);
  assert.deepEqual(write('a'), []);
  clock.moveWall(-2 * 86_400_000);
  await clock.advance(1_000);
  assert.deepEqual(write('a'), [{ key: 'a', suppressed: 1 }]);
});

test('forgets its keys when there are too many, so that a flood of keys does not fill the memory', () => {
  const { write } = newLimitedLog();
  const keys = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name} ${n}`);
  write('first', ...keys('a', 500));
  assert.deepEqual(write('first'), []);
  write(...keys('b', 1_000));
  assert.deepEqual(write('first'), [{ key: 'first' }]);
});
