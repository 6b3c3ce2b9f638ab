// The rule of health at its boundaries, and the queue of last-seen times beside a naive one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Health } from '../../../agent/protocol/node-state.ts';
import { type HealthLimits, healthOf, type Pulse, Pulses } from '../../../agent/requester/health/health.ts';

const limits = { disconnectedAfter: 45_000, unknownAfter: 90_000 };

test('silence is judged at its limits, to the millisecond', () => {
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

test('with both limits the same a node is never UNHEALTHY', () => {
  const same = { disconnectedAfter: 10, unknownAfter: 10 };
  assert.deepEqual(
    [9, 10, 11].map(silence => healthOf(silence, same)),
    ['HEALTHY', 'UNKNOWN', 'UNKNOWN'],
  );
});

/** Looks at every node each time, as the queue must not. */
class Naive {
  readonly nodes = new Map<string, { lastSeen: number | undefined; order: number; fallen: Health }>();
  readonly limits: HealthLimits;
  #order = 0;

  constructor(limits: HealthLimits) {
    this.limits = limits;
  }

  heard(id: string, now: number): void {
    this.nodes.set(id, { lastSeen: now, order: this.#order++, fallen: 'HEALTHY' });
  }

  left(id: string): void {
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

/** Counts the judgements that a check needs. */
class Counted extends Pulses {
  judged = 0;

  override health(pulse: Pulse | undefined, now: number): Health {
    this.judged++;
    return super.health(pulse, now);
  }
}

const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('heard'), id: fc.constantFrom(...ids) }) },
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

test('whatever is heard, leaves, is deleted or falls silent, the queue says what looking at every node says', () => {
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 120, size: 'max' }),
      fc.constantFrom(10, 20),
      (operations, unknownAfter) => {
        const limits = { disconnectedAfter: 10, unknownAfter };
        const pulses = new Counted(limits);
        const naive = new Naive(limits);
        const onRoll = new Set<string>();
        let now = 0;
        for (const each of operations) {
          if ('ms' in each) now += each.ms;
          else if ('id' in each) {
            const { kind, id } = each;
            const pulse = pulses.get(id);
            if (kind === 'delete') {
              pulses.delete(id);
              naive.nodes.delete(id);
              onRoll.delete(id);
            } else if (kind === 'add') {
              assert.equal(pulses.add(id), pulses.add(id));
              onRoll.add(id);
            } else if (pulse && kind === 'heard') {
              pulses.heard(pulse, now, 0);
              naive.heard(id, now);
            } else if (pulse) {
              pulses.left(pulse);
              naive.left(id);
            }
          } else {
            pulses.judged = 0;
            const expired = [...pulses.expired(now)].map(({ pulse, health }) => `${pulse.id} ${health}`);
            // Each of the two queues is looked at once past its fallen ones.
            assert.ok(pulses.judged <= expired.length + 2, `${pulses.judged} for ${expired.length}`);
            assert.deepEqual(expired, naive.expired(now));
          }
          for (const id of ids) assert.equal(pulses.health(pulses.get(id), now), naive.health(id, now));
          assert.deepEqual([...pulses.values()].map(({ id }) => id).sort(), [...onRoll].sort());
          assert.equal(pulses.size, onRoll.size);
          assertLinked([...pulses.values()]);
        }
      },
    ),
    { numRuns: 300 },
  );
});

/** At most one entry a node, none of a node that is gone, and neighbours agree. */
function assertLinked(pulses: Pulse[]): void {
  const known = new Set(pulses);
  for (const pulse of pulses) {
    if (!pulse.queue) assert.ok(!pulse.older && !pulse.newer);
    if (pulse.older) assert.ok(known.has(pulse.older) && pulse.older.newer === pulse);
    if (pulse.newer) assert.ok(known.has(pulse.newer) && pulse.newer.older === pulse);
    if (pulse.newer) assert.ok(Number(pulse.lastSeen) <= Number(pulse.newer.lastSeen));
    if (!pulse.older && pulse.queue) assert.equal(pulse.queue.oldest, pulse);
  }
}

test('a heartbeat and a check cost the same with a hundred thousand nodes as with ten', () => {
  const judgements = [10, 100_000].map(nodes => {
    const pulses = new Counted(limits);
    for (let i = 0; i < nodes; i++) pulses.heard(pulses.add(`n-${i}`), i / nodes, 0);
    pulses.judged = 0;
    const first = pulses.get('n-0');
    assert.ok(first);
    pulses.heard(first, 2, 0);
    // The next oldest, and no more, has just fallen silent.
    const fallen = [...pulses.expired(45_000 + 1.5 / nodes)].length;
    assert.equal(fallen, 1);
    return pulses.judged;
  });
  assert.deepEqual(judgements, [2, 2]);
});
