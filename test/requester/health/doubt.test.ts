// Verdicts wait while the silence of nodes may be somebody else's fault, and never longer than was said.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { longestWaitMs, waitingText } from '../../../agent/requester/health/doubt.ts';
import { ServerLookout } from '../../../agent/requester/health/server-lookout.ts';
import { hour, limits, watching } from './watch-fixture.ts';

const checkMs = 5_000;
const ids = (count: number, prefix = 'n') =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** Starts a watch over nodes that were just heard, on a cluster of three servers. */
async function onCluster(nodes: string[]) {
  const servers = {
    unheard: [] as string[],
    quorumFault: undefined as string | undefined,
    lastingFault: undefined,
  };
  const all = await watching(nodes, { servers });
  all.broker.named = ['10.0.0.1:4222', '10.0.0.2:4222', '10.0.0.3:4222'];
  await all.clock.advance(checkMs);
  for (const id of nodes) all.watch.markAlive(id);
  const told = () => [...new Set(all.announced.map(({ node, kind }) => `${node} ${kind}`))].sort();
  return { ...all, servers, told };
}

describe('when a server vanishes', () => {
  const losses: [string, (all: Awaited<ReturnType<typeof onCluster>>) => void, RegExp][] = [
    [
      'the broker does not name it any more',
      ({ broker }) => {
        broker.named = broker.named.slice(1);
      },
      /: the NATS cluster does not name 10\.0\.0\.1:4222 any more$/,
    ],
    [
      'the others do not hear it',
      ({ servers }) => {
        servers.unheard = ['s2'];
      },
      /: the other NATS servers do not hear s2$/,
    ],
    [
      'the requester was connected to it',
      ({ connection }) => {
        connection.drop();
        connection.regain();
      },
      /: the connection to the broker was lost$/,
    ],
  ];
  for (const [how, lose, reason] of losses)
    test(`verdicts wait for one nodeDisconnectedAfter: ${how}`, async () => {
      const all = await onCluster(['n-1', 'n-2']);
      const { clock, watch, told, degradations } = all;
      await clock.advance(35_000);
      watch.markAlive('n-2');
      lose(all);
      await clock.advance(checkMs);
      assert.match(watch.degradedReason ?? '', reason);
      assert.equal(degradations.length > 0, true);
      for (let step = 0; step < 7; step++) {
        await clock.advance(checkMs);
        watch.markAlive('n-2');
      }
      assert.equal(watch.health('n-1'), 'HEALTHY');
      assert.equal(watch.waitingVerdicts?.nodes, 1);
      assert.deepEqual(told(), []);
      await clock.advance(2 * checkMs);
      assert.notEqual(watch.health('n-1'), 'HEALTHY');
      assert.match(told().join(), /^n-1 un/);
      assert.equal(watch.degradedReason, undefined);
      assert.equal(degradations.at(-1), undefined);
    });

  test('verdicts are given again as soon as all nodes were heard', async () => {
    const all = await onCluster(ids(3));
    const { clock, watch, broker } = all;
    await clock.advance(40_000);
    broker.named = broker.named.slice(1);
    await clock.advance(checkMs);
    assert.ok(watch.waitingVerdicts);
    for (const id of ids(3)) watch.markAlive(id);
    await clock.advance(checkMs);
    assert.equal(watch.waitingVerdicts, undefined);
    assert.deepEqual(all.announced, []);
  });

  test('the requester that takes over the watch waits too', async () => {
    const all = await onCluster(['n-1']);
    const { clock, watch, broker, told } = all;
    watch.standBy();
    await clock.advance(40_000);
    broker.named = broker.named.slice(1);
    await clock.advance(2 * checkMs);
    watch.takeOver(() => 'HEALTHY');
    assert.deepEqual(told(), []);
    await clock.advance(45_000);
    assert.match(told().join(), /^n-1 un/);
  });
});

test('while no node is silent yet, it is said that verdicts will wait, and not that those on 0 nodes do', () => {
  const waits = { nodes: 0, until: new Date(0), reason: 'the connection to the broker was lost' };
  assert.equal(
    waitingText(waits),
    'verdicts on nodes that fall silent wait until 1970-01-01T00:00:00Z: the connection to the broker was lost',
  );
});

describe('when many nodes fall silent together', () => {
  /** Lets `silent` of `all` nodes fall silent, and returns how long after that a verdict came, in milliseconds. */
  async function verdictAfter(silent: number, all: number): Promise<number> {
    const { clock, watch, announced } = await onCluster(ids(all));
    const began = clock.monotonic();
    while (announced.length === 0 && clock.monotonic() < began + 200_000) {
      await clock.advance(checkMs);
      for (const id of ids(all).slice(silent)) watch.markAlive(id);
    }
    return Number(announced[0]?.at) - began;
  }

  test('their verdicts wait, from 20 nodes and one twentieth of all on', async () => {
    assert.equal(await verdictAfter(19, 19), 45_000);
    assert.equal(await verdictAfter(20, 400), 45_000);
    assert.equal(await verdictAfter(20, 20), 90_000);
    assert.equal(await verdictAfter(21, 400), 90_000);
  });

  test('a read between two checks tells of no verdict that would wait', async () => {
    const { clock, watch } = await onCluster(ids(20));
    await clock.advance(43_000);
    assert.equal(watch.health('n-0'), 'HEALTHY');
    await clock.advance(3_000);
    assert.equal(watch.health('n-0'), 'HEALTHY');
    assert.match(
      watch.degradedReason ?? '',
      /^the verdicts on 20 silent nodes wait until .*: 20 of 20 nodes fell silent together$/,
    );
  });

  test('the verdicts on those that stay away are given as soon as the others are back', async () => {
    const { clock, watch, told } = await onCluster(ids(30));
    await clock.advance(60_000);
    assert.deepEqual(told(), []);
    for (const id of ids(30).slice(2)) watch.markAlive(id);
    await clock.advance(checkMs);
    assert.deepEqual(told(), ['n-0 unhealthy', 'n-1 unhealthy']);
  });
});

test('the wait is as long as a third of the nodes needs to connect again', () => {
  assert.equal(longestWaitMs(20_000, 45_000), 45_000);
  assert.equal(longestWaitMs(100_000, 45_000), 66_667);
  assert.equal(longestWaitMs(20_000, 10_000), 13_334);
});

test('without a quorum no verdict is given, however long; with one again it waits until nodes can be back', async () => {
  const { clock, watch, servers, told, degradations } = await onCluster(['n-1']);
  await clock.advance(44_000);
  servers.quorumFault = 'no quorum: 2 of 3 servers are away';
  await clock.advance(hour);
  assert.equal(watch.health('n-1'), 'HEALTHY');
  assert.deepEqual([watch.degradedReason, ...degradations], [servers.quorumFault, servers.quorumFault]);
  servers.quorumFault = undefined;
  await clock.advance(44_000);
  assert.equal(watch.health('n-1'), 'HEALTHY');
  assert.deepEqual(told(), []);
  await clock.advance(2 * checkMs);
  assert.match(told().join(), /^n-1 un/);
  assert.equal(degradations.at(-1), undefined);
});

test('whatever servers and other nodes do, a dead node gets its verdict after one wait at most, and a living one none', async () => {
  const step = fc.record({
    /** Whether a server vanishes or comes, and which of the unsteady nodes are heard. */
    server: fc.constantFrom('stays', 'stays', 'vanishes', 'comes'),
    heard: fc.constantFrom('none', 'some', 'all', 'all'),
    connection: fc.constantFrom('stays', 'stays', 'stays', 'flaps'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 60 }), fc.nat(50), async (steps, others) => {
      const unsteady = ids(others, 'unsteady');
      const { clock, watch, broker, connection, told } = await onCluster(['dead', 'alive', ...unsteady]);
      const listened = watch.listeningMs();
      for (const { server, heard, connection: how } of steps) {
        if (how === 'flaps') {
          connection.drop();
          connection.regain();
        }
        const { named } = broker;
        if (server === 'vanishes') broker.named = named.slice(1);
        if (server === 'comes') broker.named = [...named, `10.0.1.${named.length}:4222`];
        await clock.advance(checkMs);
        watch.markAlive('alive');
        const count = heard === 'none' ? 0 : heard === 'all' ? others : others / 2;
        for (const id of unsteady.slice(0, count)) watch.markAlive(id);
        const silentMs = watch.listeningMs() - listened;
        if (silentMs < limits.disconnectedAfterMs) assert.equal(watch.health('dead'), 'HEALTHY');
        if (silentMs > 2 * limits.disconnectedAfterMs) assert.equal(watch.health('dead'), 'UNKNOWN');
        assert.equal(watch.health('alive'), 'HEALTHY');
      }
      assert.deepEqual(
        told().filter(text => text.startsWith('alive')),
        [],
      );
      assert.ok(told().some(text => text.startsWith('dead un')));
    }),
    { numRuns: 60 },
  );
});

test('the lookout tells of servers that vanish, once each', () => {
  let [named, unheard]: [string[], string[]] = [['a:1', 'b:1', 'c:1'], []];
  const lookout = new ServerLookout({ named: () => named, unheard: () => unheard });
  assert.equal(lookout.look(), undefined);
  named = ['b:1', 'c:1', 'd:1'];
  assert.equal(lookout.look(), 'the NATS cluster does not name a:1 any more');
  assert.equal(lookout.look(), undefined);
  // A broker that names nobody may be alone from the start, or have been told to name nobody.
  named = [];
  assert.equal(lookout.look(), undefined);
  unheard = ['s1', 's2'];
  assert.equal(lookout.look(), 'the other NATS servers do not hear s1, s2');
  unheard = ['s2'];
  assert.equal(lookout.look(), undefined);
  unheard = ['s2', 's1'];
  assert.equal(lookout.look(), 'the other NATS servers do not hear s1');
});
