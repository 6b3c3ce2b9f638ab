// Tests the event history: the newest revisions and the last health that were announced of each node.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cloudEvent, type EventKind } from '../../../agent/protocol/events.ts';
import type { RecordedChange } from '../../../agent/protocol/node-state.ts';
import { readEventHistory, unannouncedChanges } from '../../../agent/requester/events/event-history.ts';
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

test('an empty stream has no history', async () => {
  const { stream } = await begin();
  const history = await readEventHistory(stream);
  assert.deepEqual(history.revisions('node-1'), []);
  assert.equal(history.health('node-1'), 'UNKNOWN');
});

test('the newest revision of each kind counts, whatever events came after it', async () => {
  const { stream, publish } = await begin();
  await publish('node-1', 'registered', 'node-1:3');
  await publish('node-1', 'updated', 'node-1:4');
  await publish('node-1', 'approved', 'node-1:20');
  await publish('node-1', 'updated', 'node-1:9');
  await publish('node-1', 'healthy', 'node-1:i-1:999');
  await publish('node-1', 'conflict', 'node-1:i-1:1000');
  await publish('node-10', 'registered', 'node-10:500');
  const history = await readEventHistory(stream);
  assert.deepEqual(history.revisions('node-1'), [3, 20, 9]);
  assert.deepEqual(history.revisions('node-10'), [500]);
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
    '{"id":"node-2:999"}',
    `{"id":"${'x'.repeat(600)}:1"}`,
    `${'['.repeat(100)}${']'.repeat(100)}`,
    'x'.repeat(70_000),
  ];
  for (const [index, text] of odd.entries()) broker.inject(`node.events.node-1.odd${index}`, text);
  broker.inject('node.events.node-1.updated', Uint8Array.of(0xff, 0x00));
  for (const kind of ['constructor', 'toString', '__proto__'])
    broker.inject(`node.events.node-1.${kind}`, '{}');
  const history = await readEventHistory(stream);
  assert.deepEqual(history.revisions('node-1'), [20]);
  assert.deepEqual(history.revisions('node-2'), []);
  assert.equal(history.health('node-1'), 'UNKNOWN');
});

test('a store that does not answer is an error and not an empty history', async () => {
  const { broker, stream } = await begin();
  broker.failNext('last', { fault: 'disconnected' });
  await assert.rejects(readEventHistory(stream), { name: 'BrokerError' });
});

test('unannounced changes come after the newest announced revision and are younger than the events in the stream', () => {
  const now = new Date('2026-03-01T00:00:00Z');
  const change = (Revision: number, At: string): RecordedChange => ({
    Kind: 'updated',
    Revision,
    At,
    Previous: 'PENDING',
    Current: 'PENDING',
  });
  const changes = [
    change(1, '2026-02-28T00:00:00Z'),
    change(2, '2026-02-28T00:00:00Z'),
    change(3, '2026-01-31T00:00:00Z'),
    change(4, '2026-01-31T00:00:00.001Z'),
    change(5, '2026-02-28T00:00:00Z'),
  ];
  assert.deepEqual(
    unannouncedChanges(changes, [1], now).map(({ Revision }) => Revision),
    [2, 4, 5],
  );
  assert.deepEqual(unannouncedChanges(changes, [1, 5], now), []);
  assert.deepEqual(unannouncedChanges([], [], now), []);
});

test('an announced revision that the record does not have is ignored, because it comes from another store', () => {
  const change: RecordedChange = {
    Kind: 'updated',
    Revision: 3,
    At: at,
    Previous: 'PENDING',
    Current: 'PENDING',
  };
  assert.deepEqual(unannouncedChanges([change], [3, 4], new Date(at)), []);
  assert.deepEqual(unannouncedChanges([change], [2, 4], new Date(at)), [change]);
});
