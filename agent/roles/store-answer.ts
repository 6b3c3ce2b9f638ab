// Waits for the answer of a store on a NATS of one's own, whose servers may have been started a moment ago.
import { type Clock, sleep } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { BrokerError } from '../transport/port.ts';

/** How long it is asked again while the servers choose a leader, and the time between two questions, in milliseconds. */
const longestMs = 30_000;
const betweenMs = 500;

/**
 * Returns the first answer to a question that changes nothing. Servers that were all started together take some seconds until
 * they have a leader. @throws MusterError `unreachable` when none came in time; any other error of the question
 */
export async function storeAnswer<T>(clock: Clock, ask: () => Promise<T>): Promise<T> {
  const began = clock.monotonic();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      if (clock.monotonic() - began < longestMs) await sleep(clock, betweenMs);
      else
        throw new MusterError(
          'unreachable',
          `the store of the NATS servers does not answer: ${error.message}`,
          {
            hint: 'nothing was changed; see that more than half of the servers run and reach each other, then try again',
            cause: error,
          },
        );
    }
  }
}
