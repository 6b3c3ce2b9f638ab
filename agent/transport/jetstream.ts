// JetStream's own API, spoken directly: the client's helpers cannot create a bucket as Bacalhau does.
import { type NatsConnection as Link, type Msg, type MsgHdrs, headers as newHeaders } from 'nats';
import { reasonOf } from '../system/errors.ts';
import { BrokerError, type Subscription } from './port.ts';

/** What storage needs of the connection: the link as it comes and goes, and requests on it. */
export interface Wire {
  /** Milliseconds that the broker has to answer one operation on what it stores. */
  readonly storeTimeout: number;
  /** Undefined while not connected. */
  readonly link: Link | undefined;
  /** For good. */
  readonly closed: boolean;
  /** Calls `fn` with each new link, and with undefined when it is lost or closed. */
  onLink(fn: (link: Link | undefined) => void): Subscription;
  /** @throws BrokerError */
  ask(subject: string, data: Uint8Array | string, timeout: number, headers?: MsgHdrs): Promise<Msg>;
}

/** JetStream's error codes that we tell apart (nats-server, server/errors.json). */
export const apiErrors = {
  streamNotFound: 10_059,
  streamNameInUse: 10_058,
  messageNotFound: 10_037,
  wrongLastSequence: 10_071,
  wrongLastSequenceConstant: 10_164,
  storageExceeded: 10_047,
  notEnabled: 10_076,
  notEnabledForAccount: 10_039,
} as const;

export class ApiError extends BrokerError {
  readonly code: number;

  constructor(fault: BrokerError['fault'], message: string, code: number) {
    super(fault, message);
    this.code = code;
  }
}

export interface StreamInfo {
  config: Record<string, unknown>;
  /** Tells a stream from a later one of the same name. */
  created: string;
  state: { last_seq: number };
}

/**
 * Calls `$JS.API.<method>`.
 * @throws BrokerError; ApiError when the broker answered with an error.
 */
export async function callApi(
  wire: Wire,
  method: string,
  body: unknown = {},
): Promise<Record<string, unknown>> {
  try {
    const answer = await wire.ask(`$JS.API.${method}`, JSON.stringify(body), wire.storeTimeout);
    return parseAnswer(answer.data, method);
  } catch (error) {
    if (error instanceof BrokerError && error.fault === 'no_responders') throw notEnabled();
    throw error;
  }
}

/** The stream's configuration and state; undefined when there is no such stream. */
export async function streamInfo(wire: Wire, name: string): Promise<StreamInfo | undefined> {
  try {
    return asStreamInfo(await callApi(wire, `STREAM.INFO.${name}`));
  } catch (error) {
    if (error instanceof ApiError && error.code === apiErrors.streamNotFound) return undefined;
    throw error;
  }
}

/** Creates the stream; one that is there already with the same configuration is answered as it is. */
export async function createStream(
  wire: Wire,
  name: string,
  config: Record<string, unknown>,
): Promise<StreamInfo> {
  return asStreamInfo(await callApi(wire, `STREAM.CREATE.${name}`, { name, ...config }));
}

export async function updateStream(
  wire: Wire,
  name: string,
  config: Record<string, unknown>,
): Promise<StreamInfo> {
  return asStreamInfo(await callApi(wire, `STREAM.UPDATE.${name}`, { name, ...config }));
}

/**
 * Publishes into `stream` and waits until it is stored.
 * @throws BrokerError; `no_responders` when no stream listens on `subject`.
 */
export async function store(
  wire: Wire,
  stream: string,
  subject: string,
  data: Uint8Array | string,
  fields: Record<string, string>,
): Promise<{ sequence: number; duplicate: boolean }> {
  const headers = asHeaders({ ...fields, 'Nats-Expected-Stream': stream });
  const answer = parseAnswer((await wire.ask(subject, data, wire.storeTimeout, headers)).data, subject);
  if (answer.stream !== stream || typeof answer.seq !== 'number')
    throw new BrokerError('refused', `what answers on ${subject} is not the stream ${stream}`);
  return { sequence: answer.seq, duplicate: answer.duplicate === true };
}

function asHeaders(fields: Record<string, string>): MsgHdrs {
  const headers = newHeaders();
  try {
    for (const [name, value] of Object.entries(fields)) headers.set(name, value);
  } catch (cause) {
    throw new BrokerError('refused', `a header cannot be sent: ${reasonOf(cause)}`, { cause });
  }
  return headers;
}

function parseAnswer(data: Uint8Array, what: string): Record<string, unknown> {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(data));
  } catch (cause) {
    throw new BrokerError('refused', `the broker's answer to ${what} is not JSON`, { cause });
  }
  if (!isRecord(answer)) throw new BrokerError('refused', `the broker's answer to ${what} is no object`);
  if (isRecord(answer.error)) throw asApiError(answer.error, what);
  return answer;
}

function asApiError(error: Record<string, unknown>, what: string): BrokerError {
  const code = Number(error.err_code ?? 0);
  const text = `${what}: ${String(error.description ?? 'unknown error')} (${code})`;
  if (code === apiErrors.notEnabled || code === apiErrors.notEnabledForAccount) return notEnabled();
  if (code === apiErrors.wrongLastSequence || code === apiErrors.wrongLastSequenceConstant)
    return new ApiError('revision_conflict', text, code);
  // 5xx: a cluster without a leader for now, an overloaded store. It may be tried again, as after a time-out.
  const passing = Number(error.code ?? 0) >= 500 && code !== apiErrors.storageExceeded;
  return new ApiError(passing ? 'timeout' : 'refused', text, code);
}

function notEnabled(): BrokerError {
  return new BrokerError('refused', 'the broker stores nothing: enable JetStream on it, for our account too');
}

function asStreamInfo(answer: Record<string, unknown>): StreamInfo {
  const { config, created, state } = answer;
  if (!isRecord(config) || typeof created !== 'string' || !isRecord(state))
    throw new BrokerError('refused', 'the broker described a stream in a way we do not understand');
  return { config, created, state: { last_seq: Number(state.last_seq ?? 0) } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
