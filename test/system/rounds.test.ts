// Rounds: when each begins, that two never overlap, and that none begins after a stop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rounds } from '../../agent/system/rounds.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** Rounds every second, of which each ends when the test says so. */
function begin({ isNeeded }: { isNeeded?(): boolean } = {}) {
  const clock = new FakeClock();
  const ends: (() => void)[] = [];
  let begun = 0;
  const work = () => {
    begun++;
    return new Promise<void>(resolve => void ends.push(resolve));
  };
  const rounds = new Rounds({ clock, pauseMs: 1_000, work, ...(isNeeded ? { isNeeded } : {}) });
  const end = async () => {
    ends.shift()?.();
    await clock.settle();
  };
  return { clock, rounds, end, running: () => ends.length, begun: () => begun };
}

test('each round begins a pause after the start, or after the end of the one before it', async () => {
  const { clock, rounds, end, begun } = begin();
  rounds.plan();
  await clock.advance(5_000);
  assert.equal(begun(), 0, 'there was no start');
  rounds.start();
  await clock.advance(999);
  assert.equal(begun(), 0);
  await clock.advance(1);
  assert.equal(begun(), 1);
  await clock.advance(5_000);
  assert.equal(begun(), 1, 'the first one still runs');
  await end();
  await clock.advance(1_000);
  assert.equal(begun(), 2);
});

test('no round begins while there is nothing to do', async () => {
  let isNeeded = false;
  const { clock, rounds, begun, end } = begin({ isNeeded: () => isNeeded });
  rounds.start();
  await clock.advance(5_000);
  assert.equal(begun(), 0);
  isNeeded = true;
  rounds.plan();
  await clock.advance(1_000);
  assert.equal(begun(), 1);
  isNeeded = false;
  await end();
  await clock.advance(5_000);
  assert.equal(begun(), 1);
});

test('one that runs can be awaited, and a stop lets it end', async () => {
  const { clock, rounds, begun, end } = begin();
  rounds.start();
  assert.equal(rounds.running, undefined);
  await clock.advance(1_000);
  const { running } = rounds;
  assert.ok(running);
  rounds.stop();
  await end();
  await running;
  assert.deepEqual([rounds.running, rounds.isOn], [undefined, false]);
  await clock.advance(5_000);
  assert.equal(begun(), 1);
});

test('however it is started, stopped and planned, two rounds never overlap, and one follows while it is on', async () => {
  const step = fc.constantFrom('start', 'stop', 'plan', 'end', 'wait');
  const runs = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
    const { clock, rounds, end, running, begun } = begin();
    let isOn = false;
    for (const each of steps) {
      if (each === 'end') await end();
      else if (each === 'wait') {
        const before = begun();
        const wasRunning = running() > 0;
        await clock.advance(1_000);
        assert.equal(begun() - before, isOn && !wasRunning ? 1 : 0);
      } else {
        rounds[each]();
        if (each !== 'plan') isOn = each === 'start';
      }
      assert.ok(running() <= 1, 'two at the same time');
    }
  });
  await fc.assert(runs, { numRuns: 200 });
});
