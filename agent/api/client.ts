// Calls the requester's HTTP API. Each answer has a deadline and a size limit, and each failure is one plain sentence.
import type { IncomingMessage } from 'node:http';
import type { LoadedSettings, LoadOptions } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { ProtocolError } from '../protocol/error.ts';
import type { DecisionBody, LostNode, NewOperatorBody, OperatorView, ShownBan } from '../protocol/http.ts';
import type { CreatedJoinCode, JoinCodeOrder, JoinCodeView } from '../protocol/http-join-codes.ts';
import { isFingerprint } from '../protocol/nkey.ts';
import { nodeIdPattern } from '../protocol/schema.ts';
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { rememberSecret } from '../system/secrets.ts';
import { wholeIdHint } from '../system/whole-id-hint.ts';
import { type ApiAddress, apiAddress, urlOf } from './address.ts';
import {
  readBans,
  readCreatedJoinCode,
  readDecisionAnswer,
  readEvent,
  readJoinCode,
  readJoinCodes,
  readLostNodes,
  readNewToken,
  readNodes,
  readOneNode,
  readOperators,
  readRequesterState,
  type ShownEvent,
  type ShownNode,
} from './answers.ts';
import { type Asked, explain, refusalOf, timeoutError, tokenWanted } from './explain.ts';
import { type TokenSource, tokenSource } from './find-token.ts';
import { parseJson, readBody, readLines } from './read-response.ts';
import { ApiConnection, type OutgoingRequest } from './send-request.ts';
import { sendSignedIn } from './signed-in.ts';
import { trustedAuthorities } from './trusted-authorities.ts';

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

const defaultDeadlineMs = 30_000;

/** The functions that are called while an event stream is read. The events themselves are yielded. */
export interface EventListeners {
  /** Called when the requester has answered; its events follow. */
  onOpen?(): void;
  /** Called for a line that is not a membership event, because other programs may publish under the same subjects. */
  onUnreadable(reason: string): void;
}

/** The settings by which a command finds the requester. */
export const apiSettings = [
  'api.host',
  'api.port',
  'api.tokenFile',
  'api.tls.caFile',
  'api.tls.pin',
] as const;

/** Returns a client for the requester in the settings. Throws MusterError `bad_config`. */
export async function requesterApi(
  load: (options: Pick<LoadOptions, 'skipUnreadable'>) => Promise<LoadedSettings>,
  options: Pick<ApiClientOptions, 'deadlineMs'> = {},
): Promise<ApiClient> {
  const { settings, warnings } = await load({ skipUnreadable: true });
  const doubts = warnings.filter(text => text.includes('cannot be read'));
  return apiClient(settings, { ...options, doubts });
}

/** Returns a client for the requester in the settings. Throws MusterError. */
export async function apiClient(
  settings: Pick<Settings, 'api' | 'dataDir'>,
  options: Pick<ApiClientOptions, 'deadlineMs' | 'doubts'> = {},
): Promise<ApiClient> {
  const address = apiAddress(settings.api);
  const ca = await trustedAuthorities(settings, address, options.deadlineMs ?? defaultDeadlineMs);
  return new ApiClient({ ...address, ca, tokens: tokenSource(settings), ...options });
}

/** Calls the API. All methods throw MusterError: `unreachable`, or the error in the requester's answer. */
export class ApiClient {
  readonly url: string;
  readonly #options: ApiClientOptions & Required<Pick<ApiClientOptions, 'deadlineMs' | 'doubts' | 'isTls'>>;
  /** Whether a read shows the token too: beyond the loopback, and where the requester wants it. */
  #readsSignedIn: boolean;

  constructor(options: ApiClientOptions) {
    this.#options = { deadlineMs: defaultDeadlineMs, doubts: [], isTls: false, ...options };
    this.#readsSignedIn = this.#options.isTls;
    this.url = urlOf(this.#options);
  }

  /** Returns the nodes that match `query`, which has the parameters of the API. */
  nodes(query: Readonly<Record<string, string>>): Promise<ShownNode[]> {
    return this.#ask(readNodes, 'GET', withQuery('/orchestrator/nodes', query));
  }

  /** Returns the node with this id, or with this unique beginning of an id. */
  node(name: string): Promise<ShownNode> {
    return this.#ask(readOneNode, 'GET', nodePath(name));
  }

  /**
   * Approves, rejects, deletes or rekeys the node with exactly this id. A beginning of an id is `not_found`. An approval
   * names the key that the node has now, so that it counts for no other key.
   */
  async decide(id: string, decision: Omit<DecisionBody, 'Exact'>): Promise<void> {
    if (decision.Fingerprint !== undefined) requireFingerprint(decision.Fingerprint);
    const found = await this.#refuseBeginning(id);
    const Fingerprint = decision.Action === 'approve' ? found?.Muster?.Fingerprint : undefined;
    const body = { ...(Fingerprint ? { Fingerprint } : {}), ...decision, Exact: true };
    await this.#put(nodePath(id), body satisfies DecisionBody, id);
  }

  /** Returns the keys that are refused for ever. */
  bans(): Promise<ShownBan[]> {
    return this.#ask(readBans, 'GET', '/orchestrator/bans');
  }

  /** Lifts the ban of a key. `actor` is the operator who wants it. */
  async unban(fingerprint: string, actor: string): Promise<void> {
    requireFingerprint(fingerprint);
    const path = `/orchestrator/bans/${encodeURIComponent(fingerprint)}`;
    await this.#put(path, { Action: 'unban', Actor: actor }, fingerprint);
  }

  /** Returns the nodes whose records the store lost. */
  lostNodes(): Promise<LostNode[]> {
    return this.#ask(readLostNodes, 'GET', '/orchestrator/store/lost');
  }

  /** Writes the record of a lost node again. `actor` is the operator who wants it. */
  async rebuild(id: string, actor: string): Promise<void> {
    await this.#put(`/orchestrator/store/lost/${id}`, { Action: 'rebuild', Actor: actor }, id);
  }

  /** Makes a join code. The answer has the code itself, which is shown only here. */
  async createJoinCode(order: JoinCodeOrder): Promise<CreatedJoinCode> {
    const created = await this.#ask(readCreatedJoinCode, 'POST', joinCodesPath, JSON.stringify(order));
    rememberSecret(created.Code);
    return created;
  }

  /** Returns the join codes that the requester keeps, the newest first. */
  joinCodes(): Promise<JoinCodeView[]> {
    return this.#ask(readJoinCodes, 'GET', joinCodesPath);
  }

  /** Revokes the join code with exactly this id. `actor` is the operator who wants it. */
  revokeJoinCode(id: string, actor: string): Promise<JoinCodeView> {
    if (!/^[a-z2-7]{10}$/.test(id)) {
      throw new MusterError('not_found', `there is no join code ${id}`, {
        hint: 'an id has 10 letters and digits; list the codes by: muster join-code list',
      });
    }
    const body = JSON.stringify({ Action: 'revoke', Actor: actor });
    return this.#ask(readJoinCode, 'PUT', `${joinCodesPath}/${id}`, body);
  }

  /** Returns the operators who have a token. */
  operators(): Promise<OperatorView[]> {
    return this.#ask(readOperators, 'GET', '/orchestrator/operators');
  }

  /** Makes an operator's token and returns it. */
  createOperator(operator: NewOperatorBody): Promise<string> {
    return this.#ask(readNewToken, 'POST', '/orchestrator/operators', JSON.stringify(operator));
  }

  /** Makes the token of an operator void. `actor` is what the caller says of itself. */
  async revokeOperator(name: string, actor: string): Promise<void> {
    const path = withQuery(`/orchestrator/operators/${name}`, { actor });
    await this.#ask(readDecisionAnswer, 'DELETE', path);
  }

  /** Returns the state of the requester itself. */
  status(): Promise<ReturnType<typeof readRequesterState>> {
    return this.#ask(readRequesterState, 'GET', '/orchestrator/status');
  }

  /**
   * Yields the events that match `query`. With `follow` the stream goes on until the requester stops, so its end is an
   * error.
   */
  async *events(
    query: Readonly<Record<string, string>>,
    { onOpen, onUnreadable }: EventListeners,
  ): AsyncGenerator<ShownEvent> {
    const following = query.follow === 'true';
    let hasAnswered = false;
    try {
      const response = await this.#open('GET', withQuery('/orchestrator/events', query));
      requireEvents(response);
      hasAnswered = true;
      onOpen?.();
      if (!following) this.#limitSilence(response);
      for await (const line of readLines(response)) {
        const event = eventOf(line, onUnreadable);
        if (event) yield event;
      }
    } catch (error) {
      throw this.#explain(error, { hasAnswered });
    }
    if (following) throw new MusterError('unreachable', `the requester at ${this.url} stopped`);
  }

  // A requester of muster refuses a beginning of an id by itself. An orchestrator of Bacalhau does not know `Exact`, so
  // it is asked first which node it would take.
  async #refuseBeginning(id: string): Promise<ShownNode | undefined> {
    const found = await this.node(id).catch((error: MusterError) => {
      if (error.code === 'unreachable') throw error;
      return undefined;
    });
    const { NodeID } = found?.Info ?? { NodeID: id };
    if (NodeID !== id) throw nodeNotFound(id, wholeIdHint([NodeID]));
    return found;
  }

  /** Sends a decision about the node `id`. */
  async #put(path: string, decision: object, id: string): Promise<void> {
    const body = JSON.stringify(decision);
    const { Success, Error: reason } = await this.#ask(readDecisionAnswer, 'PUT', path, body, id);
    if (!Success) throw new MusterError('failed', reason || `the requester at ${this.url} refused`);
  }

  /** Sends a request and reads its answer. `decidesAbout` is the node about which the request decides. */
  async #ask<T>(
    read: (value: unknown) => T,
    method: string,
    path: string,
    body?: string,
    decidesAbout?: string,
  ): Promise<T> {
    const signal = AbortSignal.timeout(this.#options.deadlineMs);
    try {
      const response = await this.#open(method, path, body, signal);
      return read(parseJson(await readBody(response)));
    } catch (error) {
      // When the signal ends the reading of a body, the error looks like a lost connection.
      throw this.#explain(signal.aborted ? timeoutError() : error, { decidesAbout });
    }
  }

  /** Sends a request and returns its response. When the requester refuses, it throws the refusal as a MusterError. */
  async #open(method: string, path: string, body?: string, signal?: AbortSignal): Promise<IncomingMessage> {
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

  #explain(error: unknown, about: Pick<Asked, 'decidesAbout' | 'hasAnswered'>): MusterError {
    return explain(error, { ...this.#options, url: this.url, ...about });
  }

  #limitSilence(response: IncomingMessage): void {
    response.setTimeout(this.#options.deadlineMs, () => response.destroy(timeoutError()));
  }
}

const joinCodesPath = '/orchestrator/join-codes';

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

function nodePath(name: string): string {
  // A name with other characters could change the path of the request. No node has such an id.
  if (!nodeIdPattern.test(name)) throw nodeNotFound(name);
  return `/orchestrator/nodes/${name}`;
}

function requireFingerprint(text: string): void {
  if (isFingerprint(text)) return;
  const shown = printable(text, 64);
  throw new MusterError('usage', `"${shown}" is no fingerprint`, {
    hint: 'it has sixteen letters and digits, as ABCD-EFGH-IJKL-MNOP; muster status shows that of a machine',
  });
}

function nodeNotFound(name: string, hint?: string): MusterError {
  return new MusterError('not_found', `node not found: ${name}`, hint ? { hint } : {});
}

function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

/** Throws ProtocolError for an answer that is not a stream of events, because its lines would all be left out. */
function requireEvents({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? '';
  if (/^application\/x-ndjson\b/i.test(type)) return;
  throw new ProtocolError(
    'malformed',
    `its answer is no stream of events (${type.slice(0, 100) || 'no type'})`,
  );
}

function eventOf(line: string, onUnreadable: (reason: string) => void): ShownEvent | undefined {
  try {
    return readEvent(parseJson(line));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    onUnreadable(error.message);
    return undefined;
  }
}
