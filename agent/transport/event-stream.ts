// The event stream is a stream on JetStream. Each event is published with an acknowledgement and stored once for each id.
import { hash } from 'node:crypto';
import { creationOf } from './clustered.ts';
import { readContinuously, readOnce, type StorageEnvironment } from './consume.ts';
import { ensureDurable, listDurables, removeDurable } from './durables.ts';
import { publishBatch } from './event-batch.ts';
import { ApiError, apiErrors, callApi, publishStored, type StreamInfo, updateStream } from './jetstream.ts';
import { knowsFences } from './nats-version.ts';
import { BrokerError, type EventStream, type Fence, type StreamConfig } from './port.ts';
import { countRemoved } from './removed-messages.ts';
import { isShut, refuseShut } from './shut-stream.ts';
import { readStoredMessage } from './stored-message.ts';
import { createOnServers, StreamBirth } from './stream-birth.ts';

/** Opens the stream. Creates it when it does not exist, and changes it to `config` if needed. Throws BrokerError. */
export async function openStream(
  environment: StorageEnvironment,
  config: StreamConfig,
): Promise<EventStream> {
  const { name: stream } = config;
  if (!/^[A-Za-z0-9_-]+$/.test(stream))
    throw new BrokerError('refused', 'a stream has letters, digits, _ and - in its name');
  const birth = new StreamBirth(environment, stream, config);
  let takesBatches = false;
  const ensure = async () => {
    const info = await ensureStream(environment, config, birth);
    takesBatches = info.config.allow_atomic === true;
    return info;
  };
  const ensureOpen = async () => refuseShut(await ensure(), stream);
  await ensure();
  const secret = environment.random.uuid();
  return {
    publish: (subject, data, id, fence) =>
      publishOnce(environment, stream, secret, ensureOpen, { subject, data, id, fence }),
    publishBatch: async (events, fence) =>
      takesBatches
        ? publishBatch(environment, stream, events, fence ? fenceFields(fence) : {}, ensureOpen)
        : undefined,
    lastPerSubject: (filters, fn) =>
      readOnce(environment, { stream, filters, from: 'newest_of_each_subject' }, fn),
    fill: async () => {
      const { config: actual, created: answered, state } = await ensure();
      const created = creationOf(environment.connection, answered);
      const { bytes, messages, last_seq: lastSequence } = state;
      const isTrimmed = messages < lastSequence;
      return { created, bytes, maxBytes: Number(actual.max_bytes ?? -1), lastSequence, isTrimmed };
    },
    removedAfter: sequence =>
      countRemoved(environment.connection, stream, sequence, async () => (await ensure()).state.last_seq),
    newest: subject => readStoredMessage(environment.connection, stream, { last_by_subj: subject }),
    oldest: filter => readStoredMessage(environment.connection, stream, { seq: 1, next_by_subj: filter }),
    removeBefore: async (filter, sequence) => {
      const body = { filter, seq: sequence };
      const { purged } = await callApi(environment.connection, `STREAM.PURGE.${stream}`, body);
      return Number(purged ?? 0);
    },
    durables: prefix => listDurables(environment.connection, stream, prefix),
    ensureDurable: async durable => {
      await ensure();
      await ensureDurable(environment.connection, stream, durable);
    },
    removeDurable: durable => removeDurable(environment.connection, stream, durable),
    follow: ({ filter, since, after = 0 }, fn) => {
      let before: { created: string; sequence: number } | undefined;
      const nextRead = async () => {
        const { created: answered, state } = await ensure();
        const created = creationOf(environment.connection, answered);
        const isSameStream = before?.created === created && state.last_seq >= before.sequence;
        // The place to begin at says nothing about a stream that was made anew.
        if (!isSameStream) before = { created, sequence: before ? 0 : Math.min(after, state.last_seq) };
        const next = (before?.sequence ?? 0) + 1;
        const from = next > 1 ? { sequence: next } : since ? { time: since } : ('all' as const);
        return { stream, filters: [filter], from };
      };
      return readContinuously(environment, nextRead, {
        onMessage: message => {
          if (before) before.sequence = message.sequence;
          return fn(message, before?.created ?? '');
        },
        onCurrent: () => undefined,
      });
    },
  };
}

// Publishes an event under its id. The broker calls it a duplicate when anybody published under this id before, so only an
// equal stored message counts as ours. After another one, the event gets a message id that nobody can guess. That id is the
// same at each attempt, so an attempt whose answer was lost is not stored twice.
async function publishOnce(
  { connection, log }: StorageEnvironment,
  stream: string,
  secret: string,
  ensure: () => Promise<unknown>,
  { subject, data, id, fence }: { subject: string; data: string; id: string; fence: Fence | undefined },
): Promise<{ sequence: number; duplicate: boolean }> {
  const publish = (messageId: string) => {
    const fields = { 'Nats-Msg-Id': messageId, ...(fence ? fenceFields(fence) : {}) };
    return publishStored(connection, stream, subject, data, fields, ensure);
  };
  const first = await publish(id);
  if (!first.duplicate) return first;
  const stored = await readStoredMessage(connection, stream, { seq: first.sequence });
  if (stored?.subject === subject && Buffer.from(data).equals(stored.data)) return first;
  log.debug({ subject, sequence: first.sequence }, 'another message has the id of this event');
  return publish(`${id}:${hash('sha256', `${secret} ${id} ${subject} ${data}`)}`);
}

/** Size of the smallest useful stream, in bytes. */
const minBytes = 16 * 1024 * 1024;

async function ensureStream(
  environment: StorageEnvironment,
  config: StreamConfig,
  birth: StreamBirth,
): Promise<StreamInfo> {
  const { connection, log } = environment;
  const { name } = config;
  const wanted = streamConfig(config, knowsFences(connection.link?.info?.version ?? ''));
  const info = await birth.find(() => createWithSpace(config));
  if (isShut(info.config, name) || isSame(info.config, wanted)) return info;
  try {
    // An update never changes on how many servers the stream is: raised in place, acknowledged writes can be lost.
    return await updateStream(connection, name, { ...info.config, ...wanted });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { subjects } = info.config;
    if (!Array.isArray(subjects) || !config.subjects.every(each => subjects.includes(each)))
      throw new BrokerError(
        'refused',
        `the broker has another stream ${name}, which muster may not change: ${error.message}`,
      );
    log.debug({ err: error, stream: name }, 'the stream is kept as it is');
    return info;
  }

  // Creates the stream. The broker reserves all of `maxBytes`, so on a small disk a smaller stream is created.
  async function createWithSpace({ maxBytes }: StreamConfig): Promise<StreamInfo> {
    try {
      const created = await createOnServers(environment, name, { ...wanted, max_bytes: maxBytes });
      if (maxBytes < config.maxBytes)
        log.warn({ stream: name, maxBytes }, 'the broker has little space, so fewer events are kept');
      return created;
    } catch (error) {
      if (!isTooLarge(error) || maxBytes <= minBytes) throw error;
      const less = Math.max(minBytes, Math.floor(maxBytes / 4));
      return await createWithSpace({ ...config, maxBytes: less });
    }
  }
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof ApiError &&
  error.fault === 'no_space' &&
  (error.code === apiErrors.storageExceeded || error.code === apiErrors.noPlace);

const fenceFields = ({ subject, sequence }: Fence): Record<string, string> => ({
  'Nats-Expected-Last-Subject-Sequence': String(sequence),
  'Nats-Expected-Last-Subject-Sequence-Subject': subject,
});

function streamConfig(
  { subjects, maxAgeMs, maxBytes }: StreamConfig,
  takesBatches: boolean,
): Record<string, unknown> {
  return {
    subjects,
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    max_consumers: -1,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    max_bytes: maxBytes,
    max_age: maxAgeMs * 1e6,
    max_msg_size: -1,
    duplicate_window: 120_000_000_000,
    allow_direct: true,
    // An older server says that it knows no such member, or forgets it.
    ...(takesBatches ? { allow_atomic: true } : {}),
  };
}

function isSame(existing: Record<string, unknown>, wanted: Record<string, unknown>): boolean {
  const keys = ['subjects', 'max_age', 'max_bytes', 'allow_atomic'];
  return keys.every(
    key => wanted[key] === undefined || JSON.stringify(existing[key]) === JSON.stringify(wanted[key]),
  );
}
