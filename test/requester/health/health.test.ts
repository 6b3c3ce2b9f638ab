// Tests the health rule at its limits, and compares the queues of last-seen times with a simple model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Health } from '../../../agent/protocol/node-state.ts';
import { type HealthLimits, healthOf, LivenessTable } from '../../../agent/requester/health/health.ts';
import type { Liveness } from '../../../agent/requester/health/liveness.ts';

const limits = { disconnectedAfterMs: 45_000, unknownAfterMs: 90_000 };

test('the health rule is exact to the millisecond', () => {
  const rows: [number | undefined, Health][] = [
    [undefined, 'UNKNOWN'],
    [0, 'HEALTHY'],
    [1, 'HEALTHY'],
    [44_999, 'HEALTHY'],
    [45_000, 'UNHEALTHY'],
    [45_001, 'UNHEALTHY'],
    [89_999, 'UNHEALTHY'],
    [90_000, 'UNKNOWN'],
    [90_001, 'UNKNOWN'],
    [Number.MAX_SAFE_INTEGER, 'UNKNOWN'],
  ];
  for (const [silence, health] of rows) assert.equal(healthOf(silence, limits), health, `${silence} ms`);
});

test('a node is never UNHEALTHY when both limits are the same', () => {
  const same = { disconnectedAfterMs: 10, unknownAfterMs: 10 };
  assert.deepEqual(
    [9, 10, 11].map(silence => healthOf(silence, same)),
    ['HEALTHY', 'UNKNOWN', 'UNKNOWN'],
  );
});

/** The model. It visits every node each time, which the queues must not do. */
class Naive {
  readonly nodes = new Map<string, { lastSeen: number | undefined; order: number; fallen: Health }>();
  readonly limits: HealthLimits;
  #order = 0;

  constructor(limits: HealthLimits) {
    this.limits = limits;
  }

  markAlive(id: string, now: number): void {
    this.nodes.set(id, { lastSeen: now, order: this.#order++, fallen: 'HEALTHY' });
  }

  markLeft(id: string): void {
    this.nodes.set(id, { lastSeen: undefined, order: 0, fallen: 'UNKNOWN' });
  }

  health(id: string, now: number): Health {
    const lastSeen = this.nodes.get(id)?.lastSeen;
    return healthOf(lastSeen === undefined ? undefined : now - lastSeen, this.limits);
  }

  expired(now: number): string[] {
    const fallen: { text: string; order: number }[] = [];
    for (const [id, node] of this.nodes) {
      const health = this.health(id, now);
      if (node.lastSeen === undefined || health === node.fallen) continue;
      node.fallen = health;
      fallen.push({ text: `${id} ${health}`, order: node.order });
    }
    return fallen.sort((a, b) => a.order - b.order).map(({ text }) => text);
  }
}

/** Counts how often the health rule is asked. */
class Counted extends LivenessTable {
  asked = 0;

  override health(node: Liveness | undefined, now: number): Health {
    this.asked++;
    return super.health(node, now);
  }
}

const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('alive'), id: fc.constantFrom(...ids) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('left', 'delete', 'add'), id: fc.constantFrom(...ids) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(0, 1, 9, 10, 11, 19, 20, 35) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('check') }) },
);

test('the queues find the same nodes as a model that visits every node, for any sequence of operations', () => {
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 120, size: 'max' }),
      fc.constantFrom(10, 20),
      (operations, unknownAfterMs) => {
        const limits = { disconnectedAfterMs: 10, unknownAfterMs };
        const table = new Counted(limits);
        const naive = new Naive(limits);
        const onRoll = new Set<string>();
        let now = 0;
        for (const each of operations) {
          if ('ms' in each) now += each.ms;
          else if ('id' in each) {
            const { kind, id } = each;
            const node = table.get(id);
            if (kind === 'delete') {
              table.delete(id);
              naive.nodes.delete(id);
              onRoll.delete(id);
            } else if (kind === 'add') {
              assert.equal(table.add(id), table.add(id));
              onRoll.add(id);
            } else if (node && kind === 'alive') {
              table.markAlive(id, now, 0);
              naive.markAlive(id, now);
            } else if (node) {
              table.markLeft(node);
              naive.markLeft(id);
            }
          } else {
            table.asked = 0;
            const expired = [...table.expired(now)].map(({ node, health }) => `${node.id} ${health}`);
            // Each of the two queues is read up to the first node that is not expired.
            assert.ok(table.asked <= expired.length + 2, `${table.asked} for ${expired.length}`);
            assert.deepEqual(expired, naive.expired(now));
          }
          for (const id of ids) assert.equal(table.health(table.get(id), now), naive.health(id, now));
          assert.deepEqual([...table.values()].map(({ id }) => id).sort(), [...onRoll].sort());
          assert.equal(table.size, onRoll.size);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a heartbeat and a check cost the same with a hundred thousand nodes as with ten', () => {
  const counts = [10, 100_000].map(nodes => {
    const table = new Counted(limits);
    for (let i = 0; i < nodes; i++) table.markAlive(table.add(`n-${i}`).id, i / nodes, 0);
    table.asked = 0;
    assert.ok(table.markAlive('n-0', 2, 0));
    // Only the next oldest node has just become silent.
    const fallen = [...table.expired(45_000 + 1.5 / nodes)].length;
    assert.equal(fallen, 1);
    return table.asked;
  });
  assert.deepEqual(counts, [3, 3]);
});
