// The clock gives all rules monotonic time for decisions, wall time for people, and timers. Tests use a fake one.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Returns the milliseconds since an arbitrary start. They never go back, even when the wall clock is changed. */
  monotonic(): number;
  /** Returns the wall time, for people to read. Decisions must not depend on it. */
  now(): Date;
  /** Calls `fn` once, after `delayMs` milliseconds; as soon as possible when that time is over already. */
  after(delayMs: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  monotonic() {
    // `performance` would load another module of Node at each start.
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  now: () => new Date(),
  after(delayMs, fn) {
    const handle = setTimeout(fn, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs` milliseconds of `clock`, or at once when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Waits at most `limitMs` milliseconds for `work`. Returns whether `work` ended in time; rejects if `work` does. */
export async function endsWithin(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<boolean> {
  const stopWaiting = new AbortController();
  try {
    return await Promise.race([
      work.then(() => true),
      sleep(clock, limitMs, stopWaiting.signal).then(() => false),
    ]);
  } finally {
    stopWaiting.abort();
  }
}
