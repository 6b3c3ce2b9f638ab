// Repeats what is asked of a store in a cluster. When the server dies that takes the writes of a stream, the others elect
// another one within some seconds, and whatever was asked meanwhile gets no answer.
import { type Clock, sleep } from '../system/clock.ts';
import type { StorageConnection } from './jetstream.ts';
import { BrokerError } from './port.ts';

/**
 * Times in milliseconds: how long one attempt waits, the least time between the first two, which doubles with each attempt, the
 * most that this becomes, and the longest time for all of them.
 */
export const attemptTimesMs = { one: 1_000, first: 10, between: 200, all: 12_000 };

/**
 * Asks a single server once. Asks a cluster again while nobody answers in time. An attempt without an answer may have been
 * carried out, so `ask` must do the same when it is repeated: a write names the revision that it replaces. @throws
 * BrokerError of the last attempt
 */
export async function inAttempts<T>(
  { connection, clock }: { connection: StorageConnection; clock: Clock },
  ask: (connection: StorageConnection) => Promise<T>,
): Promise<T> {
  if (!connection.isClustered) return ask(connection);
  const began = clock.monotonic();
  for (let betweenMs = attemptTimesMs.first; ; betweenMs = Math.min(2 * betweenMs, attemptTimesMs.between)) {
    const attemptAt = clock.monotonic();
    try {
      return await ask(withShortTimeout(connection));
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault !== 'timeout') throw error;
      if (clock.monotonic() - began + attemptTimesMs.one > attemptTimesMs.all) throw error;
    }
    // A server without a leader answers at once that it has none, and a leader that a write of the same key is under way. The
    // latter usually takes some milliseconds, and without a quorum until there is one.
    await sleep(clock, Math.max(0, betweenMs - (clock.monotonic() - attemptAt)));
  }
}

/** Returns the connection with the shorter time-out of one attempt. */
const withShortTimeout = (connection: StorageConnection): StorageConnection => ({
  storeTimeoutMs: Math.min(attemptTimesMs.one, connection.storeTimeoutMs),
  get isClustered() {
    return connection.isClustered;
  },
  get link() {
    return connection.link;
  },
  get closed() {
    return connection.closed;
  },
  onLink: fn => connection.onLink(fn),
  requestRaw: (...request) => connection.requestRaw(...request),
  hurry: () => connection.hurry(),
});
