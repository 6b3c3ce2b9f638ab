// Work on the broker's store that is tried for as long as it takes: a store that does not answer now may answer later.
import { type Clock, sleep } from '../system/clock.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { backoff, type Random } from '../system/random.ts';
import { BrokerError, type Connection } from '../transport/port.ts';

export interface PersevereOptions {
  connection: Connection;
  clock: Clock;
  random: Random;
  log: Log;
  signal: AbortSignal;
  /** What a failure that is tried again is logged as, once a minute and cause. */
  failed: string;
  /** Told of each failure. */
  failure?(error: BrokerError): void;
}

/** Resolves when `work` has, or `signal` aborts. What is no BrokerError is thrown on. */
export async function persevere(work: () => Promise<void>, options: PersevereOptions): Promise<void> {
  const { connection, clock, random, log, signal, failed, failure } = options;
  const limited = limitedLog(log, clock);
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await connection.connected(signal);
      return await work();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof BrokerError)) throw error;
      failure?.(error);
      limited.warn(error.message, { err: error }, failed);
      await sleep(clock, backoff(random, failures, 200, 5_000), signal);
    }
  }
}
