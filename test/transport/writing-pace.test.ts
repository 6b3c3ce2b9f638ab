// Tests when frames wait for others: only while a link is busy and nobody awaits the broker.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WritingPace } from '../../agent/transport/writing-pace.ts';
import { connectTo, text } from '../support/connections.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startNatsServer } from '../support/nats-server.ts';

const server = await startNatsServer({ jetstream: false });
after(() => server.release());

// A pace whose writes are noted: `soon` when they come as soon as possible, `later` otherwise.
function setUp() {
  const clock = new FakeClock();
  const writes: string[] = [];
  const pace = new WritingPace(clock, write => {
    writes.push('soon');
    write();
  });
  const send = () => {
    pace.onFrame();
    pace.plan(() => writes.push('written'));
  };
  return { clock, pace, writes, send };
}

// As `setUp`, with a link that has become busy, and without what was written until then.
async function setUpBusy() {
  const parts = setUp();
  for (let frame = 0; frame < 30; frame++) parts.send();
  await parts.clock.advance(100);
  parts.pace.onFrame();
  parts.writes.length = 0;
  return parts;
}

test('a quiet link writes at once', async () => {
  const { clock, writes, send } = setUp();
  for (let frame = 0; frame < 100; frame++) {
    send();
    assert.deepEqual(writes.splice(0), ['soon', 'written']);
    await clock.advance(20);
  }
});

test('a busy link writes after some milliseconds, once', async () => {
  const { clock, writes, send } = await setUpBusy();
  send();
  await clock.advance(4);
  assert.deepEqual(writes, []);
  await clock.advance(1);
  assert.deepEqual(writes, ['written']);
  assert.equal(clock.pending, 0);
});

test('what waits is written when somebody begins to await the broker, and for a while all is written at once', async () => {
  const { clock, pace, writes, send } = await setUpBusy();
  send();
  pace.hurry();
  assert.deepEqual(writes.splice(0), ['written']);
  assert.equal(clock.pending, 0);
  send();
  await clock.advance(19);
  send();
  assert.deepEqual(writes.splice(0), ['soon', 'written', 'soon', 'written']);
  await clock.advance(1);
  send();
  assert.deepEqual(writes, []);
  pace.hurry();
  pace.hurry();
  assert.deepEqual(writes, ['written']);
});

test('a link that was busy writes at once after a silence', async () => {
  const { clock, writes, send } = await setUpBusy();
  await clock.advance(60_000);
  send();
  assert.deepEqual(writes, ['soon', 'written']);
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
  for (let i = 0; i < 1_000; i++) sender.publish('other', '');
  sender.publish('last', 'word');
  await sender.close();
  await arrived;
  await receiver.close();
});
