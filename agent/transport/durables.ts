// A durable is a consumer of JetStream: a place in a stream that the broker keeps for one reader. These functions make,
// list, and remove durables.
import * as v from 'valibot';
import { ApiError, apiErrors, callApi, type StorageConnection } from './jetstream.ts';
import { BrokerError, type DurableConfig, type DurableState } from './port.ts';

/** What one reader may ask for, so that none holds up the broker or the others. Times are in nanoseconds. */
const limits = {
  /** Time after which a message that was not acknowledged is sent again. */
  ack_wait: 10_000_000_000,
  max_deliver: -1,
  /** Only one message is under way, so that messages come in order, also when a reader ends before it has acknowledged. */
  max_ack_pending: 1,
  /** Number of requests for messages that wait at a time, of messages in one, and the longest time that one waits. */
  max_waiting: 32,
  max_batch: 500,
  max_expires: 30_000_000_000,
};

const listedSchema = v.object({
  total: v.number(),
  consumers: v.nullish(
    v.array(
      v.object({
        name: v.string(),
        num_pending: v.optional(v.number(), 0),
        num_ack_pending: v.optional(v.number(), 0),
        delivered: v.optional(v.object({ consumer_seq: v.optional(v.number(), 0) }), {}),
      }),
    ),
    [],
  ),
});

/** Returns the durables of a stream whose names begin with `prefix`; none without such a stream. Throws BrokerError. */
export async function listDurables(
  connection: StorageConnection,
  stream: string,
  prefix: string,
): Promise<DurableState[]> {
  const found: DurableState[] = [];
  for (let offset = 0, total = 1; offset < total; ) {
    const answer = await callApi(connection, `CONSUMER.LIST.${stream}`, { offset }).catch(noneIfAbsent);
    const page = v.safeParse(listedSchema, answer);
    if (!page.success)
      throw new BrokerError(
        'refused',
        'the broker listed its consumers in a way that muster does not understand',
      );
    const { consumers } = page.output;
    for (const { name, num_pending: unread, num_ack_pending: unacknowledged, delivered } of consumers ?? [])
      if (name.startsWith(prefix))
        found.push({ name, unread, unacknowledged, delivered: delivered.consumer_seq ?? 0 });
    total = page.output.total;
    offset += Math.max(consumers?.length ?? 0, 1);
  }
  return found;
}

/** Makes a durable. One that exists keeps its place, and gets the present limits. Throws BrokerError. */
export async function ensureDurable(
  connection: StorageConnection,
  stream: string,
  { name, description, filter, since }: DurableConfig,
): Promise<void> {
  const info = await callApi(connection, `CONSUMER.INFO.${stream}.${name}`).catch(noneIfAbsent);
  const existing = info.config as Record<string, unknown> | undefined;
  const present = { ...limits, filter_subject: filter };
  if (existing && Object.entries(present).every(([key, value]) => existing[key] === value)) return;
  const start = since
    ? { deliver_policy: 'by_start_time', opt_start_time: since.toISOString() }
    : { deliver_policy: 'all' };
  const wanted = {
    durable_name: name,
    name,
    description,
    ack_policy: 'explicit',
    replay_policy: 'instant',
    ...start,
  };
  const config = { ...(existing ?? wanted), ...present };
  await callApi(connection, `CONSUMER.DURABLE.CREATE.${stream}.${name}`, { stream_name: stream, config });
}

/** Removes a durable, if there is one of this name. Throws BrokerError. */
export async function removeDurable(
  connection: StorageConnection,
  stream: string,
  name: string,
): Promise<void> {
  await callApi(connection, `CONSUMER.DELETE.${stream}.${name}`).catch(noneIfAbsent);
}

function noneIfAbsent(error: unknown): Record<string, unknown> {
  const isAbsent =
    error instanceof ApiError &&
    (error.code === apiErrors.consumerNotFound || error.code === apiErrors.streamNotFound);
  if (!isAbsent) throw error;
  return { total: 0, consumers: [] };
}
