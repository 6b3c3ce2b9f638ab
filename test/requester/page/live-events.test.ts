// The events that come while pages are open: pages are told from where on they have all of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveEvents } from '../../../agent/requester/page/live-events.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { requesterNode } from '../samples.ts';

/** Lets what was answered be taken. */
const turn = () => new Promise(setImmediate);

function followed() {
  const clock = new FakeClock();
  const directory = new FakeDirectory(requesterNode());
  const events = new LiveEvents({
    clock,
    log: silentLog,
    follow: (...wish) => directory.follow(...wish),
  });
  return { clock, directory, events };
}

const told = (id: string) => ({ kind: 'event', json: JSON.stringify({ id, cursor: 'fake-0' }) });
const following = { kind: 'following' };

test('it is told once that events come, and then they come, each once', async () => {
  const { directory, events } = followed();
  assert.deepEqual(events.take(), []);
  await turn();
  assert.equal(events.isFollowing, false);
  assert.deepEqual(events.take(), [following]);
  assert.equal(events.isFollowing, true);
  directory.emit('n-1', '{"id":"a"}');
  directory.emit('n-1', 'no JSON');
  directory.emit('n-1', '{"id":"b"}');
  assert.deepEqual(events.take(), [told('a'), told('b')]);
  assert.deepEqual(events.take(), []);
  events.close();
  assert.equal(directory.followers.size, 0);
});

test('it is told anew when too many came at once, and those are left out', async () => {
  const { directory, events } = followed();
  events.take();
  await turn();
  events.take();
  for (let at = 0; at <= 1_000; at++) directory.emit('n-1', '{"id":"one of many"}');
  directory.emit('n-1', '{"id":"next"}');
  assert.equal(events.isFollowing, false);
  assert.deepEqual(events.take(), [following, told('next')]);
  for (let at = 0; at < 18; at++) directory.emit('n-1', JSON.stringify({ id: 'x'.repeat(60_000) }));
  assert.deepEqual(events.take(), [following]);
});

test('a stream that cannot be followed is asked for again after a while', async () => {
  const { clock, directory, events } = followed();
  directory.failure = new MusterError('unreachable', 'the broker does not answer');
  events.take();
  await turn();
  directory.failure = undefined;
  events.take();
  await turn();
  assert.equal(directory.followers.size, 0);
  await clock.advance(3_000);
  events.take();
  await turn();
  assert.deepEqual(events.take(), [following]);
});

test('what was asked for before the last page went is let go when it comes', async () => {
  const { directory, events } = followed();
  events.take();
  events.close();
  await turn();
  assert.equal(directory.followers.size, 0);
  assert.equal(events.isFollowing, false);
});
