// A key-value bucket is a JetStream stream with one subject for each key. It has exactly the layout of Bacalhau's bucket, so
// that each program can open the bucket of the other. In Bacalhau, nats.go's CreateKeyValue makes the bucket from a name
// alone.
import type { MsgHdrs } from 'nats';
import { inAttempts } from './attempts.ts';
import { creationOf } from './clustered.ts';
import { readContinuously, type StorageEnvironment } from './consume.ts';
import { ApiError, apiErrors, callApi, publishStored, type StreamInfo } from './jetstream.ts';
import {
  BrokerError,
  type Bucket,
  type BucketConfig,
  type BucketEntry,
  type BucketState,
  type BucketWatch,
  isRefusal,
  isRevisionConflict,
  type WatchPasses,
} from './port.ts';
import type { StoredMessage } from './received-message.ts';
import { isShut, refuseShut } from './shut-stream.ts';
import { readStoredMessage } from './stored-message.ts';
import { createOnServers, StreamBirth } from './stream-birth.ts';
import { StreamFloor } from './stream-floor.ts';

/** Opens the bucket, and creates it when it does not exist. Throws BrokerError. */
export async function openBucket(
  environment: StorageEnvironment,
  { name, isKnown = false, precedes }: BucketConfig,
): Promise<Bucket> {
  if (!/^[A-Za-z0-9_-]+$/.test(name))
    throw new BrokerError('refused', 'a bucket has letters, digits, _ and - in its name');
  const birth = new StreamBirth(environment, `KV_${name}`, { isKnown, precedes });
  const ensure = () => ensureBucket(environment, name, birth);
  await ensure();
  return new StreamBucket(environment, name, ensure);
}

class StreamBucket implements Bucket {
  readonly #environment: StorageEnvironment;
  readonly #name: string;
  readonly #stream: string;
  /** Finds the bucket's stream, or makes it. */
  readonly #ensure: () => Promise<StreamInfo>;
  readonly #floor: StreamFloor;
  /** The length of what stands before a key in its subject. */
  readonly #prefixLength: number;

  constructor(environment: StorageEnvironment, name: string, ensure: () => Promise<StreamInfo>) {
    this.#environment = environment;
    this.#name = name;
    this.#stream = `KV_${name}`;
    this.#prefixLength = `$KV.${name}.`.length;
    this.#ensure = ensure;
    this.#floor = new StreamFloor(environment);
  }

  async state(): Promise<BucketState> {
    const { created, state } = await this.#floor.ask(this.#ensure);
    return {
      created: creationOf(this.#environment.connection, created),
      lastRevision: state.last_seq,
      keys: state.messages,
    };
  }

  async get(key: string): Promise<BucketEntry | undefined> {
    const subject = this.#subject(key);
    try {
      const message = await inAttempts(this.#environment, connection =>
        readStoredMessage(connection, this.#stream, { last_by_subj: subject }),
      );
      return message && this.#toEntry(message);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== apiErrors.streamNotFound) throw error;
      await this.#ensure();
      return undefined;
    }
  }

  put(key: string, value: Uint8Array, revision: number): Promise<number> {
    return this.#write(key, value, revision, {});
  }

  purge(key: string, revision: number, headers: Record<string, string>): Promise<number> {
    const marker = { ...headers, 'KV-Operation': 'PURGE', 'Nats-Rollup': 'sub' };
    return this.#write(key, new Uint8Array(), revision, marker);
  }

  async remove(key: string, revision: number): Promise<void> {
    const body = { filter: this.#subject(key), seq: revision + 1 };
    await callApi(this.#environment.connection, `STREAM.PURGE.${this.#stream}`, body);
  }

  watch(fn: (entry: BucketEntry) => void, passes: WatchPasses = {}): Promise<BucketWatch> {
    let before: { created: string; sequence: number } | undefined;
    /** The newest message of the present pass, and that of all passes before it. */
    let newest = 0;
    let newestBefore = 0;
    const nextRead = async () => {
      const { created: answered, state } = await this.#floor.ask(this.#ensure);
      const created = creationOf(this.#environment.connection, answered);
      const onBegin = () => {
        // When a store was restored from a backup, it has the same name and time of creation, but fewer messages.
        const lost = before !== undefined && (before.created !== created || state.last_seq < before.sequence);
        before = { created, sequence: lost ? 0 : (before?.sequence ?? 0) };
        newest = 0;
        newestBefore = before.sequence;
        passes.begin?.({ lost });
      };
      return {
        stream: this.#stream,
        filters: (passes.prefixes?.map(each => `${each}*`) ?? ['>']).map(each => `$KV.${this.#name}.${each}`),
        from: 'newest_of_each_subject' as const,
        onBegin,
      };
    };
    return readContinuously(this.#environment, nextRead, {
      onMessage: message => {
        if (before) before.sequence = Math.max(before.sequence, message.sequence);
        newest = Math.max(newest, message.sequence);
        this.#floor.note(message.sequence);
        fn(this.#toEntry(message));
      },
      onCurrent: () => {
        const complete = () => passes.complete?.();
        // The server that sends the entries may be behind the leader.
        return newest < newestBefore && this.#environment.connection.isClustered
          ? this.#has(newestBefore).then(has => (has ? 'behind' : complete()))
          : complete();
      },
    });
  }

  // Returns whether the stream still has the message of a sequence.
  async #has(sequence: number): Promise<boolean> {
    const { connection } = this.#environment;
    return (await readStoredMessage(connection, this.#stream, { seq: sequence })) !== undefined;
  }

  async #write(
    key: string,
    value: Uint8Array,
    revision: number,
    headers: Record<string, string>,
  ): Promise<number> {
    const fields = { ...headers, 'Nats-Expected-Last-Subject-Sequence': String(revision) };
    let attempts = 0;
    let mayStand = false;
    try {
      const subject = this.#subject(key);
      const stored = await inAttempts(this.#environment, async connection => {
        attempts++;
        try {
          return await publishStored(connection, this.#stream, subject, value, fields, async () =>
            refuseShut(await this.#ensure(), this.#stream),
          );
        } catch (error) {
          mayStand ||= !isWriteUnderWay(error);
          throw error;
        }
      });
      this.#floor.note(stored.sequence);
      return stored.sequence;
    } catch (error) {
      // The leader has refused each attempt, so none was begun.
      if (isWriteUnderWay(error) && !mayStand)
        throw new BrokerError('write_under_way', error.message, { cause: error });
      if (attempts > 1 && error instanceof BrokerError && isLaterRefusal(error)) throw unanswered(error);
      if (!isRevisionConflict(error)) throw error;
      throw new BrokerError(
        'revision_conflict',
        `somebody else wrote ${this.#name}/${key} after revision ${revision}`,
        {
          cause: error,
        },
      );
    }
  }

  /**
   * Returns the subject of `key`. NATS allows more keys than muster has node ids, and Bacalhau may have stored such keys.
   */
  #subject(key: string): string {
    if (!/^[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*$/.test(key))
      throw new BrokerError('refused', 'a key has letters, digits and -_=/. in it');
    return `$KV.${this.#name}.${key}`;
  }

  #toEntry(message: StoredMessage): BucketEntry {
    return new StoredEntry(message, this.#prefixLength);
  }
}

/** An entry. Its time is read when somebody asks for it, because hardly anybody does. */
class StoredEntry implements BucketEntry {
  readonly #timed: { readonly time: Date };
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly marker: boolean;
  readonly headers: Record<string, string>;

  constructor(message: StoredMessage, prefixLength: number) {
    const { subject, data, headers, sequence } = message;
    this.key = subject.slice(prefixLength);
    this.marker = headers !== undefined && isMarker(headers);
    this.value = this.marker ? new Uint8Array() : data;
    // A message keeps a whole chunk of what came from the broker, and a marker may be held for a while.
    this.#timed = this.marker ? { time: message.time } : message;
    this.revision = sequence;
    this.headers = ownHeaders(headers);
  }

  get created(): Date {
    return this.#timed.time;
  }
}

// An attempt that got no answer may have been carried out, whatever the broker says of a later one. When the revision is
// another one, the record is read again, and tells.
const isLaterRefusal = (error: BrokerError): boolean =>
  isRefusal(error) || error.fault === 'no_space' || error.fault === 'store_missing';

const isWriteUnderWay = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.code === apiErrors.writeUnderWay;

const unanswered = (cause: BrokerError): BrokerError =>
  new BrokerError('timeout', `an attempt got no answer, and then: ${cause.message}`, { cause });

async function ensureBucket(
  environment: StorageEnvironment,
  name: string,
  birth: StreamBirth,
): Promise<StreamInfo> {
  const stream = `KV_${name}`;
  const info = await birth.find(() => createOnServers(environment, stream, bucketConfig(name)));
  if (isShut(info.config, stream)) return info;
  const { subjects, allow_rollup_hdrs, sealed } = info.config;
  const isBucket =
    Array.isArray(subjects) && subjects.includes(`$KV.${name}.>`) && allow_rollup_hdrs === true && !sealed;
  if (!isBucket)
    throw new BrokerError(
      'refused',
      `the broker has a stream ${stream} that is not a key-value bucket: remove or rename it`,
    );
  return info;
}

function bucketConfig(name: string): Record<string, unknown> {
  return {
    subjects: [`$KV.${name}.>`],
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    max_consumers: -1,
    max_msgs: -1,
    max_msgs_per_subject: 1,
    max_bytes: -1,
    max_age: 0,
    max_msg_size: -1,
    duplicate_window: 120_000_000_000,
    compression: 'none',
    deny_delete: true,
    allow_rollup_hdrs: true,
    allow_direct: true,
    mirror_direct: false,
  };
}

const isMarker = (headers: MsgHdrs): boolean =>
  /^(DEL|PURGE)$/.test(headers.get('KV-Operation')) || headers.has('Nats-Marker-Reason');

/** Returns the headers of a marker without the broker's own headers. */
function ownHeaders(headers: MsgHdrs | undefined): Record<string, string> {
  if (!headers) return none;
  const own = headers.keys().filter(name => name !== 'KV-Operation' && !name.startsWith('Nats-'));
  return Object.fromEntries(own.map(name => [name, headers.get(name)]));
}

const none: Record<string, string> = Object.freeze({});
