// Makes a health watch over a broker in memory, and records what the watch announces.
import assert from 'node:assert/strict';
import type { Health } from '../../../agent/protocol/node-state.ts';
import type { HealthChange } from '../../../agent/requester/health/health-announcements.ts';
import { HealthWatch, type HealthWatchOptions } from '../../../agent/requester/health/health-watch.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

export const limits = { disconnectedAfterMs: 45_000, unknownAfterMs: 90_000 };
export const hour = 3_600_000;
export const day = 24 * hour;

interface Announced extends HealthChange {
  /** Monotonic time, in milliseconds. */
  at: number;
}

/** Starts a watch over nodes, each with the health that was announced last. */
export function begin(nodes: Record<string, Health>, options: Partial<HealthWatchOptions> = {}) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  const announced: Announced[] = [];
  const degradations: (string | undefined)[] = [];
  const watch = new HealthWatch({
    clock,
    log: silentLog,
    connection,
    instance: 'i-1',
    limits,
    checkIntervalMs: 5_000,
    announcer: {
      announceHealth: change => void announced.push({ at: clock.monotonic(), ...change }),
      announcedHealth: id => announced.findLast(({ node }) => node === id)?.current ?? nodes[id] ?? 'UNKNOWN',
      announceDegraded: reason => void degradations.push(reason),
    },
    ...options,
  });
  for (const [id, health] of Object.entries(nodes)) watch.add(id, health);
  watch.start();
  return { clock, broker, connection, watch, announced, degradations };
}

/** Starts a watch and lets 50 s pass: the grace is over, and every node is HEALTHY and has just sent a sign of life. */
export async function watching(ids = ['node-1'], options: Partial<HealthWatchOptions> = {}) {
  const all = begin(Object.fromEntries(ids.map(id => [id, 'HEALTHY'])), options);
  for (const wait of [20_000, 20_000, 10_000]) {
    await all.clock.advance(wait);
    for (const id of ids) all.watch.markAlive(id);
  }
  assert.equal(all.announced.length, 0);
  return all;
}

/** Returns `<ms since the start> <node> <kind>` for each announcement. */
export const lines = (announced: Announced[]) =>
  announced.map(({ at, node, kind }) => `${at} ${node} ${kind}`);
