// Time as the rules see it: a monotonic clock for judgements, a wall clock for people, timers that can be faked.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back, unaffected by the wall clock. */
  monotonic(): number;
  /** The wall clock, for what people read. Never compared to decide anything. */
  now(): Date;
  /** Calls `fn` once, `delay` milliseconds from now. */
  after(delay: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  now: () => new Date(),
  after(delay, fn) {
    const handle = setTimeout(fn, delay);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delay` milliseconds of `clock`, or at once when `signal` aborts. */
export function sleep(clock: Clock, delay: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delay, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Waits for `work`, at most `limit` milliseconds of `clock`; whether it has ended by then. Rejects as it does. */
export async function endsWithin(clock: Clock, limit: number, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  try {
    return await Promise.race([work.then(() => true), sleep(clock, limit, over.signal).then(() => false)]);
  } finally {
    over.abort();
  }
}
