// Tests which membership the events announce for each node. On a NATS of your own, others may have published them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EventData } from '../../../agent/protocol/events.ts';
import { type Membership, recordedChangeKinds } from '../../../agent/protocol/node-state.ts';
import { AnnouncedMemberships } from '../../../agent/requester/events/announced-memberships.ts';
import type { MembershipEvent } from '../../../agent/requester/events/membership-event.ts';
import { at } from '../samples.ts';

let revision = 0;
const event = (
  kind: MembershipEvent['kind'],
  membership: Membership | undefined,
  more: Partial<MembershipEvent & EventData> = {},
): MembershipEvent => ({
  kind,
  incarnation: 'i1',
  revision: ++revision,
  source: more.source ?? '/muster/c-1/node-0',
  time: more.time ?? at,
  data: {
    node: 'node-1',
    previous: {},
    current: membership ? { membership } : {},
    ...(more.reason ? { reason: more.reason } : {}),
    ...(more.actor ? { actor: more.actor } : {}),
  },
});

/** Returns what is known of node-1 after these events. */
function after(...events: MembershipEvent[]) {
  const memberships = new AnnouncedMemberships();
  for (const each of events) memberships.add('node-1', each);
  return memberships.nodes.get('node-1');
}

test('the newest event says the membership, and the decision before it says why', () => {
  const approved = event('approved', 'APPROVED', { reason: 'ours', actor: 'ann' });
  const updated = event('updated', 'APPROVED', { actor: 'node-1', time: '2026-01-02T00:00:00Z' });
  const known = after(event('registered', 'PENDING'), approved, updated);
  const write = { incarnation: 'i1', revision: updated.revision, at: '2026-01-02T00:00:00Z' };
  assert.deepEqual(known, {
    membership: 'APPROVED',
    kind: 'approved',
    reason: 'ours',
    actor: 'ann',
    at,
    write,
  });
  assert.equal(after(approved, event('rejected', 'REJECTED'))?.membership, 'REJECTED');
  assert.equal(after(approved, event('deleted', undefined))?.membership, '');
  assert.deepEqual(
    [after(updated)?.kind, after(updated)?.actor],
    ['updated', ''],
    'the decision is no longer stored',
  );
});

test('a node that gave way has no membership, and needs no text that says why', () => {
  const expired = event('expired', undefined, { reason: 'gave way', actor: 'node-0' });
  const known = after(event('approved', 'APPROVED', { reason: 'ours' }), expired);
  const write = { incarnation: 'i1', revision: expired.revision, at };
  assert.deepEqual(known, { membership: '', kind: 'expired', reason: '', actor: '', at, write });
});

test('no membership is collected of a requester', () => {
  assert.equal(after(event('registered', 'APPROVED', { source: '/muster/c-1/node-1' })), undefined);
});

test('an event that no requester can have published is ignored', () => {
  const forged = [
    event('approved', 'REJECTED'),
    event('rejected', undefined),
    event('updated', undefined),
    event('approved', 'APPROVED', { time: 'yesterday' }),
  ];
  for (const each of forged) assert.equal(after(each), undefined);
});

test('whatever an event contains, texts stay within their limits and nothing throws', () => {
  const value = fc.oneof(fc.anything(), fc.constantFrom('APPROVED', 'REJECTED', 'PENDING'));
  fc.assert(
    fc.property(
      fc.constantFrom(...recordedChangeKinds),
      fc.oneof(value, fc.record({ membership: value })),
      fc.anything(),
      fc.string({ maxLength: 3_000, size: 'max' }),
      (kind, current, actor, reason) => {
        const data = { node: 'node-1', previous: {}, current, actor, reason } as unknown as EventData;
        const known = after({ ...event(kind, undefined), data });
        if (!known) return;
        assert.ok(['APPROVED', 'REJECTED', 'PENDING', ''].includes(known.membership));
        assert.ok(
          typeof known.actor === 'string' && known.actor.length <= 256 && known.reason.length <= 1024,
        );
      },
    ),
  );
});
