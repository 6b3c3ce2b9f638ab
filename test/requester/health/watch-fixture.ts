// A vigil over a broker in memory, with what it told written down.
import assert from 'node:assert/strict';
import type { Evidence, HealthKind } from '../../../agent/protocol/events.ts';
import type { Health } from '../../../agent/protocol/node-state.ts';
import { Vigil, type VigilOptions } from '../../../agent/requester/health/health-watch.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

export const limits = { disconnectedAfter: 45_000, unknownAfter: 90_000 };
export const hour = 3_600_000;
export const day = 24 * hour;

interface Told {
  at: number;
  node: string;
  kind: HealthKind;
  previous: Health;
  current: Health;
  evidence: Evidence;
}

/** A vigil from its start on, with what it told. `told`: the health that each node was announced with before. */
export function begin(nodes: Record<string, Health>, options: Partial<VigilOptions> = {}) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  const told: Told[] = [];
  const doubts: (string | undefined)[] = [];
  const vigil = new Vigil({
    clock,
    log: silentLog,
    connection,
    instance: 'i-1',
    limits,
    checkEvery: 5_000,
    announce: (node, kind, previous, current, evidence) =>
      told.push({ at: clock.monotonic(), node, kind, previous, current, evidence }),
    doubt: reason => doubts.push(reason),
    ...options,
  });
  for (const [id, health] of Object.entries(nodes)) vigil.add(id, health);
  vigil.start();
  return { clock, broker, connection, vigil, told, doubts };
}

/** The same, 50 s on: past the grace, with every node just heard and told HEALTHY. */
export async function watching(ids = ['node-1'], options: Partial<VigilOptions> = {}) {
  const all = begin(Object.fromEntries(ids.map(id => [id, 'HEALTHY'])), options);
  for (const wait of [20_000, 20_000, 10_000]) {
    await all.clock.advance(wait);
    for (const id of ids) all.vigil.heard(id);
  }
  assert.equal(all.told.length, 0);
  return all;
}

/** `<ms since the start> <node> <kind>` of each. */
export const lines = (told: Told[]) => told.map(({ at, node, kind }) => `${at} ${node} ${kind}`);
