// Randomness as the rules see it, so that a test can seed it.
import { randomUUID } from 'node:crypto';

export interface Random {
  /** A number in [0, 1). */
  fraction(): number;
  /** A random UUID, version 4. */
  uuid(): string;
}

export const systemRandom: Random = { fraction: Math.random, uuid: () => randomUUID() };

/** `value` moved by at most `share` of itself either way: jitter(100, 0.1) is in [90, 110). */
export function jitter(random: Random, value: number, share: number): number {
  return value * (1 + share * (2 * random.fraction() - 1));
}

/** Exponential back-off in milliseconds: `first`, doubling with each failure up to `cap`, at most halved by jitter. */
export function backoff(random: Random, failures: number, first: number, cap: number): number {
  const full = Math.min(cap, first * 2 ** Math.min(failures, 30));
  return full * (0.5 + 0.5 * random.fraction());
}
