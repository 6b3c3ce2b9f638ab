// Tests whether an event is found in the stream that was stored there before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventSubject } from '../../../agent/protocol/subjects.ts';
import { changeEvent } from '../../../agent/requester/events/change-event.ts';
import { isStored } from '../../../agent/requester/events/stored-event.ts';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

test('an event is found although the clock of the broker differs by a day from that of who made the change', async () => {
  const clock = new FakeClock(new Date('2026-06-01T00:00:00Z'));
  const connection = new FakeBroker(clock).connect();
  const stream = await (await connection.storage()).stream(eventStreamConfig);
  for (const [node, At] of [
    ['ahead', '2026-06-02T00:00:00Z'],
    ['behind', '2026-05-31T00:00:00Z'],
  ] as const) {
    const change = {
      Kind: 'approved',
      Revision: 3,
      At,
      Previous: 'PENDING',
      Current: 'APPROVED',
      Actor: 'ann',
    } as const;
    const event = changeEvent(node, change);
    assert.equal(await isStored(stream, node, event), false);
    await stream.publish(eventSubject(node, event.kind), JSON.stringify(event), event.id);
    assert.equal(await isStored(stream, node, event), true, node);
    const later = { ...change, Revision: 4 };
    assert.equal(await isStored(stream, node, changeEvent(node, later)), false, node);
    // Some earlier versions noted a later revision when they kept a change.
    assert.equal(await isStored(stream, node, changeEvent(node, { ...later, Kept: true })), true, node);
  }
});
