// Tests which heartbeats from the broker count, and which are ignored without creating any state.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../agent/protocol/error.ts';
import { encodeHeartbeat, encodePlainHeartbeat, heartbeatOf } from '../../../agent/protocol/heartbeat.ts';
import type { NodeState } from '../../../agent/protocol/node-state.ts';
import { defaultHeartbeatTopic } from '../../../agent/protocol/subjects.ts';
import type { UsualHeartbeat } from '../../../agent/protocol/usual-heartbeat.ts';
import { subscribeToHeartbeats } from '../../../agent/requester/health/heartbeats.ts';
import { newCounters } from '../../../agent/requester/status/counters.ts';
import { capture, envelopeOf } from '../../support/captures.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { record, requesterNode } from '../samples.ts';

const heardId = (heard: UsualHeartbeat) => heartbeatOf(heard).NodeID;

function begin(topic = defaultHeartbeatTopic, among: { hasUnverified?: boolean; isShared?: boolean } = {}) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const { log, lines } = recordLog();
  const counters = newCounters();
  const records = new Map<string, NodeState>([
    ['node-0', record('node-0', 'APPROVED', { Info: requesterNode() })],
    ['node-1', record('node-1', 'PENDING', { Muster: { Session: 's-1' } })],
    ['node-2', record('node-2', 'REJECTED', { Muster: { Session: 's-2' } })],
    ['bacalhau-1', record('bacalhau-1', 'APPROVED')],
  ]);
  const calls: string[] = [];
  /** The nodes whose heartbeats are noted by their bytes. */
  const usual = new Set<string>();
  /** The PENDING nodes that were heard. */
  const heard: string[] = [];
  const subscription = subscribeToHeartbeats({
    connection: broker.connect(),
    clock,
    log,
    topic,
    hasUnverified: false,
    isShared: false,
    ...among,
    counters,
    records,
    health: {
      markUsual: heard => {
        if (usual.has(heardId(heard))) calls.push(`usual ${heardId(heard)} ${heard.sequence}`);
        return usual.has(heardId(heard));
      },
      markHeard: () => false,
      markAlive: (id, sequence) => void calls.push(`${id} ${sequence}`),
    },
    waiting: { markHeard: id => void heard.push(id) },
    conflicts: { onOtherSession: ({ Info }) => void calls.push(`other session ${Info.NodeID}`) },
  });
  const node = broker.connect();
  const send = async (subject: string, data: Uint8Array | string) => {
    node.publish(subject, data);
    await clock.settle();
  };
  const beat = (id: string, session?: string, number = 1) => {
    const message = { NodeID: id, Sequence: number };
    return topic.includes('{nodeId}')
      ? send(topic.replace('{nodeId}', id), encodeHeartbeat(message, session, clock.now()))
      : send(topic, encodePlainHeartbeat(message));
  };
  return { clock, broker, records, counters, lines, calls, usual, heard, subscription, send, beat };
}

const subjectOf = (id: string) => defaultHeartbeatTopic.replace('{nodeId}', id);

describe('a heartbeat', () => {
  test("of the record's session counts, whatever the membership is", async () => {
    const { beat, calls, heard, counters, lines } = begin();
    await beat('node-1', 's-1', 7);
    await beat('node-2', 's-2', 8);
    await beat('bacalhau-1', undefined, 9);
    assert.deepEqual(calls, ['node-1 7', 'node-2 8', 'bacalhau-1 9']);
    assert.deepEqual(heard, ['node-1']);
    assert.equal(counters.heartbeats, 3);
    assert.deepEqual(lines, []);
  });

  test('of a Bacalhau node counts on the topics of all its releases, where such nodes are let in', async () => {
    const plain = encodePlainHeartbeat({ NodeID: 'bacalhau-1', Sequence: 1 });
    const shared = begin(defaultHeartbeatTopic, { isShared: true });
    await shared.send('heartbeat', plain);
    const unverified = begin('own.{nodeId}.topic', { hasUnverified: true });
    await unverified.send('unverified.heartbeat', plain);
    const enveloped = encodeHeartbeat({ NodeID: 'bacalhau-1', Sequence: 2 }, undefined, shared.clock.now());
    await unverified.send(`unverified.${subjectOf('bacalhau-1')}`, enveloped);
    const keyed = begin();
    await keyed.send('heartbeat', plain);
    const apart = begin('own.{nodeId}.topic', { isShared: true });
    await apart.send('heartbeat', plain);
    assert.deepEqual(apart.calls, [], 'on a shared NATS, a topic of its own keeps others out');
    assert.deepEqual(
      [shared.calls, unverified.calls, keyed.calls],
      [['bacalhau-1 1'], ['bacalhau-1 1', 'bacalhau-1 2'], []],
    );
    // An agent of muster names its session there, or does not count.
    await shared.send('heartbeat', encodePlainHeartbeat({ NodeID: 'node-1', Sequence: 1 }));
    assert.deepEqual(shared.calls, ['bacalhau-1 1', 'other session node-1']);
  });

  test("counts as a Bacalhau node sends it, and in plain JSON on the node's subject", async () => {
    const { records, calls, send } = begin();
    const { subject, bytes } = capture('bprotocol/heartbeat');
    const id = subject.split('.')[3] ?? '';
    records.set(id, record(id, 'APPROVED'));
    await send(subject, bytes);
    await send(subject, `{"NodeID":"${id}","Sequence":2}`);
    assert.deepEqual(calls, [`${id} 1`, `${id} 2`]);
  });

  test('is noted by its bytes where it comes on the subject of its node, from a sender with a key', async () => {
    const shared = begin(defaultHeartbeatTopic, { isShared: true });
    const { usual, calls, counters, send, beat } = shared;
    for (const id of ['node-1', 'bacalhau-1']) usual.add(id);
    await beat('node-1', 's-1', 3);
    await beat('bacalhau-1', undefined, 4);
    const enveloped = encodeHeartbeat({ NodeID: 'node-1', Sequence: 5 }, 's-1', shared.clock.now());
    await send('heartbeat', enveloped);
    for (const other of ['node-2', 'node-', 'node-11', 'xode-1', 'node-\u00b1'])
      await send(subjectOf(other), enveloped);
    assert.deepEqual(calls, ['usual node-1 3', 'usual bacalhau-1 4', 'usual node-1 5']);
    assert.equal(counters.heartbeats, 8);
    assert.equal(counters.heartbeatsMalformed, 5);
    const unverified = begin('own.{nodeId}.topic', { hasUnverified: true });
    unverified.usual.add('bacalhau-1');
    const second = encodeHeartbeat({ NodeID: 'bacalhau-1', Sequence: 2 }, undefined, unverified.clock.now());
    await unverified.send(`unverified.${subjectOf('bacalhau-1')}`, second);
    assert.deepEqual(unverified.calls, ['bacalhau-1 2']);
  });

  test('of another session, or of none, is ignored, counted and passed to the conflict detector', async () => {
    const { beat, calls, counters, lines } = begin();
    await beat('node-1', 's-0');
    await beat('node-1');
    await beat('bacalhau-1', 's-9');
    assert.deepEqual(calls, ['other session node-1', 'other session node-1', 'other session bacalhau-1']);
    assert.equal(counters.heartbeatsOtherSession, 3);
    assert.equal(lines.length, 1);
  });

  test('of an unknown node, or of a requester, is ignored and counted', async () => {
    const { beat, calls, counters, lines, clock } = begin();
    for (let i = 0; i < 100; i++) await beat(`unknown-${i}`, 's-1');
    await beat('node-0');
    assert.deepEqual(calls, []);
    assert.equal(counters.heartbeatsUnknown, 101);
    assert.equal(lines.length, 1, 'all of them are logged once a minute');
    await clock.advance(60_000);
    await beat('unknown-0');
    assert.deepEqual(
      lines.map(({ fields }) => [fields.node, fields.suppressed]),
      [
        ['unknown-0', undefined],
        ['unknown-0', 100],
      ],
    );
  });

  test('on the subject of another node is ignored', async () => {
    const { send, calls, counters, clock } = begin();
    await send(subjectOf('node-2'), encodeHeartbeat({ NodeID: 'node-1', Sequence: 1 }, 's-1', clock.now()));
    assert.deepEqual(calls, []);
    assert.equal(counters.heartbeatsMalformed, 1);
  });
});

describe('a malformed message', () => {
  test('is counted and ignored, and logged once a minute', async () => {
    const { send, calls, counters, lines, clock } = begin();
    const type = (name: string) =>
      envelopeOf(
        JSON.stringify({
          metadata: { 'Bacalhau-PayloadEncoding': 'json', 'Bacalhau-Type': name },
          payload: { NodeID: 'node-1', Sequence: 1 },
        }),
      );
    const odd: (Uint8Array | string)[] = [
      '',
      'hello',
      '{}',
      '{"NodeID":"node-1"}x',
      '{"NodeID":"node-1","Sequence":-1}',
      '{"NodeID":"node-1","Sequence":1.5}',
      '{"NodeID":"a.b","Sequence":1}',
      '{"NodeID":7,"Sequence":1}',
      Uint8Array.of(1, 2, 3),
      Uint8Array.of(1, 0, 0, 0, 0, 0x7b),
      encodeHeartbeat({ NodeID: 'node-1', Sequence: 1 }, 's-1', clock.now()).subarray(0, -1),
      'x'.repeat(70_000),
      ...Array.from({ length: 200 }, (_, i) => type(`type-${i}`)),
    ];
    for (const bytes of odd) await send(subjectOf('node-1'), bytes);
    assert.deepEqual(calls, []);
    assert.equal(counters.heartbeatsMalformed, odd.length);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.fields.node, 'node-1');
    assert.ok(lines[0]?.fields.err instanceof ProtocolError);
  });

  test('of any bytes never ends the subscription', async () => {
    const { send, beat, calls } = begin();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), bytes => send(subjectOf('node-1'), bytes)),
    );
    await beat('node-1', 's-1', 5);
    assert.deepEqual(calls.at(-1), 'node-1 5');
  });
});

describe('the topic', () => {
  test('may be another one, with the node id at another place', async () => {
    const { beat, calls, send } = begin('beats.{nodeId}');
    await beat('node-1', 's-1', 3);
    await send(subjectOf('node-1'), 'x');
    assert.deepEqual(calls, ['node-1 3']);
  });

  test('without a place for the node id carries plain JSON, and heartbeats count without a session', async () => {
    const { beat, calls, counters } = begin('heartbeat');
    await beat('node-1', undefined, 3);
    await beat('bacalhau-1', undefined, 4);
    await beat('unknown');
    assert.deepEqual(calls, ['node-1 3', 'bacalhau-1 4']);
    assert.equal(counters.heartbeatsUnknown, 1);
  });

  test('without a place for the node id may carry an envelope, whose session must be the right one', async () => {
    const { send, calls, clock } = begin('heartbeat');
    const envelope = (session: string) =>
      encodeHeartbeat({ NodeID: 'node-1', Sequence: 1 }, session, clock.now());
    await send('heartbeat', envelope('s-1'));
    await send('heartbeat', envelope('s-0'));
    assert.deepEqual(calls, ['node-1 1', 'other session node-1']);
  });
});

test('after an unsubscribe no heartbeat is received', async () => {
  const { beat, calls, subscription } = begin();
  subscription.unsubscribe();
  await beat('node-1', 's-1');
  assert.deepEqual(calls, []);
});
