// Calls the requester's HTTP API. Each answer has a deadline and a size limit, and each failure is one plain sentence.
// It uses node:http: fetch refuses some ports, and ends a stream that is silent for five minutes.
import { type IncomingMessage, request } from 'node:http';
import type { LoadedSettings, LoadOptions } from '../config/load.ts';
import { formatDuration } from '../config/units.ts';
import { ProtocolError } from '../protocol/error.ts';
import { type DecisionBody, problemCodes } from '../protocol/http.ts';
import { nodeIdPattern } from '../protocol/schema.ts';
import { type ErrorCode, errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import {
  readDecisionAnswer,
  readEvent,
  readNodes,
  readOneNode,
  readProblem,
  readRequesterState,
  type ShownEvent,
  type ShownNode,
} from './answers.ts';

export interface ApiClientOptions {
  host: string;
  port: number;
  /** Time for an answer, in milliseconds. */
  deadlineMs?: number;
  /** Reasons why host and port may be wrong. They are shown only when nothing answers there. */
  doubts?: readonly string[];
}

/** What the reader of an event stream is called with, besides the events. */
export interface EventListeners {
  /** Called when the requester has answered; its events follow. */
  onOpen?(): void;
  /** Called for a line that is not a membership event: other programs may publish where the events are. */
  onUnreadable(reason: string): void;
}

/** Size of the largest answer that is read. It is enough for some 200 000 nodes. */
const maxAnswerBytes = 256 * 1024 * 1024;
/** Length of the longest line of a stream, in characters. An event has at most 64 KiB. */
const maxLineLength = 128 * 1024;

/** The settings by which a command finds the requester. */
export const apiSettings = ['api.host', 'api.port'] as const;

/** Returns a client for the requester that the settings name. Throws MusterError `bad_config`. */
export async function requesterApi(
  load: (options: Pick<LoadOptions, 'skipUnreadable'>) => Promise<LoadedSettings>,
  options: Pick<ApiClientOptions, 'deadlineMs'> = {},
): Promise<ApiClient> {
  const { settings, warnings } = await load({ skipUnreadable: true });
  return new ApiClient({
    ...settings.api,
    ...options,
    doubts: warnings.filter(text => text.includes('cannot be read')),
  });
}

/** All methods throw MusterError: `unreachable`, or the error that the requester answers. */
export class ApiClient {
  readonly url: string;
  readonly #options: Required<ApiClientOptions>;

  constructor(options: ApiClientOptions) {
    this.#options = { deadlineMs: 30_000, doubts: [], ...options };
    const { host, port } = options;
    this.url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Returns the nodes that match `query`, which has the parameters of the API. */
  nodes(query: Readonly<Record<string, string>>): Promise<ShownNode[]> {
    return this.#ask(readNodes, 'GET', withQuery('/orchestrator/nodes', query));
  }

  /** Returns the node with this id, or with this unique beginning of an id. */
  node(name: string): Promise<ShownNode> {
    return this.#ask(readOneNode, 'GET', nodePath(name));
  }

  /** Approves, rejects or deletes a node. */
  async decide(name: string, decision: DecisionBody): Promise<void> {
    const body = JSON.stringify(decision);
    const { Success, Error: reason } = await this.#ask(readDecisionAnswer, 'PUT', nodePath(name), body);
    if (!Success) throw new MusterError('failed', reason || `the requester at ${this.url} refused`);
  }

  /** Returns the state of the requester itself. */
  status(): Promise<ReturnType<typeof readRequesterState>> {
    return this.#ask(readRequesterState, 'GET', '/orchestrator/status');
  }

  /** Yields the events that match `query`. With `follow`, the end of the stream is an error: the requester stopped. */
  async *events(
    query: Readonly<Record<string, string>>,
    { onOpen, onUnreadable }: EventListeners,
  ): AsyncGenerator<ShownEvent> {
    const following = query.follow === 'true';
    try {
      const response = await this.#open('GET', withQuery('/orchestrator/events', query));
      onOpen?.();
      if (!following) this.#limitSilence(response);
      for await (const line of lines(response)) {
        const event = eventOf(line, onUnreadable);
        if (event) yield event;
      }
    } catch (error) {
      throw this.#explained(error);
    }
    if (following) throw new MusterError('unreachable', `the requester at ${this.url} stopped`);
  }

  async #ask<T>(read: (value: unknown) => T, method: string, path: string, body?: string): Promise<T> {
    const signal = AbortSignal.timeout(this.#options.deadlineMs);
    try {
      const response = await this.#open(method, path, body, signal);
      return read(parse(await bodyOf(response)));
    } catch (error) {
      // A body that the signal cuts off looks like a lost connection.
      throw this.#explained(signal.aborted ? timeoutError() : error);
    }
  }

  /** Sends a request and returns its response. Throws the refusal when the requester refuses. */
  async #open(method: string, path: string, body?: string, signal?: AbortSignal): Promise<IncomingMessage> {
    const { host, port, deadlineMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const json = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body ?? '') };
    const sent = request({
      host,
      port,
      method,
      path: `/api/v1${path}`,
      headers: body === undefined ? {} : json,
      agent: false,
      signal,
    });
    sent.on('response', resolve);
    sent.on('error', reject);
    sent.setTimeout(deadlineMs, () => sent.destroy(timeoutError()));
    sent.end(body);
    const response = await promise;
    sent.setTimeout(0);
    if (response.statusCode === 200) return response;
    throw refusalOf(response.statusCode ?? 0, parse(await bodyOf(response)));
  }

  #limitSilence(response: IncomingMessage): void {
    response.setTimeout(this.#options.deadlineMs, () => response.destroy(timeoutError()));
  }

  /** Returns the error for an operator: what failed, at which address, and what to do. */
  #explained(error: unknown): MusterError {
    if (error instanceof MusterError) return error;
    const { url } = this;
    const { doubts, deadlineMs, host } = this.#options;
    const startOrName = [
      ...doubts,
      'start one with "muster requester" or "muster dev", or say where it runs: --api-host and --api-port, MUSTER_API_HOST and MUSTER_API_PORT, or api.host and api.port in the configuration file',
    ].join('; ');
    const unreachable = (message: string, hint?: string) =>
      new MusterError('unreachable', message, { hint, cause: error });
    const code = errnoOf(error) ?? '';
    if (code === 'ECONNREFUSED') return unreachable(`no requester answers at ${url}`, startOrName);
    if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
      return unreachable(`no requester answers at ${url}: there is no host ${host}`, startOrName);
    }
    if (code === 'ETIMEDOUT') {
      return unreachable(`the requester at ${url} did not answer within ${formatDuration(deadlineMs)}`);
    }
    if (code === 'ECONNRESET' || code === 'EPIPE') return unreachable(`the connection to ${url} was lost`);
    if (error instanceof ProtocolError || code.startsWith('HPE_')) {
      return unreachable(
        `the program that answers at ${url} is not a requester: ${reasonOf(error)}`,
        startOrName,
      );
    }
    return unreachable(`no requester answers at ${url}: ${reasonOf(error)}`, startOrName);
  }
}

function nodePath(name: string): string {
  // Text that cannot be an id could lead to another path. No node has such an id.
  if (!nodeIdPattern.test(name)) throw new MusterError('not_found', `node not found: ${name}`);
  return `/orchestrator/nodes/${name}`;
}

function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxAnswerBytes)
      throw new ProtocolError('too_large', `an answer of more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > maxLineLength)
      throw new ProtocolError('too_large', `a line of more than ${maxLineLength} characters`);
    yield* parts.filter(part => part !== '');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('malformed', 'the answer is not JSON');
  }
}

function eventOf(line: string, onUnreadable: (reason: string) => void): ShownEvent | undefined {
  try {
    return readEvent(parse(line));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    onUnreadable(error.message);
    return undefined;
  }
}

/** The error of each problem code. A request that the requester cannot read comes from wrong flags. */
const errorCodes: Readonly<Record<string, ErrorCode>> = {
  ...Object.fromEntries(
    Object.entries(problemCodes).map(([error, problem]) => [problem, error as ErrorCode]),
  ),
  BadRequest: 'usage',
  PayloadTooLarge: 'usage',
};
const errorsOfStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'not_allowed',
  403: 'not_allowed',
  503: 'unreachable',
};

/** Returns the requester's refusal in its own words. @throws ProtocolError when the body is not that of a refusal. */
function refusalOf(status: number, body: unknown): MusterError {
  const { Message, Code, Hint } = readProblem(body);
  const known = Object.hasOwn(errorCodes, Code) ? errorCodes[Code] : undefined;
  return new MusterError(known ?? errorsOfStatus[status] ?? 'failed', Message, { hint: Hint || undefined });
}

const timeoutError = (): Error => Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' });
