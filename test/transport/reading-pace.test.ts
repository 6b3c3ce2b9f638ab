// Tests when a link is left alone for a moment: only while it is busy and nobody awaits the broker.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ReadingPace } from '../../agent/transport/reading-pace.ts';
import { connectTo, text } from '../support/connections.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startNatsServer } from '../support/nats-server.ts';

const server = await startNatsServer({ jetstream: false });
after(() => server.release());

// A source that notes what is done to it, and the turns of the loop, which end when the test says so.
function setUp() {
  const clock = new FakeClock();
  const turns: (() => void)[] = [];
  const done: string[] = [];
  const pace = new ReadingPace(clock, fn => turns.push(fn));
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
  assert.deepEqual(done, ['pause']);
  await clock.advance(9);
  assert.deepEqual(done, ['pause']);
  await clock.advance(1);
  assert.deepEqual(done, ['pause', 'resume']);
  assert.equal(clock.pending, 0);
});

test('whoever awaits the broker has a paused link read again, and not paused for a while', async () => {
  const { clock, pace, done, piece, endTurn } = await setUpBusy();
  endTurn();
  endTurn();
  pace.hurry();
  assert.deepEqual(done, ['pause', 'resume']);
  assert.equal(clock.pending, 0);
  const passTurns = () => {
    piece(4_000);
    endTurn();
    endTurn();
  };
  passTurns();
  await clock.advance(19);
  passTurns();
  assert.deepEqual(done, ['pause', 'resume']);
  await clock.advance(1);
  passTurns();
  assert.deepEqual(done, ['pause', 'resume', 'pause']);
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
  assert.deepEqual(done, ['pause', 'resume']);
});

test('on a busy link, each message arrives in order, and each request is answered', async () => {
  const [sender, receiver] = [connectTo(server.url), connectTo(server.url)];
  await Promise.all([sender.connected(), receiver.connected()]);
  const heard: number[] = [];
  receiver.subscribe('busy', ({ data }) => heard.push(Number(text(data))));
  receiver.subscribe('ask', message => void setImmediate(() => message.respond(message.data)));
  await receiver.flush(5_000);
  const answers: Promise<string>[] = [];
  const count = 20_000;
  for (let i = 0; i < count; i++) {
    sender.publish('busy', String(i));
    if (i % 20 > 0) continue;
    answers.push(sender.request('ask', String(i), 10_000).then(({ data }) => text(data)));
    await new Promise(setImmediate);
  }
  const asked = Array.from({ length: count / 20 }, (_, index) => String(index * 20));
  assert.deepEqual(await Promise.all(answers), asked);
  await sender.flush(5_000);
  await receiver.flush(5_000);
  assert.deepEqual(heard, [...Array(count).keys()]);
  await Promise.all([sender.close(), receiver.close()]);
});

test('what was sent just before a link is closed arrives', async () => {
  const [sender, receiver] = [connectTo(server.url), connectTo(server.url)];
  await Promise.all([sender.connected(), receiver.connected()]);
  const arrived = new Promise(resolve => receiver.subscribe('last', resolve));
  await receiver.flush(5_000);
  sender.publish('last', 'word');
  await sender.close();
  await arrived;
  await receiver.close();
});
