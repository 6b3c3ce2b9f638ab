// Sends requests to the requester's HTTP API. When several addresses are known, it tries them in turn, as far as a request
// can be repeated without harm: a read, what no requester has got, and a change whose operation requesters remember.
import type { IncomingMessage } from 'node:http';
import { newOperation } from '../protocol/operation.ts';
import { systemClock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { systemRandom } from '../system/random.ts';
import { readDecisionAnswer } from './answers.ts';
import { type AskedChange, findOutHint, isStartOrName, mayStandText, timeoutError } from './explain.ts';
import { type ApiServerOptions, type Attempt, OneServer } from './one-server.ts';
import { type Orchestrator, refusedByText } from './orchestrator.ts';
import { parseJson, readBody } from './read-response.ts';

/**
 * Times in milliseconds for an address after which others can be tried: for the connection, and for the beginning of the
 * answer to a request that may be repeated.
 */
const notLastMs = { connect: 2_000, answer: 10_000 };

/** A kind of change: what is said of one whose answer was lost. */
export interface Change {
  /** What it is, such as `the decision about node gpu-7`. */
  what: string;
  /** Returns the command that tells whether it was made. */
  findOut(operation: string): string;
  /** Whether requesters remember its operation, so that it may be repeated at another one. */
  isRemembered?: boolean;
  /** The id of its operation; a new one when absent. */
  operation?: string | undefined;
}

/** A request, as far as it decides whether it may be sent again. */
interface Wish {
  isRepeatable: boolean;
  /** The change that is asked for. */
  change?: AskedChange | undefined;
}

/** A server that was asked in vain. */
interface Failed {
  failure: MusterError;
  url: string;
  /** Whether it may have made the change that was asked for. */
  mayHaveDone: boolean;
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

  /** The orchestrator of Bacalhau that answered last; undefined when a requester of muster did. */
  get orchestrator(): Orchestrator | undefined {
    return this.#latest.orchestrator;
  }

  /** Sends a decision. @throws MusterError also when the requester refuses it in its answer. */
  async decide(path: string, decision: object, change: Change): Promise<void> {
    const body = JSON.stringify(decision);
    const { Success, Error: reason } = await this.ask(readDecisionAnswer, 'PUT', path, body, change);
    if (Success) return;
    if (this.orchestrator) throw refusedByText(this.orchestrator, path, reason);
    throw new MusterError('failed', reason || `the requester at ${this.url} refused`);
  }

  /** Sends a request and reads its answer. A request that changes something is an operation of its own. */
  ask<T>(
    read: (value: unknown) => T,
    method: string,
    path: string,
    body?: string,
    change?: Change,
  ): Promise<T> {
    const isRead = method === 'GET';
    const operation = isRead
      ? undefined
      : (change?.operation ?? newOperation(systemClock.now(), systemRandom.uuid()));
    const wish: Wish = {
      isRepeatable: isRead || change?.isRemembered === true,
      ...(operation && change
        ? { change: { what: change.what, operation, findOut: change.findOut(operation) } }
        : {}),
    };
    return this.#inTurn(wish, async (server, attempt) => {
      const signal = AbortSignal.timeout(server.deadlineMs);
      const endsAtMs = systemClock.monotonic() + server.deadlineMs;
      try {
        const response = await server.open({ method, path, body, signal, endsAtMs, operation }, attempt);
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
   * no such stream. `accept` names the media types that it may have.
   */
  open(
    path: string,
    check: (response: IncomingMessage) => void,
    accept?: string,
  ): Promise<{ response: IncomingMessage; server: OneServer }> {
    return this.#inTurn({ isRepeatable: true }, async (server, attempt) => {
      const response = await server.open({ method: 'GET', path, accept }, attempt);
      check(response);
      return { response, server };
    });
  }

  /** Asks another server than this one first from now on, if there is one. */
  leave(server: OneServer): void {
    const next = this.#servers[(this.#servers.indexOf(server) + 1) % this.#servers.length];
    if (next && this.#latest === server) this.#latest = next;
  }

  async #inTurn<T>(wish: Wish, send: (server: OneServer, attempt: Attempt) => Promise<T>): Promise<T> {
    const first = this.#latest;
    const order = [first, ...this.#servers.filter(server => server !== first)];
    const failures: Failed[] = [];
    for (const [index, server] of order.entries()) {
      const isLast = index === order.length - 1;
      const attempt = attemptAt(server, wish.isRepeatable, isLast);
      try {
        const result = await send(server, attempt);
        this.#latest = server;
        return result;
      } catch (error) {
        const change = attempt.wasWritten ? wish.change : undefined;
        const failure = server.explain(error, { change }, attempt.answerMs);
        if (failure.code !== 'unreachable') this.#latest = server;
        const mayHaveDone = attempt.wasWritten && failure.code === 'unreachable' && !failure.nothingDone;
        failures.push({ failure, url: server.url, mayHaveDone });
        if (!mayAskAnother(failure, wish, attempt)) break;
      }
    }
    throw failureOfAll(failures, wish.change);
  }
}

/** Returns `path` with the parameters `query`. */
export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

function attemptAt({ deadlineMs }: OneServer, isRepeatable: boolean, isLast: boolean): Attempt {
  return {
    connectMs: isLast ? undefined : Math.min(deadlineMs, notLastMs.connect),
    answerMs: isLast || !isRepeatable ? deadlineMs : Math.min(deadlineMs, notLastMs.answer),
    wasWritten: false,
  };
}

/** Whether another requester may get the same request: always when it may be repeated, else only what this one has not done. */
function mayAskAnother(failure: MusterError, { isRepeatable }: Wish, { wasWritten }: Attempt): boolean {
  if (failure.nothingDone) return true;
  return failure.code === 'unreachable' && (isRepeatable || !wasWritten);
}

/** Returns the error when no address has helped: the failure of the only one, or one that tells of all of them. */
function failureOfAll(failed: readonly Failed[], change: AskedChange | undefined): MusterError {
  const failures = failed.map(({ failure }) => failure);
  const last = failed.at(-1);
  // An answer counts, unless the requester before has got the same change and may have made it.
  if (last && !isInVain(last.failure) && !failed.some(each => each.mayHaveDone)) return last.failure;
  const [first = new MusterError('unreachable', 'no address of a requester is known'), ...others] = failures;
  if (others.length === 0) return first;
  if (change && failed.some(each => each.mayHaveDone)) return doubtful(failed, change);
  // What is not `unreachable` was answered, so it says more.
  const { code } = failures.find(failure => failure.code !== 'unreachable') ?? first;
  const hints = failures.flatMap(({ hint }) => (hint === undefined || isStartOrName(hint) ? [] : hint));
  return new MusterError(code, `none of the ${failures.length} requesters in api.servers can do it`, {
    hint: [...new Set(hints), 'start one of them, or ask another one with --api-host and --api-port'].join(
      '; ',
    ),
    details: failed.map(detail),
    cause: first,
    nothingDone: true,
  });
}

/** Whether the failure says only that this requester could not do it. */
const isInVain = ({ code, nothingDone }: MusterError): boolean => code === 'unreachable' || nothingDone;

/** Returns the error for a change that a requester has got and may have made, and that the others did not make either. */
const doubtful = (failed: readonly Failed[], change: AskedChange): MusterError =>
  new MusterError('unreachable', `${failed.length} requesters were asked, and ${mayStandText(change)}`, {
    hint: findOutHint(change),
    details: failed.map(detail),
    cause: failed[0]?.failure,
  });

/** A requester that refuses in its own words does not name its address. */
const detail = ({ failure: { message }, url }: Failed): string =>
  message.includes(url) ? message : `${url}: ${message}`;
