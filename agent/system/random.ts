// The random source of all rules. Tests use a seeded one.
import { randomUUID } from 'node:crypto';

export interface Random {
  /** Returns a number in [0, 1). */
  fraction(): number;
  /** Returns a random UUID, version 4. */
  uuid(): string;
}

export const systemRandom: Random = { fraction: Math.random, uuid: () => randomUUID() };

/** Returns `value`, changed at random by at most `share` of itself: jitter(100, 0.1) is in [90, 110). */
export function jitter(random: Random, value: number, share: number): number {
  return value * (1 + share * (2 * random.fraction() - 1));
}

/**
 * Returns the time to wait after `failures` failures, in milliseconds: `firstMs`, doubled with each failure up to
 * `maxMs`, and then reduced at random by at most half.
 */
export function backoff(random: Random, failures: number, firstMs: number, maxMs: number): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30));
  return full * (0.5 + 0.5 * random.fraction());
}
