// Sends requests to the API at one address, and turns each failure into one plain sentence.
import type { IncomingMessage } from 'node:http';
import type { MusterError } from '../system/errors.ts';
import { type ApiAddress, urlOf } from './address.ts';
import { type Asked, explain, refusalOf, timeoutError, tokenWanted } from './explain.ts';
import type { TokenSource } from './find-token.ts';
import { KeptConnections } from './kept-connections.ts';
import {
  type Orchestrator,
  orchestratorRefusal,
  orchestratorVersion,
  usersOnly,
  withoutProof,
} from './orchestrator.ts';
import { parseJson, readBody } from './read-response.ts';
import { ApiConnection, type OutgoingRequest, type Target } from './send-request.ts';
import { SignedIn } from './signed-in.ts';

export interface ApiServerOptions extends Pick<ApiAddress, 'host' | 'port'> {
  /** Whether requests go over TLS; false when absent. */
  isTls?: boolean;
  /**
   * The certificates that are trusted, in PEM, or a function that finds them before the first request; those of Node when
   * absent. The function gets its time in milliseconds.
   */
  ca?: readonly string[] | ((deadlineMs: number) => Promise<readonly string[] | undefined>) | undefined;
  /** Where an operator's token is found. Without it no token is shown. */
  tokens?: TokenSource | undefined;
  /** Time for an answer, in milliseconds. */
  deadlineMs?: number;
  /** Reasons why host and port may be wrong. They are shown only when nothing answers there. */
  doubts?: readonly string[];
}

const defaultDeadlineMs = 30_000;

/** One attempt to get an answer: what it may cost, and how far it came. */
export interface Attempt {
  /** Time for the connection, in milliseconds; undefined when it may take as long as the answer. */
  connectMs: number | undefined;
  /** Time for the beginning of the answer, in milliseconds. */
  answerMs: number;
  /** Whether the request was written, so that the requester may have carried it out. */
  wasWritten: boolean;
}

/** The API at one address. */
export class OneServer {
  readonly url: string;
  readonly deadlineMs: number;
  readonly #options: ApiServerOptions & Required<Pick<ApiServerOptions, 'doubts' | 'isTls'>>;
  /** Whether a read shows the token too: beyond the loopback, and where the requester wants it. */
  #readsSignedIn: boolean;
  /** The version of the orchestrator of Bacalhau that answered last; undefined when none did. */
  #bacalhau: string | undefined;
  readonly #kept = new KeptConnections();
  #ca: readonly string[] | undefined;

  constructor(options: ApiServerOptions) {
    this.#options = { doubts: [], isTls: false, ...options };
    this.deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
    this.#readsSignedIn = this.#options.isTls;
    this.url = urlOf(this.#options);
  }

  /** The orchestrator of Bacalhau that answers here; undefined when a requester of muster does, or nothing has answered yet. */
  get orchestrator(): Orchestrator | undefined {
    return this.#bacalhau === undefined ? undefined : { url: this.url, version: this.#bacalhau };
  }

  /**
   * Sends a request and returns its response. When the requester refuses, it throws the refusal as a MusterError. It
   * throws other errors as they are, for `explain`.
   */
  async open(outgoing: OutgoingRequest, attempt: Attempt): Promise<IncomingMessage> {
    const target = await this.#target(attempt);
    const last = { ...outgoing, onWrite: () => Object.assign(attempt, { wasWritten: true }) };
    const { tokens } = this.#options;
    if (outgoing.method === 'GET' && !this.#readsSignedIn) {
      const response = await send(target, last);
      if (response.statusCode !== 401 || !tokens) return this.#accepted(response, outgoing);
      response.destroy();
      this.#readsSignedIn = true;
    }
    if (!tokens) return this.#accepted(await send(target, last), outgoing);
    const { answerMs } = attempt;
    const signedIn =
      this.#kept.take(answerMs) ??
      (await SignedIn.open(target, tokens, outgoing.signal).catch((error: unknown) => {
        throw this.orchestrator ? withoutProof(this.orchestrator, error) : error;
      }));
    const { response } = await signedIn.send(last);
    this.#kept.keepAfter(response, signedIn, answerMs);
    return this.#accepted(response, outgoing, signedIn.withoutToken);
  }

  /** Returns the error for an operator. `answerMs` is the time that ran out, if one did. */
  explain(
    error: unknown,
    about: Pick<Asked, 'change' | 'hasAnswered'>,
    answerMs = this.deadlineMs,
  ): MusterError {
    const { host, doubts } = this.#options;
    return explain(error, { url: this.url, host, doubts, deadlineMs: answerMs, ...about });
  }

  /** Ends the response when nothing of it comes for the time of an answer. */
  limitSilence(response: IncomingMessage): void {
    response.setTimeout(this.deadlineMs, () => response.destroy(timeoutError()));
  }

  async #target({ connectMs, answerMs }: Attempt): Promise<Target> {
    const { host, port, isTls, ca } = this.#options;
    this.#ca ??= typeof ca === 'function' ? await ca(connectMs ?? answerMs) : ca;
    return { host, port, isTls, ca: this.#ca, deadlineMs: answerMs, connectMs };
  }

  /**
   * Returns the response when it is no refusal. When no token was shown, `withoutToken` says of each place why it has none.
   * @throws MusterError for a refusal; ProtocolError for a response that a requester does not give.
   */
  async #accepted(
    response: IncomingMessage,
    { path }: OutgoingRequest,
    withoutToken?: readonly string[],
  ): Promise<IncomingMessage> {
    const { statusCode: status = 0 } = response;
    this.#bacalhau = orchestratorVersion(response);
    if (status === 200) return response;
    const text = await readBody(response);
    if (this.orchestrator) throw orchestratorRefusal(this.orchestrator, { path, status, text });
    const body = parseJson(text);
    const foreign = usersOnly(this.url, status, body);
    if (foreign) throw foreign;
    const refusal = refusalOf(status, body);
    throw status === 401 && withoutToken ? tokenWanted(refusal, withoutToken) : refusal;
  }
}

async function send(target: Target, outgoing: OutgoingRequest): Promise<IncomingMessage> {
  const connection = new ApiConnection(target);
  try {
    const { response } = await connection.send(outgoing);
    response.once('close', () => connection.close());
    return response;
  } catch (error) {
    connection.close();
    throw error;
  }
}
