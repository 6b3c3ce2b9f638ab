// Events are CloudEvents 1.0. The id of a membership event names the revision of the store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  cloudEvent,
  type EventData,
  eventSource,
  healthKinds,
  membershipKinds,
  parseRevisionEventId,
  revisionEventId,
} from '../../agent/protocol/events.ts';
import { recordedChangeKinds } from '../../agent/protocol/node-state.ts';
import { nodeIds } from '../support/messages.ts';

test('an event has every member that CloudEvents requires', () => {
  const data: EventData = {
    node: 'n-1',
    previous: { membership: 'PENDING' },
    current: { membership: 'APPROVED' },
    reason: 'known',
    actor: 'ops',
  };
  const time = '2026-11-24T06:48:30.106Z';
  const source = eventSource('c-1', 'node-0');
  assert.deepEqual(cloudEvent('approved', 'n-1:7', source, time, data), {
    specversion: '1.0',
    id: 'n-1:7',
    source: '/muster/c-1/node-0',
    type: 'org.muster.node.approved',
    subject: 'n-1',
    time,
    datacontenttype: 'application/json',
    data,
  });
});

test('the id of a membership event names the node, the incarnation of the store and the revision', () => {
  const incarnations = fc.option(fc.stringMatching(/^[a-z0-9]{1,16}$/), { nil: undefined });
  fc.assert(
    fc.property(nodeIds, fc.maxSafeNat(), incarnations, (node, revision, incarnation) => {
      const id = revisionEventId(node, revision, incarnation);
      assert.equal(id, incarnation ? `${node}:${incarnation}:${revision}` : `${node}:${revision}`);
      assert.deepEqual(parseRevisionEventId(id), { node, incarnation, revision });
    }),
  );
});

test('the id of a health event, or of any other, names no revision', () => {
  const others = [
    '',
    ':',
    ':7',
    'n-1',
    'n-1:',
    'n-1:x',
    'n-1:-7',
    'n-1:7:',
    'n-1: 7',
    'n-1:7\n',
    'n 1:7',
    'n-1:7.5',
  ];
  for (const id of [...others, 'n-1:0b9c-1:7', `n-1:${'9'.repeat(17)}`, `${'n'.repeat(129)}:7`])
    assert.equal(parseRevisionEventId(id), undefined, id);
  fc.assert(
    fc.property(nodeIds, fc.uuid(), fc.nat(), (node, instance, number) => {
      assert.equal(parseRevisionEventId(`${node}:${instance}:${number}`), undefined);
    }),
  );
});

test('subscribers may rely on these kinds, and every change of a record has an event', () => {
  assert.deepEqual(membershipKinds, [
    'registered',
    'approved',
    'rejected',
    'deleted',
    'expired',
    'updated',
    'rekeyed',
    'cordoned',
    'uncordoned',
    'drained',
    'undeleted',
    'labelled',
    'renamed',
  ]);
  assert.deepEqual(healthKinds, ['healthy', 'unhealthy', 'unknown', 'left']);
  assert.deepEqual(recordedChangeKinds, membershipKinds);
});
