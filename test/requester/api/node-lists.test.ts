// Tests that a list of nodes that is made piece by piece is the same, byte for byte, as one that is made from whole views at once.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import fc from 'fast-check';
import { factsOf } from '../../../agent/output/node-columns.ts';
import { nodeStreamType } from '../../../agent/protocol/http-node-stream.ts';
import { type Health, healths, type Membership, memberships } from '../../../agent/protocol/node-state.ts';
import type { Call } from '../../../agent/requester/api/authorize.ts';
import { NodeLists } from '../../../agent/requester/api/node-lists.ts';
import { queryNodes, readFilter } from '../../../agent/requester/api/node-query.ts';
import type { NodeView } from '../../../agent/requester/directory/node-view.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory, type FakeNode } from '../../support/fake-directory.ts';
import { at, computeInfo, record, requesterNode } from '../samples.ts';
import { call, cluster, node, serve } from './api-fixture.ts';

const nodes = '/api/v1/orchestrator/nodes';
const now = new Date('2026-01-01T12:00:00.000Z');
const before = (ms: number) => now.getTime() - ms;

const drawnNode = fc.record(
  {
    type: fc.constantFrom('Compute', 'Compute', 'Compute', 'Requester'),
    host: fc.constantFrom('', 'rack-7', 'rack-10', 'h\u001b[2J', '\u{1f680}'),
    membership: fc.constantFrom<(Membership | '')[]>(...memberships, ''),
    health: fc.constantFrom<Health[]>(...healths),
    silence: fc.option(fc.integer({ min: 0, max: 90_000 }), { nil: undefined }),
    liveness: fc.option(
      fc.record({ heard: fc.integer({ min: 0, max: 4e6 }), left: fc.boolean(), silent: fc.boolean() }),
      { nil: undefined },
    ),
    cpu: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    labels: fc.dictionary(fc.constantFrom('zone', 'gpu'), fc.constantFrom('eu', 'us', '2'), { maxKeys: 2 }),
    given: fc.option(fc.dictionary(fc.constantFrom('zone', 'rack'), fc.constantFrom('eu', 'b7')), {
      nil: undefined,
    }),
    conditions: fc.subarray(['GpuMissing', 'clock "x"']),
    isCordoned: fc.boolean(),
    isInConflict: fc.boolean(),
    hasKey: fc.boolean(),
  },
  { noNullPrototype: true },
);
type DrawnNode = typeof drawnNode extends fc.Arbitrary<infer T> ? T : never;

function fakeNode(id: string, drawn: DrawnNode): FakeNode {
  const { type, host, membership, health, silence, liveness, cpu, labels, given, conditions } = drawn;
  const info = type === 'Requester' ? requesterNode(id) : computeInfo(id, labels);
  const heardAt = liveness && before(liveness.heard);
  return {
    state: record(id, membership, {
      Info: {
        ...info,
        Hostname: host,
        Conditions: conditions.map(Type => ({ Type, Reason: 'it is so', Since: at })),
      },
      Muster: {
        ...(given ? { Labels: given } : {}),
        ...(drawn.isCordoned ? { Cordon: { Reason: 'disk swap', Actor: 'ann', At: at } } : {}),
        ...(drawn.hasKey ? { PublicKey: `N-${id}` } : {}),
      },
    }),
    health,
    ...(silence === undefined ? {} : { silence: silence + 0.4 }),
    ...(drawn.isInConflict ? { conflict: { at: now, agents: [] } } : {}),
    ...(liveness && heardAt !== undefined
      ? {
          liveness: {
            lastSeenAt: heardAt,
            healthySince: heardAt,
            silentSince: liveness.silent ? heardAt : undefined,
            left: liveness.left,
          },
        }
      : {}),
    ...(cpu === undefined
      ? {}
      : {
          resources: {
            available: { CPU: cpu },
            queued: {},
            usage: undefined,
            at: now,
            protocol: 'bprotocol/v2',
          },
        }),
  };
}

const queries = [
  '',
  'filter-approval=approved',
  'filter-status=healthy,disconnected',
  'condition=gpumissing',
  'silent-for=45s',
  'labels=zone%3Deu',
  'labels=rack&filter-approval=pending,approved',
];
const orders = ['id', 'type', 'available_cpu', 'available_gpu', 'approval', 'status'];

/** Filters and sorts whole views, all at once. */
function plainList(directory: FakeDirectory, query: URLSearchParams, isOfBacalhau: boolean): NodeView[] {
  const isWanted = readFilter(query);
  const key = (view: NodeView): string | number => {
    switch (query.get('order_by')) {
      case 'type':
        return view.Info.NodeType === 'Requester' ? 0 : 1;
      case 'available_cpu':
        return -(view.Info.ComputeNodeInfo.AvailableCapacity.CPU ?? 0);
      case 'available_gpu':
        return 0;
      case 'approval':
        return view.Membership;
      case 'status':
        return isOfBacalhau ? view.Connection : healths.indexOf(view.Muster.Health);
      default:
        return view.Info.NodeID;
    }
  };
  const sign = query.get('reverse') === 'true' ? -1 : 1;
  const chosen = directory.list().filter(view => isWanted(view, now));
  const sorted = chosen.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return sign * (x < y ? -1 : x > y ? 1 : 0);
  });
  return sorted.slice(0, Number(query.get('limit')) || undefined);
}

test('a list is the same as one that is made of whole views at once', async t => {
  // Lists of this many nodes come in pieces, and shorter ones as one text.
  const drawnFleet = fc.array(drawnNode, { minLength: 0, maxLength: 160, size: 'max' });
  const drawnQuery = fc.record({
    filter: fc.constantFrom(...queries),
    order: fc.constantFrom(...orders),
    reverse: fc.constantFrom('true', 'false'),
    limit: fc.constantFrom(0, 0, 1, 70, 100),
  });
  const directory = new FakeDirectory(requesterNode());
  const api = await serve(t, directory, { clock: new FakeClock(now) });
  await fc.assert(
    fc.asyncProperty(drawnFleet, drawnQuery, fc.boolean(), async (fleet, drawn, isOfBacalhau) => {
      directory.nodes.clear();
      // They are not in the order of their ids.
      for (const [index, each] of fleet.entries()) {
        const id = `n-${(index * 61) % 163}`;
        directory.nodes.set(id, fakeNode(id, each));
      }
      const { filter, order, reverse, limit } = drawn;
      const query = `${filter}&order_by=${order}&reverse=${reverse}&limit=${limit}`;
      const headers: Record<string, string> = isOfBacalhau ? { 'X-Bacalhau-Git-Version': 'v1.6.5' } : {};
      const expected = plainList(directory, new URLSearchParams(query), isOfBacalhau);

      const whole = await call(api, `${nodes}?${query}`, { headers });
      assert.equal(whole.headers['content-type'], 'application/json');
      assert.equal(whole.text, `${JSON.stringify({ NextToken: '', Nodes: expected })}\n`);
      const pretty = await call(api, `${nodes}?${query}&pretty`, { headers });
      assert.equal(pretty.text, `${JSON.stringify({ NextToken: '', Nodes: expected }, null, 2)}\n`);

      const inLines = { ...headers, Accept: `${nodeStreamType}, application/json` };
      const lines = await call(api, `${nodes}?${query}`, { headers: inLines });
      const { requesters, widths } = factsOf(expected, now);
      const head = {
        Nodes: expected.length,
        Requesters: requesters,
        At: now.toISOString(),
        State: 'ready',
        Reason: '',
        Widths: widths,
      };
      assert.equal(lines.text, [head, ...expected].map(each => `${JSON.stringify(each)}\n`).join(''));
    }),
    { numRuns: 30 },
  );
});

test('a node that goes or comes while a list is made is in it once or not at all', async () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `n-${String(index).padStart(4, '0')}`);
  const directory = new FakeDirectory(
    requesterNode(),
    names.map(id => node(id)),
  );
  const chosen = queryNodes(directory.seen(), new URLSearchParams('filter-status=healthy'), now);
  // One comes back behind all others, and the others have not been looked at yet.
  directory.nodes.delete('n-0003');
  directory.nodes.set('n-0003', node('n-0003'));
  directory.nodes.delete('n-4999');
  directory.nodes.set('n-5000', node('n-5000'));
  assert.deepEqual(
    (await chosen).map(({ id }) => id),
    names,
  );
});

test('other work of the requester has its turn while a long list is written', async t => {
  let turn = 0;
  const writtenIn = new Map<number, number>();
  const labels = {
    toJSON: () => {
      writtenIn.set(turn, (writtenIn.get(turn) ?? 0) + 1);
      return {};
    },
  };
  const names = Array.from({ length: 3_000 }, (_, index) => `n-${index}`);
  const fleet = names.map(id => node(id, { labels: labels as unknown as Record<string, string> }));
  const api = await serve(t, new FakeDirectory(requesterNode(), fleet));
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const count = () => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  count();
  for (const Accept of [nodeStreamType, 'application/json']) {
    writtenIn.clear();
    const { text } = await call(api, nodes, { headers: { Accept } });
    assert.equal(text.match(/"NodeID"/g)?.length, fleet.length);
    assert.equal(
      [...writtenIn.values()].reduce((sum, written) => sum + written, 0),
      fleet.length,
    );
    assert.ok(Math.max(...writtenIn.values()) < 300, 'a piece has some dozens of nodes');
  }
});

test('so many long lists that nobody reads are open at a time, and further ones are refused', async () => {
  const lists = new NodeLists({ most: { inPieces: 1, all: 2 } });
  const { self } = cluster();
  const directory = new FakeDirectory(
    self,
    Array.from({ length: 100 }, (_, number) => node(`node-${number}`)),
  );
  const ask = async (query = '') => {
    const outgoing = Object.assign(new EventEmitter(), { destroyed: false, setTimeout: () => undefined });
    const req = { method: 'GET', url: `http://localhost${nodes}?${query}`, header: () => undefined };
    const chosen = await queryNodes(directory.seen(), new URLSearchParams(query), now);
    const asked = { req, env: { outgoing } } as unknown as Call;
    const response = await lists.answer(asked, { nodes: chosen, now, status: directory.status() });
    return { response, end: () => outgoing.emit('close') };
  };
  const open = [await ask(), await ask('pretty')];
  await assert.rejects(ask(), { status: 429 });
  assert.equal((await ask('limit=5')).response.status, 200, 'a short list takes no place');
  open[1]?.end();
  const again = await ask();
  assert.deepEqual(await again.response.json(), await open[0]?.response.json());
});
