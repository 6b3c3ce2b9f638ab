// Copies a whole stream of JetStream to a file and back: the messages with their sequences and times, the time of creation,
// and the durables. It is what `nats stream backup` and `nats stream restore` do.
import { createInbox, type Msg } from 'nats';
import { type Clock, sleep } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { creationOf } from './clustered.ts';
import {
  ApiError,
  apiErrors,
  callApi,
  isCount,
  isRecord,
  parseAnswer,
  type StorageConnection,
} from './jetstream.ts';
import { BrokerError, type StreamCopies, type StreamCopy, type StreamCounts } from './port.ts';
import { isShut, shutStream } from './shut-stream.ts';
import { readStoredMessage } from './stored-message.ts';

/** Times in milliseconds: for one chunk to come or to be taken, and for the last step of a restore. */
export interface CopyTimes {
  chunk: number;
  end: number;
}

const usualTimes: CopyTimes = { chunk: 10_000, end: 120_000 };

/**
 * Time after which no server of a cluster still waits for the chunks of a restore that was given up, in milliseconds. A server
 * waits for 5 s. Then it says that the restore failed, and the cluster removes the stream of this name if it was made within the
 * last 5 s, also when that is the stream of a later restore.
 */
const givenUpMs = 7_000;

/** Size of a chunk, in bytes. It is the server's own default, and fits into a message on every server. */
const chunkBytes = 128 * 1024;
/** Number of bytes that may be on their way to us. Servers before 2.12 always send 8 MiB. */
const windowBytes = 4 * 1024 * 1024;

/** Returns the functions that copy streams over a connection. */
export function openStreamCopies(
  connection: StorageConnection,
  clock: Clock,
  times = usualTimes,
): StreamCopies {
  const untilGivenUp = async () => {
    if (connection.isClustered) await sleep(clock, givenUpMs);
  };
  return {
    counts: stream => readCounts(connection, stream),
    snapshot: (stream, onChunk) => takeSnapshot({ connection, clock, times, stream, onChunk }),
    restore: async (copy, chunks) => {
      const to = await beginRestore(connection, copy).catch(async error => {
        // A restore that ended in its middle can leave the name alone, which keeps the next one out.
        const isLeft = isNameInUse(error) && !(await readCounts(connection, copy.stream));
        if (isLeft) await removeStream(connection, copy.stream);
        if (isLeft || !(error instanceof ApiError)) await untilGivenUp();
        throw error;
      });
      try {
        return await sendChunks(connection, times, { stream: copy.stream, to }, chunks);
      } catch (error) {
        // There was no such stream when the restore began, so this removes only what came half.
        await removeStream(connection, copy.stream).catch(() => undefined);
        await untilGivenUp();
        throw error;
      }
    },
    remove: stream => removeStream(connection, stream),
    shut: stream => shutStream(connection, stream),
    removeMessage: async (stream, sequence) => {
      try {
        await callApi(connection, `STREAM.MSG.DELETE.${stream}`, { seq: sequence, no_erase: true });
      } catch (error) {
        // Just after a message was removed, the server answers with a fault of its disk when it is to be removed again.
        if (!isMissing(error) && (await readStoredMessage(connection, stream, { seq: sequence })))
          throw error;
      }
    },
  };
}

const isMissing = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.code === apiErrors.messageNotFound || error.code === apiErrors.sequenceNotFound);

const isNameInUse = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.code === apiErrors.streamNameInUse || error.code === apiErrors.streamNameInUseAtRestore);

interface SnapshotOptions {
  connection: StorageConnection;
  clock: Clock;
  times: CopyTimes;
  stream: string;
  onChunk: (chunk: Uint8Array) => Promise<void>;
}

async function takeSnapshot(options: SnapshotOptions): Promise<StreamCopy> {
  const { connection, stream } = options;
  const { link } = connection;
  if (!link) throw new BrokerError('disconnected', 'not connected to the broker');
  const inbox = createInbox();
  const receiver = new SnapshotReceiver(options, reply => {
    connection.hurry();
    link.publish(reply);
  });
  const subscription = link.subscribe(inbox, {
    callback: (error, message) => (error ? receiver.fail(error) : receiver.add(message)),
  });
  const lost = connection.onLink(() =>
    receiver.fail(new BrokerError('disconnected', `the broker was lost while ${stream} was copied`)),
  );
  try {
    const request = { deliver_subject: inbox, chunk_size: chunkBytes, window_size: windowBytes };
    const { config, state } = await callApi(connection, `STREAM.SNAPSHOT.${stream}`, request);
    if (!isRecord(config) || !isRecord(state)) throw notUnderstood(stream);
    const copy = { stream, config, state };
    countsOfState(copy);
    receiver.awaitNext();
    await receiver.done;
    return copy;
  } finally {
    receiver.end();
    lost.unsubscribe();
    subscription.unsubscribe();
  }
}

/** Receives the chunks of one snapshot, one after the other, and acknowledges each when it was taken. */
class SnapshotReceiver {
  readonly done: Promise<void>;
  readonly #options: SnapshotOptions;
  readonly #acknowledge: (reply: string) => void;
  readonly #settle = Promise.withResolvers<void>();
  #turn: Promise<void> = Promise.resolve();
  #received = 0;
  #hasEnded = false;
  #silence: { cancel(): void } | undefined;

  constructor(options: SnapshotOptions, acknowledge: (reply: string) => void) {
    this.#options = options;
    this.#acknowledge = acknowledge;
    this.done = this.#settle.promise;
    this.done.catch(() => undefined);
  }

  /** Takes a message in its turn. The broker sends no more than a window before earlier ones are acknowledged. */
  add(message: Msg): void {
    this.#turn = this.#turn.then(async () => {
      if (this.#hasEnded) return;
      this.#silence?.cancel();
      try {
        await this.#take(message);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  /** Begins to wait for the next chunk. */
  awaitNext(): void {
    const { clock, times, stream } = this.#options;
    this.#silence?.cancel();
    if (this.#hasEnded) return;
    this.#silence = clock.after(times.chunk, () => {
      const text = `the broker sent no more of ${stream} for ${times.chunk} ms`;
      this.fail(new BrokerError('timeout', text));
    });
  }

  fail(error: unknown): void {
    this.end();
    this.#settle.reject(
      error instanceof Error && !(error instanceof BrokerError) && 'permissionContext' in error
        ? new BrokerError('not_permitted', reasonOf(error), { cause: error })
        : error,
    );
  }

  end(): void {
    this.#hasEnded = true;
    this.#silence?.cancel();
  }

  async #take(message: Msg): Promise<void> {
    const { stream, onChunk } = this.#options;
    if (message.data.length === 0) return this.#finish(message);
    this.#received++;
    const { reply = '' } = message;
    // The last chunk has no reply. All others name their size and number at the end of it.
    const [size, number] = reply === '' ? [] : reply.split('.').slice(-2).map(Number);
    if (reply !== '' && (size !== message.data.length || number !== this.#received))
      throw new BrokerError('refused', `a part of ${stream} did not arrive`);
    await onChunk(message.data);
    if (this.#hasEnded) return;
    if (reply !== '') this.#acknowledge(reply);
    this.awaitNext();
  }

  #finish({ headers }: Msg): void {
    const { stream } = this.#options;
    const code = headers?.code ?? 0;
    if (code >= 400) {
      const text = `the broker did not copy ${stream} to its end: ${headers?.description || code}`;
      throw new BrokerError(code === 408 ? 'timeout' : 'refused', text);
    }
    this.end();
    this.#settle.resolve();
  }
}

/** Begins a restore, and returns the subject for its chunks. The broker refuses it when it has such a stream. */
async function beginRestore(
  connection: StorageConnection,
  { stream, config, state }: StreamCopy,
): Promise<string> {
  const request = { config: withoutServerNotes(config), state };
  const { deliver_subject: to } = await callApi(connection, `STREAM.RESTORE.${stream}`, request);
  if (typeof to !== 'string' || !to.startsWith('$JS.SNAPSHOT.RESTORE.')) throw notUnderstood(stream);
  return to;
}

/**
 * Returns the configuration without what a server from 2.11 on noted in it about itself. Each such server notes it anew. To an
 * earlier one it would be metadata of the stream, and a program that opens the stream by its usual configuration is refused.
 */
function withoutServerNotes({ metadata, ...config }: StreamCopy['config']): StreamCopy['config'] {
  if (!isRecord(metadata)) return config;
  const own = Object.entries(metadata).filter(([name]) => !name.startsWith('_nats.'));
  return own.length === 0 ? config : { ...config, metadata: Object.fromEntries(own) };
}

async function sendChunks(
  connection: StorageConnection,
  times: CopyTimes,
  { stream, to }: { stream: string; to: string },
  chunks: AsyncIterable<Uint8Array>,
): Promise<StreamCounts> {
  const what = `the restore of ${stream}`;
  for await (const chunk of chunks)
    for (let start = 0; start < chunk.length; start += chunkBytes) {
      const part = chunk.subarray(start, start + chunkBytes);
      const { data } = await connection.requestRaw(to, part, times.chunk);
      // It says something only when it takes no more.
      if (data.length > 0) countsIn(connection, stream, parseAnswer(data, what));
    }
  const { data } = await connection.requestRaw(to, '', times.end);
  return countsIn(connection, stream, parseAnswer(data, what));
}

async function removeStream(connection: StorageConnection, stream: string): Promise<void> {
  try {
    await callApi(connection, `STREAM.DELETE.${stream}`);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== apiErrors.streamNotFound) throw error;
  }
}

async function readCounts(connection: StorageConnection, stream: string): Promise<StreamCounts | undefined> {
  try {
    return countsIn(connection, stream, await callApi(connection, `STREAM.INFO.${stream}`));
  } catch (error) {
    if (error instanceof ApiError && error.code === apiErrors.streamNotFound) return undefined;
    throw error;
  }
}

/** Reads a description of a stream in an answer of the broker. */
function countsIn(
  connection: StorageConnection,
  stream: string,
  { config, state, created }: Record<string, unknown>,
): StreamCounts {
  if (!isRecord(config) || !isRecord(state) || typeof created !== 'string') throw notUnderstood(stream);
  return {
    ...countsOfState({ stream, config, state }),
    created: creationOf(connection, created),
    isShut: isShut(config, stream),
  };
}

/** Returns what a snapshot says of its stream. @throws BrokerError when that cannot be understood */
function countsOfState({ stream, config, state }: StreamCopy): Omit<StreamCounts, 'created' | 'isShut'> {
  const { messages = 0, first_seq: firstSequence = 0, last_seq: lastSequence = 0, last_ts: lastAt } = state;
  const { num_replicas: replicas = 1 } = config;
  if (!(isCount(messages) && isCount(firstSequence) && isCount(lastSequence) && isCount(replicas)))
    throw notUnderstood(stream);
  return {
    messages,
    firstSequence,
    lastSequence,
    replicas,
    lastAt: typeof lastAt === 'string' ? lastAt : undefined,
  };
}

const notUnderstood = (stream: string): BrokerError =>
  new BrokerError(
    'refused',
    `the broker described the stream ${stream} in a way that muster does not understand`,
  );
