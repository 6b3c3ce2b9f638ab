// A stream of events: published with an acknowledgement, each id stored once, read from any time on.
import { orWithoutStream } from './bucket.ts';
import { keepReading, readOnce, type StoreEnvironment } from './consume.ts';
import {
  ApiError,
  apiErrors,
  createStream,
  type StreamInfo,
  store,
  streamInfo,
  updateStream,
} from './jetstream.ts';
import { BrokerError, type EventStream, type StreamConfig } from './port.ts';

/** Opens the stream, creating it when absent and bringing it up to `config`. @throws BrokerError */
export async function openStream(environment: StoreEnvironment, config: StreamConfig): Promise<EventStream> {
  const { name: stream } = config;
  if (!/^[A-Za-z0-9_-]+$/.test(stream))
    throw new BrokerError('refused', 'a stream has letters, digits, _ and - in its name');
  const ensure = () => ensureStream(environment, config);
  await ensure();
  return {
    publish: (subject, data, id) =>
      orWithoutStream(() => store(environment.wire, stream, subject, data, { 'Nats-Msg-Id': id }), ensure),
    lastPerSubject: (filter, fn) =>
      readOnce(environment, { stream, filter, from: 'newest_of_each_subject' }, fn),
    follow: ({ filter, since }, fn) => {
      let before: { created: string; sequence: number } | undefined;
      const plan = async () => {
        const { created, state } = await ensure();
        const goesOn = before?.created === created && state.last_seq >= before.sequence;
        if (!goesOn) before = { created, sequence: 0 };
        const next = (before?.sequence ?? 0) + 1;
        const from = next > 1 ? { sequence: next } : since ? { time: since } : ('all' as const);
        return { stream, filter, from };
      };
      return keepReading(environment, plan, {
        message: message => {
          if (before) before.sequence = message.sequence;
          return fn(message);
        },
        current: () => undefined,
      });
    },
  };
}

/** The least room for events worth having, in bytes. */
const leastBytes = 16 * 1024 * 1024;

async function ensureStream({ wire, log }: StoreEnvironment, config: StreamConfig): Promise<StreamInfo> {
  const { name } = config;
  const wanted = streamConfig(config);
  const info = await streamInfo(wire, name);
  if (!info) return await createWithRoom(config);
  if (same(info.config, wanted)) return info;
  try {
    return await updateStream(wire, name, { ...info.config, ...wanted });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { subjects } = info.config;
    if (!Array.isArray(subjects) || !config.subjects.every(each => subjects.includes(each)))
      throw new BrokerError(
        'refused',
        `the broker has another stream ${name}, and does not let us change it: ${error.message}`,
      );
    log.debug({ err: error, stream: name }, 'the stream is kept as it is');
    return info;
  }

  /** The broker sets the whole of `maxBytes` aside; a small disk has room for less. */
  async function createWithRoom({ maxBytes }: StreamConfig): Promise<StreamInfo> {
    try {
      return await createStream(wire, name, { ...wanted, max_bytes: maxBytes });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== apiErrors.storageExceeded || maxBytes <= leastBytes)
        throw error;
      const less = Math.max(leastBytes, Math.floor(maxBytes / 4));
      log.warn({ stream: name, maxBytes: less }, 'the broker has little room: fewer events are kept');
      return await createWithRoom({ ...config, maxBytes: less });
    }
  }
}

function streamConfig({ subjects, maxAge, maxBytes }: StreamConfig): Record<string, unknown> {
  return {
    subjects,
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    num_replicas: 1,
    max_consumers: -1,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    max_bytes: maxBytes,
    max_age: maxAge * 1e6,
    max_msg_size: -1,
    duplicate_window: 120_000_000_000,
    allow_direct: true,
  };
}

function same(existing: Record<string, unknown>, wanted: Record<string, unknown>): boolean {
  const keys = ['subjects', 'max_age', 'max_bytes'];
  return keys.every(key => JSON.stringify(existing[key]) === JSON.stringify(wanted[key]));
}
