// Two requesters watch in turn, and neither learns at once that it has to. What they announce is one story all the same.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CloudEvent } from '../../../agent/protocol/events.ts';
import type { Health, RecordedChange } from '../../../agent/protocol/node-state.ts';
import { EventPublisher } from '../../../agent/requester/events/event-publisher.ts';
import { LastEvents } from '../../../agent/requester/events/last-events.ts';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { watchersStream } from '../../../agent/requester/watcher/lease-guard.ts';
import { WatchDuty } from '../../../agent/requester/watcher/watch-duty.ts';
import { WatchFence } from '../../../agent/requester/watcher/watch-fence.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { steadyRandom } from '../../support/steady-random.ts';

const nodes = ['n-1', 'n-2', 'n-3'] as const;
type Name = 'a' | 'b';

/** What is true of the nodes, and which requester holds the lease. */
function makeWorld() {
  const clock = new FakeClock();
  return {
    clock,
    broker: new FakeBroker(clock),
    holder: 'a' as Name,
    healths: new Map<string, Health>(),
    changes: [] as { node: string; change: RecordedChange }[],
  };
}
type World = ReturnType<typeof makeWorld>;

/** A requester, as far as it announces. */
interface Announcer {
  events: EventPublisher;
  duty: WatchDuty;
  /** Lets it learn whether it holds the lease. */
  learn(): void;
  /** Announces the health of a node if it watches and has announced another one. */
  judge(node: string): void;
}

async function openAnnouncer(world: World, name: Name): Promise<Announcer> {
  const { clock, broker } = world;
  const connection = broker.connect();
  const stream = await (await connection.storage()).stream(eventStreamConfig);
  const { signal } = new AbortController();
  const common = { clock, log: recordLog().log, connection, random: steadyRandom(), signal };
  const me = { requester: name, instance: `i-${name}`, host: 'h', pid: 1, since: '' };
  const lease = { isHeld: false };
  const learn = () => {
    const isHeld = world.holder === name;
    if (lease.isHeld === isHeld) return;
    lease.isHeld = isHeld;
    duty.onLease();
  };
  const right = {
    // It believes that it watches until it asks the store.
    confirm: async ({ anew = false } = {}) => {
      if (anew) learn();
      if (!lease.isHeld) throw new MusterError('in_use', 'the other one watches');
    },
  };
  const fence = new WatchFence({ ...common, stream, right, me });
  const events = new EventPublisher({
    ...common,
    clusterId: 'c',
    requesterId: name,
    instance: me.instance,
    life: {
      find: async () => {
        for (let tick = 0; tick < 10; tick++) await null;
        return 'life1';
      },
    },
    last: new LastEvents((await stream.fill()).created),
  });
  const announced = new Map<string, Health>();
  const judge = (node: string) => {
    const current = world.healths.get(node) ?? 'UNKNOWN';
    const previous = announced.get(node) ?? 'UNKNOWN';
    if (!duty.watches || current === previous) return;
    announced.set(node, current);
    const kind = current === 'HEALTHY' ? 'healthy' : current === 'UNHEALTHY' ? 'unhealthy' : 'unknown';
    events.announceHealth({ node, kind, previous, current, evidence: { rule: 'r' } });
  };
  const watched = watchersStream(stream, right, fence);
  const duty = new WatchDuty({
    ...common,
    lease,
    fence,
    stream,
    events: {
      begin: begin => events.start(watched, begin),
      pause: () => events.pause(),
      dropAnnounced: (due, last) => events.dropAnnounced(due, last),
      onAnnounced: (node, event) => events.onAnnounced(node, event),
    },
    health: {
      standBy: () => undefined,
      takeOver: health => {
        for (const node of nodes) announced.set(node, health(node));
        for (const node of nodes) judge(node);
      },
    },
    work: [],
    onChange: () => undefined,
  });
  fence.follow({ onOvertaken: () => duty.takeOverAgain(), onLost: at => events.beginAnew(at) });
  await duty.start(0);
  return { events, duty, learn, judge };
}

const node = fc.constantFrom(...nodes);
const name = fc.constantFrom<Name>('a', 'b');
const step = fc.oneof(
  fc.record({
    do: fc.constant('judge' as const),
    node,
    to: fc.constantFrom<Health>('HEALTHY', 'UNHEALTHY', 'UNKNOWN'),
  }),
  fc.record({ do: fc.constant('decide' as const), node }),
  fc.record({ do: fc.constant('give the lease' as const), to: name }),
  fc.record({ do: fc.constant('learn' as const), who: name }),
  fc.record({
    do: fc.constant('fail' as const),
    operation: fc.constantFrom('publish', 'publish', 'last', 'fill', 'newest'),
    fault: fc.constantFrom('timeout', 'refused', 'disconnected'),
    applied: fc.boolean(),
  }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 0, 100, 6_000) }),
);

describe('two requesters that watch in turn', () => {
  test('announce each change once, in order, and never contradict each other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(step, fc.integer({ min: 0, max: 60 })), { maxLength: 60, size: 'max' }),
        fc.boolean(),
        async (steps, takesBatches) => {
          const world = makeWorld();
          const { clock, broker } = world;
          broker.takesBatches = takesBatches;
          const announcers = { a: await openAnnouncer(world, 'a'), b: await openAnnouncer(world, 'b') };
          const both = Object.values(announcers);
          for (const [each, ticks] of steps) {
            if (each.do === 'judge') {
              world.healths.set(each.node, each.to);
              for (const { judge } of both) judge(each.node);
            } else if (each.do === 'decide') {
              const change = changeAfter(world);
              world.changes.push({ node: each.node, change });
              for (const { events } of both) events.announceChange(each.node, change);
            } else if (each.do === 'give the lease') {
              world.holder = each.to;
              // Who takes the lease knows it at once; who held it does not.
              announcers[each.to].learn();
            } else if (each.do === 'learn') announcers[each.who].learn();
            else if (each.do === 'fail') broker.failNext(each.operation, each);
            else await clock.advance(each.ms);
            // What is under way goes on a little.
            for (let tick = 0; tick < ticks; tick++) await null;
          }
          for (const { learn } of both) learn();
          await clock.advance(120_000);
          check(world);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function changeAfter({ changes, clock }: World): RecordedChange {
  const Revision = changes.length + 1;
  return {
    Kind: Revision % 2 === 0 ? 'approved' : 'rejected',
    Revision,
    Store: 'life1',
    At: clock.now().toISOString(),
    Previous: Revision % 2 === 0 ? 'REJECTED' : 'APPROVED',
    Current: Revision % 2 === 0 ? 'APPROVED' : 'REJECTED',
  };
}

function check({ broker, changes, healths }: World): void {
  const events = (broker.streams.get('NODE_EVENTS')?.messages ?? [])
    .filter(({ subject }) => subject !== 'muster.watch')
    .map(({ data }) => JSON.parse(Buffer.from(data).toString()) as CloudEvent);
  const ids = events.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)], 'no id is there twice');
  for (const id of nodes) {
    const ofNode = events.filter(({ subject }) => subject === id);
    assert.deepEqual(
      ofNode.flatMap(({ data }) => (data.current.membership ? [data.current.membership] : [])),
      changes.flatMap(({ node: of, change }) => (of === id ? [change.Current] : [])),
      `the decisions about ${id}`,
    );
    let announced: Health = 'UNKNOWN';
    for (const { data } of ofNode) {
      if (!data.current.health) continue;
      assert.equal(data.previous.health, announced, `an event of ${id} begins where the one before ended`);
      announced = data.current.health;
    }
    assert.equal(announced, healths.get(id) ?? 'UNKNOWN', `what was announced of ${id} is so`);
  }
}
