// A role gives memory back again and again, and what its start needed once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapCodeStatistics } from 'node:v8';
import { runInThisContext, Script } from 'node:vm';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import {
  giveBackCode,
  giveBackMemory,
  giveBackPausesMs,
  type Memory,
  mostSearchedBytes,
} from '../../agent/roles/give-back-memory.ts';
import { FakeClock } from '../support/fake-clock.ts';

const source = 'const double = x => 2 * x; double(1);';
/** The compiled code of `source`, made before anything is given back. */
const cachedData = new Script(source).createCachedData();

/** Notes what is given back. */
function fakeMemory(usedBytes: number): { memory: Memory; given: string[] } {
  const given: string[] = [];
  const memory = {
    giveBackFreed: () => void given.push('freed'),
    giveBackGarbage: () => void given.push('garbage'),
    giveBackProgram: () => void given.push('program'),
    usedBytes: () => usedBytes,
  };
  return { memory, given };
}

test('freed memory is given back after longer and longer pauses until it is stopped, and what the start needed once', async () => {
  const clock = new FakeClock();
  const { memory, given } = fakeMemory(mostSearchedBytes);
  const giving = giveBackMemory(clock, () => memory);
  const { first, longest } = giveBackPausesMs;
  for (const pauseMs of [first, 2 * first, 4 * first, longest, longest]) {
    given.length = 0;
    await clock.advance(pauseMs - 1);
    assert.deepEqual(given, []);
    await clock.advance(1);
    assert.deepEqual(given, pauseMs === first ? ['garbage', 'freed', 'program'] : ['freed']);
  }
  giving.stop();
  given.length = 0;
  await clock.advance(3 * longest);
  assert.deepEqual(given, []);
  assert.equal(clock.pending, 0);
});

test('nobody waits while V8 looks for garbage in a large heap', async () => {
  const clock = new FakeClock();
  const { memory, given } = fakeMemory(mostSearchedBytes + 1);
  giveBackMemory(clock, () => memory);
  await clock.advance(giveBackPausesMs.first);
  assert.deepEqual(given, ['freed', 'program']);
});

test('without the native probe nothing is given back', async () => {
  const clock = new FakeClock();
  let looks = 0;
  giveBackMemory(clock, () => {
    looks++;
    return undefined;
  });
  assert.equal(looks, 0, 'the start does not look for it');
  await clock.advance(3 * giveBackPausesMs.longest);
  assert.equal(looks, 1);
  assert.equal(clock.pending, 0);
});

test('compiled code that does not run any more is dropped, and runs as before when it is called again', t => {
  const { probe } = loadProbe();
  if (!probe) return t.skip('the native probe is not there');
  const numbers = Array.from({ length: 2_000 }, (_, number) => number);
  const text = numbers.map(number => `x => [x, ${number}].map(y => y * ${number}).length + ${number}`).join();
  const functions = runInThisContext(`[${text}]`) as ((x: number) => number)[];
  const sum = () => functions.reduce((total, each) => total + each(1), 0);
  const expected = sum();
  const codeBytes = () => getHeapCodeStatistics().bytecode_and_metadata_size;
  const before = codeBytes();
  makeGarbage();
  giveBackCode(probe);
  assert.ok(codeBytes() < before / 2, `${codeBytes()} of ${before} bytes are left`);
  assert.equal(sum(), expected);
});

test('after that V8 still takes compiled code that was made before', t => {
  const { probe } = loadProbe();
  if (!probe) return t.skip('the native probe is not there');
  giveBackCode(probe);
  // Under the name that it had, V8 would find the script in its memory.
  const { cachedDataRejected } = new Script(source, { cachedData, filename: 'another.js' });
  assert.equal(cachedDataRejected, false);
});

/** Makes so much garbage that V8 looks for it by itself. */
function makeGarbage(): void {
  for (let made = 0, list: unknown[] = []; made < 40; made++) {
    if (list.push(new Array(300_000).fill(made)) > 8) list = [];
  }
}
