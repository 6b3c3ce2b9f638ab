// Tests that the membership history knows the same whether it reads each event or only those that somebody asks for.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cloudEvent } from '../../../agent/protocol/events.ts';
import { type RecordedChange, recordedChangeKinds } from '../../../agent/protocol/node-state.ts';
import { AnnouncedMemberships } from '../../../agent/requester/events/announced-memberships.ts';
import { changeEvent, digestOf } from '../../../agent/requester/events/change-event.ts';
import { readMembershipEvent } from '../../../agent/requester/events/membership-event.ts';
import { MembershipHistory } from '../../../agent/requester/events/membership-history.ts';
import { at } from '../samples.ts';

interface Stored {
  node: string;
  kind: RecordedChange['Kind'];
  text: string;
}

const memberships = ['PENDING', 'APPROVED', 'REJECTED', ''] as const;
const change = fc.record({
  Kind: fc.constantFrom(...recordedChangeKinds),
  Revision: fc.nat(50),
  Store: fc.constantFrom('s1', 's2'),
  At: fc.constantFrom(at, '2026-01-02T00:00:00Z', 'yesterday'),
  Previous: fc.constantFrom(...memberships),
  Current: fc.constantFrom(...memberships),
  Reason: fc.constantFrom('', 'ours', 'é'.repeat(100)),
  Actor: fc.constantFrom('', 'ann'),
});
const node = fc.constantFrom('node-1', 'node-2', 'node-3');
/** The event of a change, as muster publishes it, or with the members in another order, or cut off, or under a false id. */
const stored = fc
  .record({
    node,
    change,
    source: fc.constantFrom('/muster/c/r', '/muster/c/node-1'),
    form: fc.constantFrom('usual', 'usual', 'usual', 'reversed', 'cut off', 'of another node'),
  })
  .map(({ node, change, source, form }): Stored => {
    const { kind, id, time, data } = changeEvent(form === 'of another node' ? `${node}0` : node, change);
    const event = cloudEvent(kind, id, source, time, data);
    const whole = JSON.stringify(
      form === 'reversed' ? Object.fromEntries(Object.entries(event).toReversed()) : event,
    );
    return { node, kind, text: form === 'cut off' ? whole.slice(0, -1) : whole };
  });

const room = fc.constantFrom(
  undefined,
  { blockBytes: 1_000, maxBlocks: 1 },
  { blockBytes: 1_000, maxBlocks: 3 },
);

describe('the membership history', () => {
  test('knows the same as if it read each event when it came', () => {
    fc.assert(
      fc.property(fc.array(stored, { maxLength: 20 }), room, (messages, room) => {
        const history = new MembershipHistory(room);
        const expected = new AnnouncedMemberships();
        const digests = new Set<string>();
        for (const { node, kind, text } of messages) {
          const bytes = Buffer.from(text);
          history.add(node, kind, bytes);
          // The chunk from the broker is used for something else later.
          const event = readMembershipEvent(node, kind, Buffer.from(text));
          bytes.fill(0);
          if (!event) continue;
          expected.add(node, event);
          digests.add(digestOf(event));
          assert.ok(history.newestRevision(event.incarnation ?? '') >= event.revision);
          assert.ok(history.has(node, event));
          assert.equal(history.has(node, { ...event, time: '2025-01-01T00:00:00Z' }), false);
        }
        assert.deepEqual(history.readMemberships().nodes, expected.nodes);
        for (const { node, kind, text } of messages) {
          const event = readMembershipEvent(node, kind, Buffer.from(text));
          if (event) assert.equal(history.has(node, event), digests.has(digestOf(event)));
        }
      }),
    );
  });

  test('knows the event of a change that an earlier version kept under a later revision', () => {
    const history = new MembershipHistory();
    const cordoned = { Kind: 'cordoned', Revision: 18, Store: 's1', At: at, Reason: 'kernel' } as const;
    const asChange = { ...cordoned, Previous: 'APPROVED', Current: 'APPROVED' } as const;
    const { kind, id, time, data } = changeEvent('node-1', asChange);
    history.add('node-1', kind, Buffer.from(JSON.stringify(cloudEvent(kind, id, '/muster/c/r', time, data))));
    const has = (more: Partial<RecordedChange>) =>
      history.has('node-1', changeEvent('node-1', { ...asChange, ...more }));
    assert.deepEqual(
      [has({}), has({ Revision: 19 }), has({ Revision: 19, Kept: true })],
      [true, false, true],
    );
    assert.equal(has({ Revision: 19, Kept: true, Reason: 'another' }), false);
  });

  test('takes no message that is larger than any event', () => {
    const history = new MembershipHistory();
    const data = { node: 'node-1', previous: {}, current: {}, reason: 'x'.repeat(70_000) };
    const event = { kind: 'deleted', id: 'node-1:s1:7', time: at, data } as const;
    history.add('node-1', 'deleted', Buffer.from(JSON.stringify({ ...event, specversion: '1.0' })));
    assert.equal(history.has('node-1', event), false);
    assert.equal(history.newestRevision('s1'), 0);
    assert.equal(history.readMemberships().nodes.size, 0);
  });
});
