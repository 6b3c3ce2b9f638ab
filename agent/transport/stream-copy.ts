// Copies a whole stream of JetStream to a file and back: the messages with their sequences and times, the time of creation,
// and the durables. It is what `nats stream backup` and `nats stream restore` do.
import { type Clock, sleep } from '../system/clock.ts';
import { ApiError, apiErrors, callApi, isRecord, parseAnswer, type StorageConnection } from './jetstream.ts';
import type { StreamCopies, StreamCopy, StreamCounts } from './port.ts';
import { shutStream } from './shut-stream.ts';
import { readStoredMessage } from './stored-message.ts';
import { countsIn, notUnderstood, readCounts } from './stream-counts.ts';
import { chunkBytes, takeSnapshot } from './stream-snapshot.ts';

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
    snapshot: (stream, onChunk) =>
      takeSnapshot({ connection, clock, chunkTimeoutMs: times.chunk, stream, onChunk }),
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
