// Tests the event history: the newest revisions and the last health that were announced of each node.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cloudEvent, type EventKind } from '../../../agent/protocol/events.ts';
import type { RecordedChange } from '../../../agent/protocol/node-state.ts';
import { changeEvent, digestOf } from '../../../agent/requester/events/change-event.ts';
import {
  type EventHistory,
  isBefore,
  readEventHistory,
  unannouncedChanges,
} from '../../../agent/requester/events/event-history.ts';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { at } from '../samples.ts';

async function begin() {
  const broker = new FakeBroker(new FakeClock());
  const connection = broker.connect();
  const stream = await (await connection.storage()).stream(eventStreamConfig);
  const publish = (node: string, kind: EventKind, id: string) =>
    stream.publish(
      `node.events.${node}.${kind}`,
      JSON.stringify(cloudEvent(kind, id, '/muster/c/r', at, { node, previous: {}, current: {} })),
      id,
    );
  return { broker, connection, stream, publish };
}

/** Returns the id of each event in `ids`, written as `kind id`, of which the history says that it was announced. */
const announcedOf = (history: EventHistory, ...ids: string[]) =>
  ids.filter(text => {
    const [kind = '', id = ''] = text.split(' ');
    const [node = ''] = id.split(':');
    const data = { node, previous: {}, current: {} };
    return history.wasAnnounced(node, { kind: kind as RecordedChange['Kind'], id, time: at, data });
  });

test('an empty stream has no history', async () => {
  const { stream } = await begin();
  const history = await readEventHistory(stream);
  assert.deepEqual(announcedOf(history, 'registered node-1:1'), []);
  assert.equal(history.newestRevision('s1'), 0);
  assert.equal(history.health('node-1'), 'UNKNOWN');
});

test('the newest event of each kind counts, whatever events came after it', async () => {
  const { stream, publish } = await begin();
  await publish('node-1', 'registered', 'node-1:3');
  await publish('node-1', 'updated', 'node-1:s1:4');
  await publish('node-1', 'approved', 'node-1:s1:20');
  await publish('node-1', 'updated', 'node-1:s1:9');
  await publish('node-1', 'healthy', 'node-1:i-1:999');
  await publish('node-1', 'conflict', 'node-1:i-1:1000');
  await publish('node-10', 'registered', 'node-10:s2:500');
  const history = await readEventHistory(stream);
  const announced = [
    'registered node-1:3',
    'approved node-1:s1:20',
    'updated node-1:s1:9',
    'registered node-10:s2:500',
  ];
  const others = [
    'updated node-1:s1:4',
    'rejected node-1:s1:20',
    'approved node-1:s2:20',
    'registered node-10:s1:3',
  ];
  assert.deepEqual(announcedOf(history, ...announced, ...others), announced);
  assert.deepEqual(['s1', 's2', 's3'].map(history.newestRevision), [20, 500, 0]);
});

describe('the health announced last', () => {
  const rows: [EventKind[], string][] = [
    [['healthy'], 'HEALTHY'],
    [['healthy', 'unhealthy'], 'UNHEALTHY'],
    [['healthy', 'unhealthy', 'unknown'], 'UNKNOWN'],
    [['healthy', 'unhealthy', 'unknown', 'healthy'], 'HEALTHY'],
    [['healthy', 'left'], 'UNKNOWN'],
    [['left', 'healthy', 'approved', 'updated', 'rejected', 'conflict'], 'HEALTHY'],
    [['healthy', 'deleted'], 'UNKNOWN'],
    [['healthy', 'deleted', 'registered'], 'UNKNOWN'],
    [['healthy', 'registered'], 'UNKNOWN'],
    [['registered', 'healthy'], 'HEALTHY'],
  ];
  for (const [kinds, health] of rows) {
    test(`after ${kinds.join(', ')} is ${health}`, async () => {
      const { stream, publish } = await begin();
      for (const [index, kind] of kinds.entries()) {
        await publish('node-1', kind, `node-1:i-1:${index}`);
        await publish('node-2', 'healthy', `node-2:i-1:${index}`);
      }
      const history = await readEventHistory(stream);
      assert.equal(history.health('node-1'), health);
      assert.equal(history.health('node-2'), 'HEALTHY');
    });
  }
});

test('messages that are no events of ours are ignored', async () => {
  const { broker, stream, publish } = await begin();
  await publish('node-1', 'approved', 'node-1:20');
  const odd = [
    '',
    'hello',
    '{}',
    '[]',
    '{"id":7}',
    '{"id":"node-1"}',
    '{"id":"node-1:"}',
    '{"id":"node-1:-5"}',
    '{"id":"node-1:1e9"}',
    '{"id":"node-1:99999999999999999"}',
    `{"id":"node-2:999","time":"${at}","data":{}}`,
    `{"id":"node-1:999","time":"${at}","data":null}`,
    `{"id":"${'x'.repeat(600)}:1"}`,
    `${'['.repeat(100)}${']'.repeat(100)}`,
    'x'.repeat(70_000),
  ];
  for (const text of odd) broker.inject('node.events.node-1.updated', text);
  broker.inject('node.events.node-1.updated', Uint8Array.of(0xff, 0x00));
  for (const kind of ['constructor', 'toString', '__proto__'])
    broker.inject(`node.events.node-1.${kind}`, '{}');
  const history = await readEventHistory(stream);
  const ids = ['approved node-1:20', 'updated node-1:20', 'updated node-2:999', 'updated node-1:999'];
  assert.deepEqual(announcedOf(history, ...ids), ['approved node-1:20']);
  assert.equal(history.memberships.nodes.size, 0, 'the event of the approval names no membership');
  assert.equal(history.health('node-1'), 'UNKNOWN');
});

test('a store that does not answer is an error and not an empty history', async () => {
  const { broker, stream } = await begin();
  broker.failNext('last', { fault: 'disconnected' });
  await assert.rejects(readEventHistory(stream), { name: 'BrokerError' });
});

describe('unannounced changes', () => {
  const now = new Date('2026-03-01T00:00:00Z');
  const change = (Revision: number, more: Partial<RecordedChange> = {}): RecordedChange => ({
    Kind: 'updated',
    Revision,
    Store: 's1',
    At: '2026-02-28T00:00:00Z',
    Previous: 'PENDING',
    Current: 'PENDING',
    ...more,
  });
  const digests = (...changes: RecordedChange[]) =>
    changes.map(each => digestOf(changeEvent('node-1', each)));
  const revisions = (changes: RecordedChange[], announced: string[]) =>
    unannouncedChanges('node-1', changes, event => announced.includes(digestOf(event)), now).map(
      ({ Revision }) => Revision,
    );

  test('come after the newest announced one and are younger than the events in the stream', () => {
    const changes = [
      change(1),
      change(2),
      change(3, { At: '2026-01-31T00:00:00Z' }),
      change(4, { At: '2026-01-31T00:00:00.001Z' }),
      change(5),
    ];
    assert.deepEqual(revisions(changes, digests(change(1))), [2, 4, 5]);
    assert.deepEqual(revisions(changes, digests(change(1), change(5))), []);
    assert.deepEqual(revisions([], []), []);
  });

  test('are not those of an older record that came back: their node had newer events', () => {
    const newest = { incarnation: 's1', revision: 7, at: '2026-02-28T12:00:00Z' };
    const late = '2026-02-28T13:00:00Z';
    const cases: [RecordedChange, boolean][] = [
      [change(6), true],
      [change(7), false],
      [change(8), false],
      [change(6, { At: late }), true],
      [change(9, { Store: 's0' }), true],
      [change(9, { Store: 's0', At: late }), false],
      [change(1, { Store: 's2' }), false],
      [change(6, { Kept: true }), false],
    ];
    for (const [each, before] of cases)
      assert.equal(isBefore(each, newest, 's2'), before, JSON.stringify(each));
    assert.equal(isBefore(change(1), undefined, 's1'), false);
    const { Store: _, ...earlierVersion } = change(1);
    assert.equal(isBefore(earlierVersion, newest, 's2'), false);
  });

  test('are not announced by an event that only has the same id, or is of another life of the store', () => {
    const mine = change(3, { Reason: 'mine', Actor: 'ann' });
    assert.deepEqual(revisions([mine], digests(mine, change(4))), []);
    const others: Partial<RecordedChange>[] = [
      { Revision: 4 },
      { Store: 's2' },
      { Store: undefined },
      { Kind: 'approved' },
      { At: '2026-02-28T00:00:00.001Z' },
      { Previous: 'APPROVED' },
      { Current: 'REJECTED' },
      { Reason: 'theirs' },
      { Actor: 'eve' },
      { Coalesced: 1 },
    ];
    for (const other of others)
      assert.deepEqual(revisions([mine], digests({ ...mine, ...other })), [3], JSON.stringify(other));
  });

  test('of a cordon are not announced by an event that tells another end of it, or another drain', () => {
    const Until = '2026-02-28T02:00:00Z';
    const mine = change(3, { Kind: 'cordoned', Cordon: { Until, Drain: true, Deadline: Until } });
    assert.deepEqual(revisions([mine], digests(mine)), []);
    for (const Cordon of [
      undefined,
      {},
      { Until, Deadline: Until },
      { Until, Drain: true },
      { Until, Drain: true, Deadline: '2026-02-28T03:00:00Z' },
      { Until: '2026-02-28T03:00:00Z', Drain: true, Deadline: Until },
    ])
      assert.deepEqual(revisions([mine], digests({ ...mine, Cordon })), [3], JSON.stringify(Cordon));
  });

  test('that an earlier version kept are not announced by a later change of another kind', () => {
    const kept = [1, 2].map(revision => change(revision, { Kind: 'expired', Kept: true }));
    const all = [...kept, change(3)];
    assert.deepEqual(revisions(all, digests(change(3))), [1, 2]);
    assert.deepEqual(revisions(all, digests(change(3), ...kept.slice(1))), []);
  });

  test('of a record that names no incarnation have the ids of earlier versions', () => {
    const earlier = change(3, { Store: undefined });
    assert.equal(changeEvent('node-1', earlier).id, 'node-1:3');
    assert.deepEqual(revisions([earlier], digests(earlier)), []);
  });
});
