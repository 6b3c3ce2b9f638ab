// Tests that heartbeats which count without a look at the record are those that would count with one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHeartbeat } from '../../../agent/protocol/heartbeat.ts';
import type { Membership, NodeState } from '../../../agent/protocol/node-state.ts';
import { defaultHeartbeatTopic } from '../../../agent/protocol/subjects.ts';
import { subscribeToHeartbeats } from '../../../agent/requester/health/heartbeats.ts';
import { newCounters } from '../../../agent/requester/status/counters.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { record, requesterNode } from '../samples.ts';
import { begin as beginWatch } from './watch-fixture.ts';

const ids = ['node-1', 'node-2'];
const sessions = [undefined, 's-1', 's-2'];

/** Makes a watch and what receives heartbeats. Without `isDirect`, each heartbeat is compared with the record. */
function begin(isDirect: boolean) {
  const { clock, broker, watch, announced } = beginWatch({});
  const counters = newCounters();
  const records = new Map<string, NodeState>();
  const heard: string[] = [];
  const looks: string[] = [];
  subscribeToHeartbeats({
    connection: broker.connect(),
    clock,
    log: silentLog,
    topic: defaultHeartbeatTopic,
    hasUnverified: false,
    isShared: false,
    counters,
    records: {
      get(id) {
        looks.push(id);
        return records.get(id);
      },
    },
    health: {
      markUsual: heard => isDirect && watch.markUsual(heard),
      markHeard: (...args) => isDirect && watch.markHeard(...args),
      markAlive: (...args) => watch.markAlive(...args),
    },
    waiting: { markHeard: id => void heard.push(id) },
    conflicts: { onOtherSession: (_, { session }) => void heard.push(`other ${session}`) },
  });
  const node = broker.connect();
  let sequence = 0;
  return {
    clock,
    looks,
    set(id: string, state: NodeState | undefined) {
      if (!state) {
        if (records.delete(id)) watch.onRemoved(id);
        return;
      }
      records.set(id, state);
      watch.onRecord(id, state);
    },
    async beat(id: string, session: string | undefined) {
      const message = { NodeID: id, Sequence: ++sequence };
      node.publish(
        defaultHeartbeatTopic.replace('{nodeId}', id),
        encodeHeartbeat(message, session, clock.now()),
      );
      await clock.settle();
    },
    seen: () => ({
      counters,
      heard,
      announced,
      health: ids.map(id => [watch.health(id), watch.liveness(id)?.sequence, watch.silenceMs(id)]),
    }),
  };
}

const id = fc.constantFrom(...ids);
const session = fc.constantFrom(...sessions);
const membership = fc.constantFrom<Membership>('PENDING', 'APPROVED', 'REJECTED');
const step = fc.oneof(
  fc.record({ kind: fc.constant('record' as const), id, session, membership }),
  fc.record({ kind: fc.constant('requester' as const), id }),
  fc.record({ kind: fc.constant('removed' as const), id }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('beat' as const), id, session }) },
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 50_000 }) }),
);

test('the same heartbeats count, whatever became of the records before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
      const both = [begin(true), begin(false)];
      for (const each of both)
        for (const next of steps) {
          if (next.kind === 'wait') await each.clock.advance(next.ms);
          else if (next.kind === 'beat') await each.beat(next.id, next.session);
          else if (next.kind === 'removed') each.set(next.id, undefined);
          else if (next.kind === 'requester')
            each.set(next.id, record(next.id, 'APPROVED', { Info: requesterNode(next.id) }));
          else {
            const Muster = next.session === undefined ? {} : { Session: next.session };
            each.set(next.id, record(next.id, next.membership, { Muster }));
          }
        }
      const [direct, plain] = both;
      assert.deepEqual(direct?.seen(), plain?.seen());
    }),
    { numRuns: 300 },
  );
});

test('a heartbeat of an approved node costs no look at its record', async () => {
  const { set, beat, looks } = begin(true);
  set('node-1', record('node-1', 'APPROVED', { Muster: { Session: 's-1' } }));
  await beat('node-1', 's-1');
  assert.deepEqual(looks, []);
  await beat('node-1', 's-2');
  assert.deepEqual(looks, ['node-1']);
});
