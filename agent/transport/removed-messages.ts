// Counts the messages of a stream that were removed after a certain one, so that a reader who was away knows of a gap.
import { callApi, type StorageConnection } from './jetstream.ts';
import { BrokerError } from './port.ts';

/** Time after which the broker forgets the consumer that counts, in nanoseconds. */
const forgottenAfterNs = 5e9;
const attempts = 20;

/**
 * Returns how many messages after `sequence` the stream does not have any more; less than 0 when it does not reach so far.
 * `lastSequence` asks for the newest one. @throws BrokerError
 */
export async function countRemoved(
  connection: StorageConnection,
  stream: string,
  sequence: number,
  lastSequence: () => Promise<number>,
): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = await lastSequence();
    if (before < sequence) return before - sequence;
    const config = {
      deliver_policy: 'by_start_sequence',
      opt_start_seq: sequence + 1,
      ack_policy: 'none',
      inactive_threshold: forgottenAfterNs,
      mem_storage: true,
      num_replicas: 1,
    };
    const answer = await callApi(connection, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config });
    // A message that came meanwhile is in one of the numbers, and nobody knows in which.
    if ((await lastSequence()) === before) return before - sequence - Number(answer.num_pending ?? 0);
  }
  throw new BrokerError('timeout', `${stream} gets too many messages to count those that are missing`);
}
