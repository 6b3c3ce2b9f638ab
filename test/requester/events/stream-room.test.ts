// Tests that decisions keep room in the event stream, and that nothing is announced again because its event was removed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keepRoom, makeRoom, noisyKinds } from '../../../agent/requester/events/stream-room.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { RequesterFixture } from '../requester-fixture.ts';

const decisions = ['approved', 'rejected', 'deleted'];

async function begin(maxBytes = 10_000) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  const stream = await (await connection.storage()).stream({
    name: 'NODE_EVENTS',
    subjects: ['node.events.>'],
    maxAgeMs: 0,
    maxBytes,
  });
  let number = 0;
  const publish = async (kind: string) => {
    await stream.publish(`node.events.node-${++number % 7}.${kind}`, 'x'.repeat(100), `${number}`);
  };
  const stored = () => broker.streams.get('NODE_EVENTS')?.messages ?? [];
  const kinds = () => stored().map(({ subject }) => subject.split('.').at(-1) ?? '');
  return { clock, broker, stream, publish, stored, kinds };
}

describe('the event stream', () => {
  test('is made again within a minute when somebody removed it', async () => {
    const { clock, broker, stream } = await begin();
    let reopened = 0;
    const reopen = async () => ++reopened;
    const room = keepRoom({ stream, reopen, clock, log: recordLog().log });
    await clock.advance(60_000);
    assert.equal(reopened, 0);
    broker.failNext('fill', { fault: 'refused' });
    await clock.advance(60_000);
    assert.equal(reopened, 1);
    room.stop();
  });

  test('is left alone until it is fuller than three quarters', async () => {
    const { stream, publish, stored } = await begin();
    for (let i = 0; i < 75; i++) await publish('updated');
    assert.equal(await makeRoom(stream), 0);
    assert.equal(stored().length, 75);
    await publish('updated');
    assert.equal(await makeRoom(stream), 25);
    assert.equal(stored().length, 51);
  });

  test('loses the oldest of every noisy kind, but no decision', async () => {
    const { stream, publish, kinds } = await begin();
    for (const kind of decisions) await publish(kind);
    for (let i = 0; i < 80; i++) await publish(noisyKinds[i % noisyKinds.length] ?? '');
    for (const kind of decisions) await publish(kind);
    await makeRoom(stream);
    const kept = kinds();
    assert.deepEqual(
      kept.filter(kind => decisions.includes(kind)),
      [...decisions, ...decisions],
    );
    const noise = kept.length - 6;
    assert.ok(noise >= 40 && noise < 80, `${noise}`);
    for (let i = 0; i < 10; i++) await makeRoom(stream);
    assert.ok(kinds().length > 40, 'nothing more is removed than is needed');
  });

  test('keeps decisions also when it contains nothing else', async () => {
    const { stream, publish, kinds } = await begin();
    for (let i = 0; i < 90; i++) await publish('approved');
    assert.equal(await makeRoom(stream), 0);
    assert.equal(kinds().length, 90);
  });

  test('is checked once a minute, with one warning a day, also after the store did not answer', async () => {
    const { clock, broker, stream, publish, stored } = await begin();
    const { log, lines } = recordLog();
    const room = keepRoom({ stream, reopen: async () => undefined, clock, log });
    for (let i = 0; i < 90; i++) await publish('left');
    broker.failNext('fill', { fault: 'timeout' });
    await clock.advance(70_000);
    assert.equal(stored().length, 90);
    await clock.advance(60_000);
    assert.ok(stored().length < 90);
    for (let i = 0; i < 90; i++) await publish('left');
    await clock.advance(120_000);
    assert.equal(lines.filter(({ message }) => message.includes('nearly full')).length, 1);
    room.stop();
    assert.equal(clock.pending, 0);
  });
});

test('a change whose event was removed to make room is not announced again at the next start', async () => {
  const fixture = await RequesterFixture.started();
  for (const id of ['node-1', 'node-2', 'node-3']) {
    await fixture.register(id);
    await fixture.clock.advance(1_000);
  }
  await fixture.approve('node-3');
  const messages = fixture.broker.streams.get('NODE_EVENTS')?.messages ?? [];
  const kept = messages.filter(({ subject }) => !/node-[01]\.registered/.test(subject));
  messages.splice(0, messages.length, ...kept);
  const before = fixture.announced();
  await fixture.kill();
  await fixture.start();
  await fixture.clock.advance(1_000);
  assert.deepEqual(fixture.announced(), before);
});
