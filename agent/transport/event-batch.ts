// Publishes several events as one atomic batch: the broker stores all of them, one directly after the other, or none.

import { isSubject } from './client-message.ts';
import type { StorageEnvironment } from './consume.ts';
import { ApiError, apiErrors, isWithoutStream, parseAnswer } from './jetstream.ts';
import { makeHeaders } from './outgoing-headers.ts';
import { BrokerError, type EventToPublish } from './port.ts';

/** The answers that say that nothing was stored, and that another attempt with the same batch would end in the same way. */
const useless: readonly number[] = [apiErrors.batchesDisabled, apiErrors.batchHasDuplicate];

/**
 * Publishes the events with these further headers. Returns the sequence of the last one, or undefined when they have to be
 * published one by one: the stream takes no batches, or it has one of the events already. It calls `ensureStream` when there
 * is no stream. @throws BrokerError
 */
export async function publishBatch(
  { connection, random }: StorageEnvironment,
  stream: string,
  events: readonly EventToPublish[],
  fields: Record<string, string>,
  ensureStream: () => Promise<unknown>,
): Promise<number | undefined> {
  const { link } = connection;
  const last = events.at(-1);
  if (!link || link.isClosed()) throw new BrokerError('disconnected', 'not connected to the broker');
  if (!last) throw new BrokerError('refused', 'a batch has at least one event');
  if (!events.every(({ subject }) => isSubject(subject)))
    throw new BrokerError('refused', 'a subject is empty or holds blanks');
  const batch = random.uuid();
  const headersOf = (event: EventToPublish, number: number) =>
    makeHeaders({
      ...fields,
      'Nats-Msg-Id': event.id,
      'Nats-Expected-Stream': stream,
      'Nats-Batch-Id': batch,
      'Nats-Batch-Sequence': String(number),
      ...(event === last ? { 'Nats-Batch-Commit': '1' } : {}),
    });
  for (const [index, event] of events.slice(0, -1).entries())
    link.publish(event.subject, event.data, { headers: headersOf(event, index + 1) });
  const commit = headersOf(last, events.length);
  try {
    const { data } = await connection.requestRaw(last.subject, last.data, connection.storeTimeoutMs, commit);
    const answer = parseAnswer(data, `a batch of ${events.length} events`);
    // A server that knows no batches has taken each event by itself.
    if (answer.batch !== batch) return undefined;
    if (answer.stream !== stream || answer.count !== events.length || typeof answer.seq !== 'number')
      throw new BrokerError('refused', `what takes the events is not the stream ${stream}`);
    return answer.seq;
  } catch (error) {
    if (error instanceof ApiError && useless.includes(error.code)) return undefined;
    if (!isWithoutStream(error)) throw error;
    await ensureStream();
    const text = `the broker made the stream but did not store the batch yet: ${error.message}`;
    throw new BrokerError('timeout', text, { cause: error });
  }
}
