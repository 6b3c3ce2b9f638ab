// Tests the event publisher: the order for each node, the repetition until an event is acknowledged, and the ids.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CloudEvent, HealthKind } from '../../../agent/protocol/events.ts';
import type { RecordedChange } from '../../../agent/protocol/node-state.ts';
import { EventPublisher } from '../../../agent/requester/events/event-publisher.ts';
import { LastEvents } from '../../../agent/requester/events/last-events.ts';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import type { HealthChange } from '../../../agent/requester/health/health-announcements.ts';
import type { EventStream } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { at, counting } from '../samples.ts';

const change = (
  kind: RecordedChange['Kind'],
  revision: number,
  more: Partial<RecordedChange> = {},
): RecordedChange => ({
  Kind: kind,
  Revision: revision,
  At: at,
  Previous: 'PENDING',
  Current: 'APPROVED',
  ...more,
});

const health = (node: string, kind: HealthKind = 'healthy', rule = 'r'): HealthChange => ({
  node,
  kind,
  previous: 'UNKNOWN',
  current: 'HEALTHY',
  evidence: { rule },
});

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  const stream = await (await connection.storage()).stream(eventStreamConfig);
  const { log, lines } = recordLog();
  const events = new EventPublisher({
    clock,
    random: counting(),
    log,
    connection,
    clusterId: 'c-1',
    requesterId: 'node-0',
    instance: 'i-1',
    life: { find: async () => 'life1' },
    last: new LastEvents((await stream.fill()).created),
  });
  const stored = () => broker.streams.get('NODE_EVENTS')?.messages ?? [];
  const announced = (): CloudEvent[] => stored().map(({ data }) => JSON.parse(Buffer.from(data).toString()));
  const ids = () => announced().map(({ id }) => id);
  return { clock, broker, connection, stream, log, lines, events, stored, announced, ids };
}

test('a membership event is a CloudEvent whose subject has the node and kind, and whose id has the revision', async () => {
  const { clock, events, stream, stored, announced } = await begin();
  events.start(stream);
  events.announceChange('node-1', change('approved', 7, { Reason: 'mine', Actor: 'ann' }));
  await clock.settle();
  assert.deepEqual(
    stored().map(({ subject }) => subject),
    ['node.events.node-1.approved'],
  );
  assert.deepEqual(announced(), [
    {
      specversion: '1.0',
      id: 'node-1:7',
      source: '/muster/c-1/node-0',
      type: 'org.muster.node.approved',
      subject: 'node-1',
      time: at,
      datacontenttype: 'application/json',
      data: {
        node: 'node-1',
        previous: { membership: 'PENDING' },
        current: { membership: 'APPROVED' },
        reason: 'mine',
        actor: 'ann',
      },
    },
  ]);
});

test('the first event of a node has no previous membership, and the last has no current one', async () => {
  const { clock, events, stream, announced } = await begin();
  events.start(stream);
  events.announceChange('node-1', change('registered', 1, { Previous: '', Current: 'PENDING' }));
  events.announceChange('node-1', change('deleted', 2, { Previous: 'PENDING', Current: '' }));
  await clock.settle();
  assert.deepEqual(
    announced().map(({ data }) => [data.previous, data.current]),
    [
      [{}, { membership: 'PENDING' }],
      [{ membership: 'PENDING' }, {}],
    ],
  );
});

test('each health event has an id of its own and the time of the wall clock', async () => {
  const { clock, events, stream, announced, ids } = await begin();
  events.start(stream);
  events.announceHealth(health('node-1'));
  events.announceHealth(health('node-2'));
  events.announceHealth(health('node-1', 'unhealthy'));
  await clock.settle();
  assert.equal(new Set(ids()).size, 3);
  for (const { id, time } of announced()) {
    assert.match(id, /^node-[12]:life1:[a-z0-9]+-\d+$/);
    assert.equal(time, clock.now().toISOString());
  }
});

test('plain subscribers receive events too', async () => {
  const { clock, broker, events, stream } = await begin();
  const received: string[] = [];
  broker.connect().subscribe('node.events.>', ({ subject }) => void received.push(subject));
  events.start(stream);
  events.announceChange('node-1', change('approved', 7));
  await clock.settle();
  assert.deepEqual(received, ['node.events.node-1.approved']);
});

describe('an event that is not acknowledged', () => {
  test('waits for the start and is then sent in order', async () => {
    const { clock, events, stream, ids } = await begin();
    events.announceChange('node-1', change('registered', 1));
    events.announceChange('node-2', change('registered', 2));
    events.announceChange('node-1', change('approved', 3));
    await clock.settle();
    assert.deepEqual(ids(), []);
    assert.equal(events.waiting, 2);
    events.start(stream);
    await clock.settle();
    assert.deepEqual(
      ids().filter(id => id.startsWith('node-1')),
      ['node-1:1', 'node-1:3'],
    );
    assert.equal(ids().length, 3);
    assert.equal(events.waiting, 0);
  });

  for (const fault of ['timeout', 'no_responders', 'refused', 'disconnected'] as const) {
    for (const applied of [false, true]) {
      test(`is sent again after "${fault}"${applied ? ' that the broker took' : ''}, before any later one of its node`, async () => {
        const { clock, broker, events, stream, ids } = await begin();
        events.start(stream);
        for (let i = 0; i < 3; i++) broker.failNext('publish', { fault, applied });
        events.announceChange('node-1', change('registered', 1));
        events.announceChange('node-1', change('approved', 2));
        events.announceChange('node-2', change('registered', 3));
        await clock.advance(60_000);
        assert.deepEqual(
          ids().filter(id => id.startsWith('node-1')),
          ['node-1:1', 'node-1:2'],
        );
        assert.deepEqual(
          ids().filter(id => id.startsWith('node-2')),
          ['node-2:3'],
        );
        assert.equal(events.waiting, 0);
      });
    }
  }

  test('does not delay the events of other nodes', async () => {
    const { clock, broker, events, stream, ids } = await begin();
    events.start(stream);
    broker.storeFault = (_, key) => (key.includes('node-1') ? { fault: 'refused' } : undefined);
    events.announceChange('node-1', change('registered', 1));
    events.announceChange('node-2', change('registered', 2));
    await clock.advance(60_000);
    assert.deepEqual(ids(), ['node-2:2']);
    assert.equal(events.waiting, 1);
  });

  test('waits for a lost broker without a log line, and is sent when the broker is back', async () => {
    const { clock, broker, lines, events, stream, ids } = await begin();
    events.start(stream);
    broker.stop();
    events.announceChange('node-1', change('registered', 1));
    await clock.advance(3_600_000);
    broker.start();
    await clock.settle();
    assert.deepEqual(ids(), ['node-1:1']);
    assert.deepEqual(lines, []);
  });

  test('is logged at most once a minute when it fails', async () => {
    const { clock, broker, lines, events, stream } = await begin();
    events.start(stream);
    broker.storeFault = () => ({ fault: 'refused' });
    for (let i = 1; i <= 50; i++) events.announceChange(`node-${i}`, change('registered', i));
    await clock.advance(119_000);
    assert.equal(lines.length, 2);
    assert.ok(Number(lines[1]?.fields.suppressed) > 50);
  });

  test('counts as unacknowledged until it is acknowledged', async () => {
    const { clock, broker, events, stream } = await begin();
    events.start(stream);
    broker.failNext('publish', { fault: 'timeout' });
    events.announceChange('node-1', change('registered', 1));
    events.announceHealth(health('node-1'));
    events.announceChange('node-1', change('approved', 2));
    await clock.advance(1_000);
    assert.deepEqual(
      events.unacknowledgedChanges('node-1').map(({ Revision }) => Revision),
      [1, 2],
    );
    assert.deepEqual(events.unacknowledgedChanges('node-2'), []);
    await clock.advance(60_000);
    assert.deepEqual(events.unacknowledgedChanges('node-1'), []);
  });
});

describe('when many events of one node wait,', () => {
  test('its newest health events are kept, however many others wait', async () => {
    const { clock, broker, lines, events, stream, announced } = await begin();
    events.start(stream);
    broker.stop();
    for (let i = 1; i <= 100; i++) events.announceChange('node-1', change('updated', i));
    for (let i = 101; i <= 300; i++)
      events.announceHealth(health('node-1', i % 2 ? 'healthy' : 'unhealthy', String(i)));
    broker.start();
    await clock.settle();
    const rules = announced().flatMap(({ data }) => data.evidence?.rule ?? []);
    assert.deepEqual(
      rules,
      Array.from({ length: 63 }, (_, i) => String(238 + i)),
    );
    assert.equal(lines.filter(({ message }) => /health events were dropped/.test(message)).length, 1);
  });

  test('a record keeps only as many changes as fit into it, and older ones are joined with later ones', async () => {
    const memberships = ['PENDING', 'APPROVED', 'REJECTED'] as const;
    const kinds = ['updated', 'approved', 'rejected', 'deleted'] as const;
    const step = fc.oneof(
      fc.record({
        kind: fc.constantFrom(...kinds),
        to: fc.constantFrom(...memberships),
        reason: fc.constantFrom(0, 10, 1_024),
      }),
      fc.constant(undefined),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { size: 'max', maxLength: 400 }), async steps => {
        const { clock, broker, events, stream, announced } = await begin();
        events.start(stream);
        broker.stop();
        let membership: RecordedChange['Previous'] = 'PENDING';
        let revision = 0;
        let most = 0;
        let largest = 0;
        for (const each of steps) {
          if (each) {
            const { kind } = each;
            const to: RecordedChange['Current'] =
              kind === 'updated' ? membership : kind === 'deleted' ? '' : each.to;
            const Reason = '漢'.repeat(each.reason);
            const made = change(kind, ++revision, { Previous: membership, Current: to, Reason });
            events.announceChange('node-1', made);
            membership = to;
          } else events.announceHealth(health('node-1'));
          const waiting = events.unacknowledgedChanges('node-1');
          most = Math.max(most, waiting.length);
          if (waiting.length > 2)
            largest = Math.max(largest, Buffer.byteLength(JSON.stringify(waiting)) - 65);
        }
        assert.ok(most <= 63, `${most}`);
        assert.ok(largest <= 16 * 1024, `${largest} bytes`);
        const kept = events.unacknowledgedChanges('node-1');
        broker.start();
        await clock.settle();
        assert.equal(events.waiting, 0);
        const changes = announced().filter(({ type }) => !type.endsWith('healthy'));
        assert.deepEqual(
          changes.map(({ id }) => id),
          kept.map(({ Revision }) => `node-1:${Revision}`),
        );
        const after = (index: number) => (index < 0 ? 'PENDING' : changes[index]?.data.current.membership);
        for (const [index, { data }] of changes.entries())
          assert.equal(data.previous.membership, after(index - 1));
        assert.equal(
          changes.reduce((sum, { data }) => sum + 1 + (data.coalesced ?? 0), 0),
          revision,
        );
        assert.equal(kept.at(-1)?.Revision ?? 0, revision);
        assert.equal(after(changes.length - 1) ?? '', membership);
      }),
      { numRuns: 60 },
    );
  });

  test('changes of its information are joined before a change of its membership', async () => {
    const { clock, broker, lines, events, stream, announced } = await begin();
    events.start(stream);
    broker.stop();
    events.announceChange('node-1', change('updated', 1));
    events.announceChange('node-1', change('approved', 2));
    for (let i = 3; i <= 300; i++) events.announceChange('node-1', change('updated', i));
    broker.start();
    await clock.settle();
    assert.deepEqual(
      announced()
        .slice(0, 4)
        .map(({ id, data }) => [id, data.coalesced]),
      [
        ['node-1:1', undefined],
        ['node-1:2', undefined],
        ['node-1:240', 237],
        ['node-1:241', undefined],
      ],
    );
    assert.equal(lines.length, 1);
  });
});

test('events of ten thousand nodes are all sent, but not all at the same time', async () => {
  const { clock, broker, events, stream, ids } = await begin();
  let underWay = 0;
  let most = 0;
  const counted = {
    ...stream,
    publish: async (...args: Parameters<typeof stream.publish>) => {
      most = Math.max(most, ++underWay);
      await clock.settle();
      return stream.publish(...args).finally(() => underWay--);
    },
  };
  events.start(counted);
  broker.stop();
  for (let i = 1; i <= 10_000; i++) events.announceHealth(health(`node-${i}`));
  broker.start();
  while (events.waiting > 0) await clock.settle();
  assert.equal(new Set(ids()).size, 10_000);
  assert.ok(most > 1 && most <= 500, `${most}`);
});

test('one event of a node is sent at a time, in order, however often another requester announces in between', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('change' as const), node: fc.nat({ max: 1 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('health' as const), node: fc.nat({ max: 1 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('start' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 20 }), async (scheduler, steps) => {
      const { events, stream, ids } = await begin();
      const underWay = new Set<string>();
      const doubles: string[] = [];
      const slow: EventStream = Object.assign(Object.create(stream), {
        publish: async (subject: string, data: string, id: string) => {
          const node = subject.split('.')[2] ?? '';
          if (underWay.has(node)) doubles.push(id);
          underWay.add(node);
          await scheduler.schedule(Promise.resolve(), `${id} comes`);
          const stored = await stream.publish(subject, data, id);
          await scheduler.schedule(Promise.resolve(), `${id} is acknowledged`);
          underWay.delete(node);
          return stored;
        },
      });
      events.start(slow);
      const changes: string[][] = [[], []];
      let revision = 0;
      const sequence = scheduler.scheduleSequence(
        steps.map(each => ({
          label: each.do,
          builder: async () => {
            if (each.do === 'pause') events.pause();
            else if (each.do === 'start') events.start(slow);
            else if (each.do === 'health') events.announceHealth(health(`node-${each.node}`));
            else {
              events.announceChange(`node-${each.node}`, change('approved', ++revision));
              changes[each.node]?.push(`node-${each.node}:${revision}`);
            }
          },
        })),
      );
      await scheduler.waitFor(sequence.task);
      events.start(slow);
      await scheduler.waitIdle();
      assert.equal(events.waiting, 0);
      assert.deepEqual(doubles, [], 'two events of a node were under way');
      const told = ids().filter(id => /^node-.:\d+$/.test(id));
      changes.forEach((expected, node) => {
        assert.deepEqual(
          told.filter(id => id.startsWith(`node-${node}`)),
          expected,
        );
      });
    }),
    { numRuns: 200 },
  );
});

describe('a stop', () => {
  test('waits for events that are being sent', async () => {
    const { clock, broker, events, stream, ids } = await begin();
    events.start(stream);
    broker.failNext('publish', { fault: 'no_responders' });
    events.announceChange('node-1', change('registered', 1));
    const stopped = events.stop(2_000);
    await clock.advance(2_000);
    assert.equal(await stopped, 0);
    assert.deepEqual(ids(), ['node-1:1']);
  });

  test('ends at its timeout and returns how many events still wait', async () => {
    const { clock, broker, events, stream, ids } = await begin();
    events.start(stream);
    broker.stop();
    for (let i = 1; i <= 3; i++) events.announceChange(`node-${i % 2}`, change('registered', i));
    const stopped = events.stop(2_000);
    await clock.advance(2_000);
    assert.equal(await stopped, 3);
    broker.start();
    await clock.advance(60_000);
    assert.deepEqual(ids(), [], 'nothing is sent after a stop');
    assert.equal(clock.pending, 0);
    assert.equal(await events.stop(2_000), 3, 'a second stop does not wait');
  });
});
