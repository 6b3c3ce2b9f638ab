// Tests which listeners count as sending too much.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { excessOf, FloodWatch, type Traffic } from '../../../agent/requester/listeners/flood-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const traffic = (sent: Record<string, number>, delivered?: number): Traffic => ({
  sent: new Map(Object.entries(sent)),
  delivered,
});

test('an event takes two messages, and what was sent or delivered before does not count', () => {
  assert.equal(excessOf(undefined, traffic({ a: 10 }, 5)), 0);
  assert.equal(excessOf(traffic({ a: 10 }, 5), traffic({ a: 110 }, 55)), 0);
  assert.equal(excessOf(traffic({ a: 10 }, 5), traffic({ a: 110, b: 40 }, 5)), 140);
  // A connection has ended, and the durable was made anew.
  assert.equal(excessOf(traffic({ a: 900, b: 1 }, 500), traffic({ b: 7 }, 0)), 6);
  assert.equal(excessOf(traffic({ a: 0 }), traffic({ a: 3 })), 3);
});

test('who sends more than 5000 messages in five seconds without events is found, and who reads as fast as it can is not', async t => {
  const clock = new FakeClock();
  const found: [string, number][] = [];
  let present: Map<string, Traffic> | undefined = new Map();
  const watch = new FloodWatch({
    clock,
    traffic: async () => present,
    onFlood: (name, excess) => void found.push([name, excess]),
  });
  watch.start();
  t.after(() => watch.stop());
  present = new Map([
    ['fast', traffic({ a: 60_000 }, 30_000)],
    ['idle', traffic({ b: 5_000 }, 0)],
    ['flood', traffic({ c: 3_000, d: 2_001 }, 0)],
  ]);
  await clock.advance(5_000);
  assert.deepEqual(found.splice(0), [['flood', 5_001]]);
  // Nothing new is sent, and then the broker does not tell for a while.
  await clock.advance(5_000);
  present = undefined;
  await clock.advance(10_000);
  assert.deepEqual(found, []);
  present = new Map([['idle', traffic({ b: 10_001 }, 0)]]);
  await clock.advance(5_000);
  assert.deepEqual(found, [['idle', 5_001]]);
});
