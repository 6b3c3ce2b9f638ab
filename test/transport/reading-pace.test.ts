// Tests when a link is left alone for a moment: only while it is busy, nobody awaits the broker, and timers are on time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadingPace } from '../../agent/transport/reading-pace.ts';
import { FakeClock } from '../support/fake-clock.ts';

// A source that notes what is done to it, and the turns of the loop, which end when the test says so.
function setUp() {
  const clock = new FakeClock();
  const turns: (() => void)[] = [];
  const done: string[] = [];
  const onDrained = () => void done.push('drained');
  const pace = new ReadingPace({ clock, onDrained, afterTurn: fn => turns.push(fn) });
  const source = { pause: () => done.push('pause'), resume: () => done.push('resume') };
  return {
    clock,
    pace,
    done,
    piece: (bytes: number) => pace.onPiece(bytes, source),
    endTurn: () => {
      for (const fn of turns.splice(0)) fn();
    },
  };
}

// As `setUp`, with a link that has become busy.
async function setUpBusy() {
  const parts = setUp();
  parts.piece(1);
  await parts.clock.advance(100);
  parts.piece(16_000);
  return parts;
}

test('a quiet link is never paused', async () => {
  const { clock, done, piece, endTurn } = setUp();
  for (let i = 0; i < 1_000; i++) {
    piece(1_000);
    endTurn();
    await clock.advance(10);
  }
  assert.deepEqual(done, []);
});

test('a busy link is paused when a whole turn brought nothing more, and read again later', async () => {
  const { clock, done, piece, endTurn } = await setUpBusy();
  endTurn();
  piece(65_536);
  endTurn();
  piece(300);
  endTurn();
  piece(300);
  endTurn();
  assert.deepEqual(done, []);
  endTurn();
  assert.deepEqual(done, ['drained', 'pause']);
  await clock.advance(9);
  assert.deepEqual(done, ['drained', 'pause']);
  await clock.advance(1);
  assert.deepEqual(done, ['drained', 'pause', 'resume']);
  assert.equal(clock.pending, 0);
});

test('whoever awaits the broker has a paused link read again, and not paused for a while', async () => {
  const { clock, pace, done, piece, endTurn } = await setUpBusy();
  endTurn();
  endTurn();
  pace.hurry();
  assert.deepEqual(done, ['drained', 'pause', 'resume']);
  assert.equal(clock.pending, 0);
  const passTurns = () => {
    piece(4_000);
    endTurn();
    endTurn();
  };
  passTurns();
  await clock.advance(19);
  passTurns();
  assert.deepEqual(done, ['drained', 'pause', 'resume']);
  await clock.advance(1);
  passTurns();
  assert.deepEqual(done, ['drained', 'pause', 'resume', 'drained', 'pause']);
});

test('a link is not paused when somebody begins to await the broker while it is being drained', async () => {
  const { pace, done, endTurn } = await setUpBusy();
  endTurn();
  pace.hurry();
  endTurn();
  assert.deepEqual(done, []);
});

test('a link that was busy is read at once after a silence', async () => {
  const { clock, done, piece, endTurn } = await setUpBusy();
  endTurn();
  endTurn();
  await clock.advance(60_000);
  piece(1_000);
  endTurn();
  endTurn();
  assert.deepEqual(done, ['drained', 'pause', 'resume']);
});

test('a pause that ends late is followed by none for some seconds', async () => {
  const { clock, done, piece, endTurn } = await setUpBusy();
  // Returns whether the link was paused after a piece. Timers fire that much later than they are due.
  const pauses = async (lateMs: number) => {
    done.length = 0;
    piece(4_000);
    endTurn();
    endTurn();
    await clock.stall(10 + lateMs);
    return done.includes('pause');
  };
  endTurn();
  endTurn();
  await clock.advance(10);
  assert.equal(await pauses(10), true);
  assert.equal(await pauses(11), true);
  for (let ms = 0; ms < 5_000; ms += 10) assert.equal(await pauses(0), false);
  assert.equal(await pauses(0), true);
  assert.equal(await pauses(0), true);
});

test('a link that pauses while another one is paused leaves none behind', async () => {
  const { clock, pace, done, endTurn } = await setUpBusy();
  endTurn();
  endTurn();
  const other = { pause: () => done.push('pause other'), resume: () => done.push('resume other') };
  pace.onPiece(40_000, other);
  endTurn();
  endTurn();
  await clock.advance(10);
  assert.deepEqual(done, ['drained', 'pause', 'resume', 'drained', 'pause other', 'resume other']);
  assert.equal(clock.pending, 0);
});
