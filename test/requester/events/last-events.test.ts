// The id of a health event follows from the node's event before it, and never comes twice.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { conditionKinds, healthKinds, membershipKinds } from '../../../agent/protocol/events.ts';
import { eventSubject } from '../../../agent/protocol/subjects.ts';
import { readEventHistory } from '../../../agent/requester/events/event-history.ts';
import { healthAfter, LastEvents } from '../../../agent/requester/events/last-events.ts';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

const openStream = async (broker: FakeBroker) => (await broker.connect().storage()).stream(eventStreamConfig);

describe('the id of the next health event', () => {
  test('is the same for who announced and for who reads the events, whatever else is in the stream', async () => {
    const stream = await openStream(new FakeBroker(new FakeClock()));
    const { created } = await stream.fill();
    const own = new LastEvents(created);
    const publish = async (node: string, kind: 'registered' | 'healthy' | 'conflict') => {
      const id = `${node}:${kind}:${Math.random()}`;
      const { sequence } = await stream.publish(eventSubject(node, kind), '{}', id);
      own.add(node, kind, sequence);
    };
    await publish('n', 'registered');
    await publish('m', 'registered');
    await publish('n', 'healthy');
    await publish('m', 'conflict');
    const read = (await readEventHistory(stream)).last;
    for (const node of ['n', 'm', 'unknown'])
      assert.deepEqual(
        [read.nextId(node, 'life1'), read.health(node)],
        [own.nextId(node, 'life1'), own.health(node)],
      );
    assert.deepEqual(
      ['n', 'm'].map(node => own.health(node)),
      ['HEALTHY', 'UNKNOWN'],
    );
    assert.notEqual(own.nextId('n', 'life1'), own.nextId('n', 'life2'), 'it names the life of the store');
    assert.match(own.nextId('n', 'life1'), /^n:life1:[a-z0-9]+-3$/);
    assert.match(own.nextId('m', 'life1'), /-2$/, 'a conflict does not count');
  });

  test('never comes twice, also when older events were removed, or the stream was lost', async () => {
    const step = fc.constantFrom('healthy', 'approved', 'read', 'trim', 'trim', 'lose');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(step, fc.constantFrom('n', 'm')), { size: 'max', maxLength: 60 }),
        async steps => {
          const broker = new FakeBroker(new FakeClock());
          const stream = await openStream(broker);
          let last = (await readEventHistory(stream)).last;
          const ids: string[] = [];
          for (const [what, node] of steps) {
            if (what === 'healthy' || what === 'approved') {
              const id = what === 'healthy' ? last.nextId(node, 'life1') : `${node}:${Math.random()}`;
              ids.push(id);
              const { sequence } = await stream.publish(eventSubject(node, what), '{}', id);
              last.add(node, what, sequence);
            } else if (what === 'trim') {
              const { lastSequence } = await stream.fill();
              for (const kind of healthKinds)
                await stream.removeBefore(eventSubject('*', kind), lastSequence);
            } else {
              if (what === 'lose') {
                broker.wipe();
                broker.start();
              }
              last = (await readEventHistory(stream)).last;
            }
          }
          assert.deepEqual(ids, [...new Set(ids)]);
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('a history is not read from a server that has not got the newest mark', async () => {
  const stream = await openStream(new FakeBroker(new FakeClock()));
  const { sequence } = await stream.publish('muster.watch', '{}', 'mark');
  await readEventHistory(stream, sequence);
  await assert.rejects(readEventHistory(stream, sequence + 1), { fault: 'timeout' });
});

test('health and id follow from the events of the node, however they come', () => {
  const kinds = [...membershipKinds, ...healthKinds, ...conditionKinds, 'conflict'] as const;
  const event = fc.tuple(
    fc.constantFrom('n', 'm'),
    fc.constantFrom(...kinds),
    fc.integer({ min: 1, max: 2 ** 40 }),
  );
  fc.assert(
    fc.property(fc.array(event), events => {
      const last = new LastEvents('1970-01-01T00:00:00Z');
      let sequence = 0;
      const newest = new Map<string, number>();
      const healths = new Map<string, string>();
      for (const [node, kind, more] of events) {
        sequence += more;
        last.add(node, kind, sequence);
        if (kind === 'conflict') continue;
        newest.set(node, kind === 'deleted' || kind === 'expired' ? 0 : sequence);
        healths.set(node, healthAfter[kind] ?? healths.get(node) ?? 'UNKNOWN');
      }
      for (const node of ['n', 'm', 'other']) {
        assert.equal(last.health(node), healths.get(node) ?? 'UNKNOWN');
        assert.equal(last.nextId(node, 'life'), `${node}:life:0-${newest.get(node) ?? 0}`);
      }
    }),
  );
});
