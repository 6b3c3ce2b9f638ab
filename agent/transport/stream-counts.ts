// Reads what the broker says that a stream contains.
import { creationOf } from './clustered.ts';
import { ApiError, apiErrors, callApi, isCount, isRecord, type StorageConnection } from './jetstream.ts';
import { BrokerError, type StreamCopy, type StreamCounts } from './port.ts';
import { isShut } from './shut-stream.ts';

/** Returns what a stream contains; undefined when there is no such stream. @throws BrokerError */
export async function readCounts(
  connection: StorageConnection,
  stream: string,
): Promise<StreamCounts | undefined> {
  try {
    return countsIn(connection, stream, await callApi(connection, `STREAM.INFO.${stream}`));
  } catch (error) {
    if (error instanceof ApiError && error.code === apiErrors.streamNotFound) return undefined;
    throw error;
  }
}

/** Reads a description of a stream in an answer of the broker. @throws BrokerError when that cannot be understood */
export function countsIn(
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
export function countsOfState({
  stream,
  config,
  state,
}: StreamCopy): Omit<StreamCounts, 'created' | 'isShut'> {
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

/** Returns the error for a description that has not the form of the broker's. */
export const notUnderstood = (stream: string): BrokerError =>
  new BrokerError(
    'refused',
    `the broker described the stream ${stream} in a way that muster does not understand`,
  );
