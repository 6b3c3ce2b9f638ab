// Sends requests to the requester's HTTP API. Each answer has a deadline and a size limit, and each failure is one plain
// sentence.
import type { IncomingMessage } from 'node:http';
import { MusterError } from '../system/errors.ts';
import { type ApiAddress, urlOf } from './address.ts';
import { readDecisionAnswer } from './answers.ts';
import { type Asked, explain, refusalOf, timeoutError, tokenWanted } from './explain.ts';
import type { TokenSource } from './find-token.ts';
import { parseJson, readBody } from './read-response.ts';
import { ApiConnection, type OutgoingRequest } from './send-request.ts';
import { sendSignedIn } from './signed-in.ts';

export interface ApiClientOptions extends Pick<ApiAddress, 'host' | 'port'> {
  /** Whether requests go over TLS; false when absent. */
  isTls?: boolean;
  /** The certificates that are trusted, in PEM; those of Node when absent. */
  ca?: readonly string[] | undefined;
  /** Where an operator's token is found. Without it no token is shown. */
  tokens?: TokenSource | undefined;
  /** Time for an answer, in milliseconds. */
  deadlineMs?: number;
  /** Reasons why host and port may be wrong. They are shown only when nothing answers there. */
  doubts?: readonly string[];
}

export const defaultDeadlineMs = 30_000;

/** The requests of one client. All methods throw MusterError: `unreachable`, or the error in the requester's answer. */
export class ApiRequests {
  readonly url: string;
  readonly #options: ApiClientOptions & Required<Pick<ApiClientOptions, 'deadlineMs' | 'doubts' | 'isTls'>>;
  /** Whether a read shows the token too: beyond the loopback, and where the requester wants it. */
  #readsSignedIn: boolean;

  constructor(options: ApiClientOptions) {
    this.#options = { deadlineMs: defaultDeadlineMs, doubts: [], isTls: false, ...options };
    this.#readsSignedIn = this.#options.isTls;
    this.url = urlOf(this.#options);
  }

  /** Sends a decision about the node `id`. @throws MusterError also when the requester refuses it in its answer. */
  async decide(path: string, decision: object, id: string): Promise<void> {
    const body = JSON.stringify(decision);
    const { Success, Error: reason } = await this.ask(readDecisionAnswer, 'PUT', path, body, id);
    if (!Success) throw new MusterError('failed', reason || `the requester at ${this.url} refused`);
  }

  /** Sends a request and reads its answer. `decidesAbout` is the node about which the request decides. */
  async ask<T>(
    read: (value: unknown) => T,
    method: string,
    path: string,
    body?: string,
    decidesAbout?: string,
  ): Promise<T> {
    const signal = AbortSignal.timeout(this.#options.deadlineMs);
    try {
      const response = await this.open(method, path, body, signal);
      return read(parseJson(await readBody(response)));
    } catch (error) {
      // When the signal ends the reading of a body, the error looks like a lost connection.
      throw this.explain(signal.aborted ? timeoutError() : error, { decidesAbout });
    }
  }

  /** Sends a request and returns its response. When the requester refuses, it throws the refusal as a MusterError. */
  async open(method: string, path: string, body?: string, signal?: AbortSignal): Promise<IncomingMessage> {
    const outgoing = { method, path, body, signal };
    const { tokens } = this.#options;
    if (method === 'GET' && !this.#readsSignedIn) {
      const response = await this.#send(outgoing);
      if (response.statusCode !== 401 || !tokens) return accepted(response);
      response.destroy();
      this.#readsSignedIn = true;
    }
    if (!tokens) return accepted(await this.#send(outgoing));
    const { response, withoutToken } = await sendSignedIn(this.#options, tokens, outgoing);
    return accepted(response, withoutToken);
  }

  async #send(outgoing: OutgoingRequest): Promise<IncomingMessage> {
    const connection = new ApiConnection(this.#options);
    try {
      const { response } = await connection.send(outgoing);
      response.once('close', () => connection.close());
      return response;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  explain(error: unknown, about: Pick<Asked, 'decidesAbout' | 'hasAnswered'>): MusterError {
    return explain(error, { ...this.#options, url: this.url, ...about });
  }

  limitSilence(response: IncomingMessage): void {
    response.setTimeout(this.#options.deadlineMs, () => response.destroy(timeoutError()));
  }
}

/** Returns `path` with the parameters `query`. */
export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Returns the response when it is no refusal. When no token was shown, `withoutToken` says of each place why it has none.
 * @throws MusterError for a refusal; ProtocolError for a response that a requester does not give.
 */
async function accepted(
  response: IncomingMessage,
  withoutToken?: readonly string[],
): Promise<IncomingMessage> {
  const { statusCode = 0 } = response;
  if (statusCode === 200) return response;
  const refusal = refusalOf(statusCode, parseJson(await readBody(response)));
  throw statusCode === 401 && withoutToken ? tokenWanted(refusal, withoutToken) : refusal;
}
