// Takes a snapshot of a stream: the broker sends it in chunks, and each is acknowledged when it was taken.
import { createInbox, type Msg } from 'nats';
import type { Clock } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { callApi, isRecord, type StorageConnection } from './jetstream.ts';
import { BrokerError, type StreamCopy } from './port.ts';
import { countsOfState, notUnderstood } from './stream-counts.ts';

/** Size of a chunk, in bytes. It is the server's own default, and fits into a message on every server. */
export const chunkBytes = 128 * 1024;
/** Number of bytes that may be on their way to us. Servers before 2.12 always send 8 MiB. */
const windowBytes = 4 * 1024 * 1024;

export interface SnapshotOptions {
  connection: StorageConnection;
  clock: Clock;
  /** Time in which the next chunk has to come, in milliseconds. */
  chunkTimeoutMs: number;
  stream: string;
  /** Called with each chunk, which is acknowledged when this has resolved. */
  onChunk: (chunk: Uint8Array) => Promise<void>;
}

/** Copies a stream, and returns what the broker says of it. @throws BrokerError; any error of `onChunk` */
export async function takeSnapshot(options: SnapshotOptions): Promise<StreamCopy> {
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
    const { clock, chunkTimeoutMs, stream } = this.#options;
    this.#silence?.cancel();
    if (this.#hasEnded) return;
    this.#silence = clock.after(chunkTimeoutMs, () => {
      const text = `the broker sent no more of ${stream} for ${chunkTimeoutMs} ms`;
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
