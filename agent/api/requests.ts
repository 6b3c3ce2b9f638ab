// Sends requests to the requester's HTTP API. When several addresses are known, it tries them in turn, as far as a request
// can be repeated without harm.
import type { IncomingMessage } from 'node:http';
import { MusterError } from '../system/errors.ts';
import { readDecisionAnswer } from './answers.ts';
import { type Decided, isStartOrName, timeoutError } from './explain.ts';
import { type ApiServerOptions, type Attempt, OneServer } from './one-server.ts';
import { parseJson, readBody } from './read-response.ts';

/**
 * Times in milliseconds for an address after which others can be tried: for the connection, and for the beginning of the
 * answer to a read.
 */
const notLastMs = { connect: 2_000, read: 10_000 };

/** A request, as far as it decides whether it may be sent again. */
interface Wish {
  isRead: boolean;
  decided?: Decided | undefined;
}

/** A server that was asked in vain. */
interface Failed {
  failure: MusterError;
  url: string;
}

/** The requests of one client. All methods throw MusterError: `unreachable`, or the error in the requester's answer. */
export class ApiRequests {
  readonly #servers: readonly OneServer[];
  /** The server that answered last, which is tried first. */
  #latest: OneServer;

  constructor(first: ApiServerOptions, others: readonly ApiServerOptions[] = []) {
    this.#latest = new OneServer(first);
    this.#servers = [this.#latest, ...others.map(options => new OneServer(options))];
  }

  /** The address that answered last, or the first one. */
  get url(): string {
    return this.#latest.url;
  }

  /** Sends a decision. @throws MusterError also when the requester refuses it in its answer. */
  async decide(path: string, decision: object, decided: Decided): Promise<void> {
    const body = JSON.stringify(decision);
    const { Success, Error: reason } = await this.ask(readDecisionAnswer, 'PUT', path, body, decided);
    if (!Success) throw new MusterError('failed', reason || `the requester at ${this.url} refused`);
  }

  /** Sends a request and reads its answer. */
  ask<T>(
    read: (value: unknown) => T,
    method: string,
    path: string,
    body?: string,
    decided?: Decided,
  ): Promise<T> {
    return this.#inTurn({ isRead: method === 'GET', decided }, async (server, attempt) => {
      const signal = AbortSignal.timeout(server.deadlineMs);
      try {
        const response = await server.open({ method, path, body, signal }, attempt);
        return read(parseJson(await readBody(response)));
      } catch (error) {
        if (!signal.aborted) throw error;
        // When the signal ends the reading of a body, the error looks like a lost connection.
        attempt.answerMs = server.deadlineMs;
        throw timeoutError();
      }
    });
  }

  /**
   * Opens a stream. Returns its response, and the server that sends it. `check` throws ProtocolError for a response that is
   * no such stream.
   */
  open(
    path: string,
    check: (response: IncomingMessage) => void,
  ): Promise<{ response: IncomingMessage; server: OneServer }> {
    return this.#inTurn({ isRead: true }, async (server, attempt) => {
      const response = await server.open({ method: 'GET', path }, attempt);
      check(response);
      return { response, server };
    });
  }

  async #inTurn<T>(wish: Wish, send: (server: OneServer, attempt: Attempt) => Promise<T>): Promise<T> {
    const first = this.#latest;
    const order = [first, ...this.#servers.filter(server => server !== first)];
    const failures: Failed[] = [];
    for (const [index, server] of order.entries()) {
      const isLast = index === order.length - 1;
      const attempt = attemptAt(server, wish.isRead, isLast);
      try {
        const result = await send(server, attempt);
        this.#latest = server;
        return result;
      } catch (error) {
        const decided = attempt.wasWritten ? wish.decided : undefined;
        const failure = server.explain(error, { decided }, attempt.answerMs);
        if (failure.code !== 'unreachable') this.#latest = server;
        if (!mayAskAnother(failure, wish, attempt)) throw failure;
        failures.push({ failure, url: server.url });
      }
    }
    throw failureOfAll(failures);
  }
}

/** Returns `path` with the parameters `query`. */
export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

function attemptAt({ deadlineMs }: OneServer, isRead: boolean, isLast: boolean): Attempt {
  return {
    connectMs: isLast ? undefined : Math.min(deadlineMs, notLastMs.connect),
    answerMs: isLast || !isRead ? deadlineMs : Math.min(deadlineMs, notLastMs.read),
    wasWritten: false,
  };
}

/** Whether another requester may get the same request: a read always, a change only when this one cannot have made it. */
function mayAskAnother(failure: MusterError, { isRead }: Wish, { wasWritten }: Attempt): boolean {
  if (failure.nothingDone) return true;
  return failure.code === 'unreachable' && (isRead || !wasWritten);
}

/** Returns the error when no address has helped: the failure of the only one, or one that tells of all of them. */
function failureOfAll(failed: readonly Failed[]): MusterError {
  const failures = failed.map(({ failure }) => failure);
  const [first = new MusterError('unreachable', 'no address of a requester is known'), ...others] = failures;
  if (others.length === 0) return first;
  // What is not `unreachable` was answered, so it says more.
  const { code } = failures.find(failure => failure.code !== 'unreachable') ?? first;
  const hints = failures.flatMap(({ hint }) => (hint === undefined || isStartOrName(hint) ? [] : hint));
  return new MusterError(code, `none of the ${failures.length} requesters in api.servers can do it`, {
    hint: [...new Set(hints), 'start one of them, or ask another one with --api-host and --api-port'].join(
      '; ',
    ),
    // A requester that refuses in its own words does not name its address.
    details: failed.map(({ failure: { message }, url }) =>
      message.includes(url) ? message : `${url}: ${message}`,
    ),
    cause: first,
    nothingDone: true,
  });
}
