// Checks what the plain table says of nodes: when there is a host, and what the note is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf } from '../../agent/output/node-columns.ts';
import { noteOf } from '../../agent/output/node-note.ts';
import type { MusterView } from '../../agent/protocol/http.ts';
import type { ListedNode } from '../../agent/protocol/listed-node.ts';
import type { NodeConnectionState } from '../../agent/protocol/node-state.ts';
import { nodeView } from '../../agent/requester/directory/node-view.ts';
import { computeInfo, record, requesterNode } from '../requester/samples.ts';

const now = new Date('2026-01-01T12:00:00Z');
const facts = { now, requesters: 1 };

interface Sample {
  muster?: Partial<MusterView>;
  connection?: Partial<NodeConnectionState>;
  conditions?: readonly string[];
  membership?: 'PENDING' | 'APPROVED' | 'REJECTED';
  host?: string;
}

/** Returns a node whose key is checked, and that is HEALTHY unless `muster` says otherwise. */
function node(
  id: string,
  { muster, connection, conditions = [], membership = 'APPROVED', host }: Sample = {},
): ListedNode {
  const Conditions = conditions.map(Type => ({ Type, Reason: 'it is so', Since: now.toISOString() }));
  const info = { ...computeInfo(id), Conditions, ...(host === undefined ? {} : { Hostname: host }) };
  const view = nodeView(record(id, membership, { Info: info }), 'HEALTHY', 1000, undefined, undefined);
  return {
    ...view,
    ConnectionState: { ...view.ConnectionState, ...connection },
    Muster: { ...view.Muster, Fingerprint: 'AAAA', ...muster },
  };
}

const cordon = { Reason: 'disk swap', Actor: 'ann', At: '2026-01-01T11:00:00Z' };
const silent = { Health: 'UNKNOWN', Silence: undefined } as const;
const requester = (id: string, watches = false): ListedNode =>
  nodeView(
    record(id, 'APPROVED', { Info: requesterNode(id) }),
    'UNKNOWN',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    watches,
  );

const notes: readonly [string, ListedNode, string][] = [
  ['a healthy node', node('a'), ''],
  ['conditions', node('a', { conditions: ['GpuMissing', 'DiskFull'] }), 'GpuMissing, DiskFull'],
  ['a condition with a control character', node('a', { conditions: ['x\u001b[2J'] }), '"x\\u001b[2J"'],
  [
    'a condition like words of muster',
    node('a', { conditions: ['cordoned: by "ada"'] }),
    '"cordoned: by \'ada\'"',
  ],
  [
    'a node that left',
    node('a', {
      muster: silent,
      connection: {
        LastError: 'graceful shutdown',
        LastHeartbeat: '2026-01-01T11:50:00Z',
        DisconnectedSince: '2026-01-01T11:57:00Z',
      },
    }),
    'left 3m ago',
  ],
  ['a node that was never heard', node('a', { muster: silent }), 'never heard'],
  [
    'a node that is silent since before the requester started',
    node('a', { muster: silent, connection: { LastHeartbeat: '2026-01-01T10:00:00Z' } }),
    'silent for 2h',
  ],
  ['a silent node', node('a', { muster: { Health: 'UNHEALTHY', Silence: 240_000 } }), 'silent for 4m'],
  ['a rejected node, which sends nothing', node('a', { muster: silent, membership: 'REJECTED' }), ''],
  ['a cordoned node', node('a', { muster: { Cordon: cordon } }), 'cordoned: disk swap'],
  [
    'a draining node without a reason',
    node('a', { muster: { Cordon: { ...cordon, Reason: '', Drain: { At: cordon.At } } } }),
    'draining',
  ],
  [
    'a draining node whose deadline has passed',
    node('a', { muster: { Cordon: { ...cordon, Drain: { At: cordon.At, Deadline: now.toISOString() } } } }),
    'draining late: disk swap',
  ],
  [
    'a drained node',
    node('a', { muster: { Cordon: { ...cordon, Drain: { At: cordon.At, DrainedAt: cordon.At } } } }),
    'drained: disk swap',
  ],
  ['a node without a key', node('a', { muster: { Fingerprint: undefined } }), 'unverified'],
  [
    'a conflict comes first',
    node('a', { muster: { Conflict: { At: now.toISOString(), Agents: [] } }, conditions: ['GpuMissing'] }),
    'conflict, GpuMissing',
  ],
  ['a requester, which sends no heartbeats', requester('node-0', true), ''],
];

test('the note says what is wrong with a node, and nothing of one that is well', () => {
  for (const [what, listed, expected] of notes) assert.equal(noteOf(listed, facts), expected, what);
});

test('one of several requesters is marked as the one that watches, and a single one is not', () => {
  assert.equal(noteOf(requester('node-b', true), { now, requesters: 2 }), 'watches');
  assert.equal(noteOf(requester('node-0'), { now, requesters: 2 }), '');
});

test('an orchestrator of Bacalhau tells nothing from which a note follows', () => {
  const { Muster: _, ...listed } = node('a', { muster: silent });
  assert.equal(noteOf(listed, facts), '');
});

test('the hosts are news when they tell machines apart that the ids do not', () => {
  const width = (...hosts: (string | undefined)[]) => {
    const nodes = hosts.map((host, index) => node(`n-${index}`, host === undefined ? {} : { host }));
    return factsOf(nodes, now).widths.HOST;
  };
  assert.equal(width('rack-7', 'rack-8'), 6);
  assert.equal(width('rack-7'), 6);
  // Several agents on one machine, as in a trial.
  assert.equal(width('laptop', 'laptop'), 0);
  assert.equal(width('n-0', 'n-1'), 0);
  assert.equal(width(undefined, undefined), 0);
  assert.equal(width(), 0);
});
