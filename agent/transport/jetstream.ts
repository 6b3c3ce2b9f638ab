// Calls JetStream's API directly, because the client's own functions cannot create a bucket as Bacalhau does.
import type { NatsConnection as Link, Msg, MsgHdrs } from 'nats';
import { makeHeaders } from './outgoing-headers.ts';
import { BrokerError, type Subscription } from './port.ts';

/** The part of the connection that the storage uses: the link, its loss and return, and requests. */
export interface StorageConnection {
  /** Time that the broker has for one operation on its store, in milliseconds. */
  readonly storeTimeoutMs: number;
  /** Whether the server belongs to a cluster of several. */
  readonly isClustered: boolean;
  /** The link to the broker; undefined while not connected. */
  readonly link: Link | undefined;
  /** Whether the connection was closed for good. */
  readonly closed: boolean;
  /** Calls `fn` with each new link. When the link is lost or closed, it calls `fn` with undefined. */
  onLink(fn: (link: Link | undefined) => void): Subscription;
  /** Sends a request and waits for the first answer, which it returns in the client's form. @throws BrokerError */
  requestRaw(subject: string, data: Uint8Array | string, timeoutMs: number, headers?: MsgHdrs): Promise<Msg>;
  /** Has everything written at once for a moment. Whoever waits for messages that answer no request calls it. */
  hurry(): void;
}

/** The error codes of JetStream that muster handles, from nats-server's server/errors.json. */
export const apiErrors = {
  streamNotFound: 10_059,
  consumerNotFound: 10_014,
  streamNameInUse: 10_058,
  streamNameInUseAtRestore: 10_130,
  messageNotFound: 10_037,
  sequenceNotFound: 10_043,
  wrongLastSequence: 10_071,
  writeUnderWay: 10_164,
  storageExceeded: 10_047,
  noPlace: 10_005,
  replicasNotSupported: 10_074,
  restoreFailed: 10_062,
  batchesDisabled: 10_174,
  batchIncomplete: 10_176,
  batchHasDuplicate: 10_201,
  notEnabled: 10_076,
  notEnabledForAccount: 10_039,
} as const;

/** An error in an answer of JetStream. */
export class ApiError extends BrokerError {
  readonly code: number;

  constructor(fault: BrokerError['fault'], message: string, code: number) {
    super(fault, message);
    this.code = code;
  }
}

export interface StreamInfo {
  config: Record<string, unknown>;
  /** Time of creation. It distinguishes a stream from a later stream of the same name. */
  created: string;
  state: { last_seq: number; messages: number; bytes: number };
}

/**
 * Calls `$JS.API.<method>`.
 * @throws BrokerError; ApiError when the broker answered with an error.
 */
export async function callApi(
  connection: StorageConnection,
  method: string,
  body: unknown = {},
): Promise<Record<string, unknown>> {
  try {
    const answer = await connection.requestRaw(
      `$JS.API.${method}`,
      JSON.stringify(body),
      connection.storeTimeoutMs,
    );
    return parseAnswer(answer.data, method);
  } catch (error) {
    if (error instanceof BrokerError && error.fault === 'no_responders') throw notEnabledError();
    throw error;
  }
}

/** Returns the stream's configuration and state, or undefined when there is no such stream. Throws BrokerError. */
export async function readStreamInfo(
  connection: StorageConnection,
  name: string,
): Promise<StreamInfo | undefined> {
  try {
    return parseStreamInfo(await callApi(connection, `STREAM.INFO.${name}`));
  } catch (error) {
    if (error instanceof ApiError && error.code === apiErrors.streamNotFound) return undefined;
    throw error;
  }
}

/** Creates the stream. If a stream exists with the same configuration, it stays and is returned. Throws BrokerError. */
export async function createStream(
  connection: StorageConnection,
  name: string,
  config: Record<string, unknown>,
): Promise<StreamInfo> {
  return parseStreamInfo(await callApi(connection, `STREAM.CREATE.${name}`, { name, ...config }));
}

/** Changes the stream's configuration. Throws BrokerError. */
export async function updateStream(
  connection: StorageConnection,
  name: string,
  config: Record<string, unknown>,
): Promise<StreamInfo> {
  return parseStreamInfo(await callApi(connection, `STREAM.UPDATE.${name}`, { name, ...config }));
}

/**
 * Publishes a message and waits until `stream` has stored it. When no stream takes the message, because the store was
 * lost, it calls `ensureStream`, which creates the stream, and publishes once more. @throws BrokerError
 */
export async function publishStored(
  connection: StorageConnection,
  stream: string,
  subject: string,
  data: Uint8Array | string,
  fields: Record<string, string>,
  ensureStream: () => Promise<unknown>,
): Promise<{ sequence: number; duplicate: boolean }> {
  const headers = makeHeaders({ ...fields, 'Nats-Expected-Stream': stream });
  const { storeTimeoutMs } = connection;
  let message: Msg;
  try {
    message = await connection.requestRaw(subject, data, storeTimeoutMs, headers);
  } catch (error) {
    if (!isWithoutStream(error)) throw error;
    await ensureStream();
    message = await connection.requestRaw(subject, data, storeTimeoutMs, headers).catch(throwNotStoringYet);
  }
  const answer = parseAnswer(message.data, subject);
  if (answer.stream !== stream || typeof answer.seq !== 'number')
    throw new BrokerError('refused', `what answers on ${subject} is not the stream ${stream}`);
  return { sequence: answer.seq, duplicate: answer.duplicate === true };
}

/** Returns whether nobody answered, so that no stream takes the message. */
export const isWithoutStream = (error: unknown): error is BrokerError =>
  error instanceof BrokerError && error.fault === 'no_responders';

function throwNotStoringYet(cause: unknown): never {
  if (!isWithoutStream(cause)) throw cause;
  const text = `the broker made the stream but does not store yet: ${cause.message}`;
  throw new BrokerError('timeout', text, { cause });
}

const decoder = new TextDecoder();

/** Reads an answer of JetStream; `what` was asked. @throws BrokerError; ApiError for an answer that is an error */
export function parseAnswer(data: Uint8Array, what: string): Record<string, unknown> {
  let answer: unknown;
  try {
    answer = JSON.parse(decoder.decode(data));
  } catch (cause) {
    throw new BrokerError('refused', `the broker's answer to ${what} is not JSON`, { cause });
  }
  if (!isRecord(answer)) throw new BrokerError('refused', `the broker's answer to ${what} is not an object`);
  if (isRecord(answer.error)) throw parseApiError(answer.error, what);
  return answer;
}

function parseApiError(error: Record<string, unknown>, what: string): BrokerError {
  const code = Number(error.err_code ?? 0);
  const text = `${what}: ${String(error.description ?? 'unknown error')} (${code})`;
  if (code === apiErrors.notEnabled || code === apiErrors.notEnabledForAccount) return notEnabledError();
  if (code === apiErrors.wrongLastSequence) return new ApiError('revision_conflict', text, code);
  // A leader has sent another write of this subject to the other servers, and they have not answered yet. It may be an earlier
  // attempt of the same write. Whether it stands is known later.
  if (code === apiErrors.writeUnderWay)
    return new ApiError('timeout', `an earlier write of ${what} is not acknowledged yet (${code})`, code);
  // Too little space has no code of its own: on a full disk the broker reports the words of its operating system, and a
  // cluster says why it found no servers.
  if (code === apiErrors.storageExceeded || /no space left on device|insufficient storage/.test(text))
    return new ApiError('no_space', text, code);
  // Parts of a batch were lost, or the server has too many batches of others. It stored nothing.
  if (code === apiErrors.batchIncomplete) return new ApiError('timeout', text, code);
  // What cannot be restored now cannot be restored later, although the broker gives a code that says so.
  if (code === apiErrors.restoreFailed) return new ApiError('refused', text, code);
  // 5xx means a cluster without a leader, or an overloaded store. The call may be repeated, as after a timeout.
  return new ApiError(Number(error.code ?? 0) >= 500 ? 'timeout' : 'refused', text, code);
}

function notEnabledError(): BrokerError {
  return new BrokerError(
    'refused',
    'the broker stores nothing: enable JetStream on it and for the account of muster',
  );
}

function parseStreamInfo(answer: Record<string, unknown>): StreamInfo {
  const { config, created, state } = answer;
  const { last_seq = 0, messages = 0, bytes = 0 } = isRecord(state) ? state : {};
  if (
    !isRecord(config) ||
    typeof created !== 'string' ||
    !isRecord(state) ||
    !(isCount(last_seq) && isCount(messages) && isCount(bytes))
  )
    throw new BrokerError(
      'refused',
      'the broker described a stream in a way that muster does not understand',
    );
  return { config, created, state: { last_seq, messages, bytes } };
}

/** Returns whether a value is a whole number that is not negative, such as the sequence of a message. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
