// Repeats an operation on the broker's store until it succeeds: a store that does not answer now may answer later.
import { type Clock, sleep } from '../../system/clock.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { backoff, type Random } from '../../system/random.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';

export interface RetryOptions {
  connection: Connection;
  clock: Clock;
  random: Random;
  log: Log;
  signal: AbortSignal;
  /** Log message for a failure that is retried. It is written at most once a minute for each cause. */
  failureText: string;
  onFailure?(error: BrokerError): void;
}

/**
 * Waits for the broker and runs `work`. While `work` throws a BrokerError, it is repeated. Resolves when `work` succeeds
 * or `signal` aborts. @throws any other error of `work`
 */
export async function retryOnBrokerError(work: () => Promise<void>, options: RetryOptions): Promise<void> {
  const { connection, clock, random, log, signal, failureText, onFailure } = options;
  const limited = limitedLog(log, clock);
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await connection.connected(signal);
      return await work();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof BrokerError)) throw error;
      onFailure?.(error);
      limited.warn(error.message, { err: error }, failureText);
      await sleep(clock, backoff(random, failures, 200, 5_000), signal);
    }
  }
}
