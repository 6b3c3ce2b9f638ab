// Tests that following events shows each of them once, and that a forged event hides no other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvent } from '../../agent/api/answers.ts';
import { followEvents } from '../../agent/api/event-feed.ts';
import { cloudEvent } from '../../agent/protocol/events.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { steadyRandom } from '../support/steady-random.ts';

test('an event that was read twice is shown once, and one with the id of another is shown too', async () => {
  const at = '2026-01-01T00:00:00.000Z';
  const event = (kind: 'approved' | 'rejected') =>
    readEvent(
      cloudEvent(kind, 'node-1:s1:7', '/muster/c/r', at, { node: 'node-1', previous: {}, current: {} }),
    );
  const api = {
    async *events() {
      for (const kind of ['approved', 'rejected', 'approved', 'rejected'] as const) yield event(kind);
      throw new Error('the end');
    },
  };
  const unused = () => undefined;
  const shown: string[] = [];
  const following = followEvents(
    api,
    {},
    {
      clock: new FakeClock(),
      random: steadyRandom(),
      onOpen: unused,
      onUnreadable: unused,
      onLost: unused,
      onBack: unused,
    },
  );
  await assert.rejects(async () => {
    for await (const { type } of following) shown.push(type);
  }, /the end/);
  assert.deepEqual(shown, ['org.muster.node.approved', 'org.muster.node.rejected']);
});
