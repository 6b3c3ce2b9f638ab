// Calls the requester's HTTP API: a deadline for every answer, a bound for its size, a sentence for every failure.
// By node:http: fetch refuses some ports outright, and ends a stream that is quiet for five minutes.
import { type IncomingMessage, request } from 'node:http';
import type { LoadedSettings, LoadOptions } from '../config/load.ts';
import { formatDuration } from '../config/units.ts';
import { ProtocolError } from '../protocol/error.ts';
import { nodeIdPattern } from '../protocol/schema.ts';
import { type ErrorCode, errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import {
  readChanged,
  readEvent,
  readNodes,
  readOneNode,
  readProblem,
  readStatus,
  type ShownEvent,
  type ShownNode,
} from './answers.ts';

export interface NodeChange {
  Action: 'approve' | 'reject' | 'delete';
  Message: string;
  Actor: string;
}

export interface ApiClientOptions {
  host: string;
  port: number;
  /** Milliseconds for an answer. */
  deadline?: number;
  /** What makes it doubtful that host and port are right: said only when nobody answers there. */
  doubts?: readonly string[];
}

/** What is told of a stream of events besides the events. */
export interface EventsHeard {
  /** The requester has answered; its events follow. */
  opened?(): void;
  /** Something is no event of ours: others may publish where events are. */
  unreadable(reason: string): void;
}

/** The largest answer that is read, in bytes: some 200 000 nodes. */
const maxAnswer = 256 * 1024 * 1024;
/** The longest line of a stream, in characters: an event is at most 64 KiB. */
const maxLine = 128 * 1024;

/** The settings by which a command finds the requester. */
export const apiSettings = ['api.host', 'api.port'] as const;

/** Returns a client for the requester that the settings name. Throws MusterError `bad_config`. */
export async function requesterApi(
  load: (options: Pick<LoadOptions, 'skipUnreadable'>) => Promise<LoadedSettings>,
  options: Pick<ApiClientOptions, 'deadline'> = {},
): Promise<ApiClient> {
  const { settings, warnings } = await load({ skipUnreadable: true });
  return new ApiClient({
    ...settings.api,
    ...options,
    doubts: warnings.filter(text => text.includes('cannot be read')),
  });
}

/** All methods throw MusterError: `unreachable`, or what the requester answers. */
export class ApiClient {
  readonly url: string;
  readonly #options: Required<ApiClientOptions>;

  constructor(options: ApiClientOptions) {
    this.#options = { deadline: 30_000, doubts: [], ...options };
    const { host, port } = options;
    this.url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** The nodes that match `query`, whose parameters are the API's. */
  nodes(query: Readonly<Record<string, string>>): Promise<ShownNode[]> {
    return this.#ask(readNodes, 'GET', withQuery('/orchestrator/nodes', query));
  }

  /** By id or unique prefix. */
  node(name: string): Promise<ShownNode> {
    return this.#ask(readOneNode, 'GET', nodePath(name));
  }

  async change(name: string, change: NodeChange): Promise<void> {
    const { Success, Error: why } = await this.#ask(
      readChanged,
      'PUT',
      nodePath(name),
      JSON.stringify(change),
    );
    if (!Success) throw new MusterError('failed', why || `the requester at ${this.url} refused`);
  }

  status(): Promise<ReturnType<typeof readStatus>> {
    return this.#ask(readStatus, 'GET', '/orchestrator/status');
  }

  /** The events that match `query`. When they are followed, the end is an error: the requester stopped. */
  async *events(query: Readonly<Record<string, string>>, heard: EventsHeard): AsyncGenerator<ShownEvent> {
    const following = query.follow === 'true';
    try {
      const response = await this.#open('GET', withQuery('/orchestrator/events', query));
      heard.opened?.();
      if (!following) this.#mustNotStall(response);
      for await (const line of lines(response)) {
        const event = eventOf(line, heard.unreadable);
        if (event) yield event;
      }
    } catch (error) {
      throw this.#explain(error);
    }
    if (following) throw new MusterError('unreachable', `the requester at ${this.url} stopped`);
  }

  async #ask<T>(read: (value: unknown) => T, method: string, path: string, body?: string): Promise<T> {
    const signal = AbortSignal.timeout(this.#options.deadline);
    try {
      const response = await this.#open(method, path, body, signal);
      return read(parse(await bodyOf(response)));
    } catch (error) {
      // A body that is cut off by the signal reads as a lost connection.
      throw this.#explain(signal.aborted ? timedOut() : error);
    }
  }

  /** Sends a request and answers with its response, if that is no refusal. */
  async #open(method: string, path: string, body?: string, signal?: AbortSignal): Promise<IncomingMessage> {
    const { host, port } = this.#options;
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
    sent.setTimeout(this.#options.deadline, () => sent.destroy(timedOut()));
    sent.end(body);
    const response = await promise;
    sent.setTimeout(0);
    if (response.statusCode === 200) return response;
    throw refusal(response.statusCode ?? 0, parse(await bodyOf(response)));
  }

  #mustNotStall(response: IncomingMessage): void {
    response.setTimeout(this.#options.deadline, () => response.destroy(timedOut()));
  }

  #explain(error: unknown): MusterError {
    if (error instanceof MusterError) return error;
    const { url } = this;
    const { doubts, deadline, host } = this.#options;
    const elsewhere = [
      ...doubts,
      'start one with "muster requester" or "muster dev", or say where it runs: --api-host and --api-port, MUSTER_API_HOST and MUSTER_API_PORT, or api.host and api.port in the configuration file',
    ].join('; ');
    const unreachable = (message: string, hint?: string) =>
      new MusterError('unreachable', message, { hint, cause: error });
    const code = errnoOf(error) ?? '';
    if (code === 'ECONNREFUSED') return unreachable(`no requester answers at ${url}`, elsewhere);
    if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
      return unreachable(`no requester answers at ${url}: there is no host ${host}`, elsewhere);
    }
    if (code === 'ETIMEDOUT') {
      return unreachable(`the requester at ${url} did not answer within ${formatDuration(deadline)}`);
    }
    if (code === 'ECONNRESET' || code === 'EPIPE') return unreachable(`the connection to ${url} was lost`);
    if (error instanceof ProtocolError || code.startsWith('HPE_')) {
      return unreachable(`what answers at ${url} is no requester: ${reasonOf(error)}`, elsewhere);
    }
    return unreachable(`no requester answers at ${url}: ${reasonOf(error)}`, elsewhere);
  }
}

function nodePath(name: string): string {
  // What cannot be an id is on no roll; as part of a path it could lead elsewhere.
  if (!nodeIdPattern.test(name)) throw new MusterError('not_found', `node not found: ${name}`);
  return `/orchestrator/nodes/${name}`;
}

function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswer) throw new ProtocolError('too_large', `an answer of more than ${maxAnswer} bytes`);
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
    if (rest.length > maxLine)
      throw new ProtocolError('too_large', `a line of more than ${maxLine} characters`);
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

function eventOf(line: string, unreadable: (reason: string) => void): ShownEvent | undefined {
  try {
    return readEvent(parse(line));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    unreadable(error.message);
    return undefined;
  }
}

const codes: Record<string, ErrorCode> = {
  NotFound: 'not_found',
  MultipleNodesFound: 'ambiguous',
  ConflictNodeState: 'conflict',
  ServiceUnavailable: 'unreachable',
  BadRequest: 'usage',
  PayloadTooLarge: 'usage',
};
const statusCodes: Record<number, ErrorCode> = { 401: 'not_allowed', 403: 'not_allowed', 503: 'unreachable' };

/** What the requester refused, in its own words. @throws ProtocolError when it is no refusal of a requester. */
function refusal(status: number, body: unknown): MusterError {
  const { Message, Code, Hint } = readProblem(body);
  const code = (Object.hasOwn(codes, Code) ? codes[Code] : undefined) ?? statusCodes[status] ?? 'failed';
  return new MusterError(code, Message, { hint: Hint || undefined });
}

const timedOut = (): Error => Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' });
