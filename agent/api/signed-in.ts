// Sends requests with the operator's token. Without TLS, the requester first proves that it knows the token, because on
// the loopback another user's program may listen on its port while it is away.
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { readRequesterTime, requesterTimeHeader } from '../protocol/caller-wait.ts';
import { ProtocolError } from '../protocol/error.ts';
import { placeOf, proofOf } from '../protocol/operator-token.ts';
import { hashToken, isSame } from '../protocol/secret-hash.ts';
import { systemClock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { readProof, readTokenFile } from './answers.ts';
import { refusalOf } from './explain.ts';
import type { FoundToken, TokenSource } from './find-token.ts';
import { parseJson, readBody } from './read-response.ts';
import {
  ApiConnection,
  type NamedTime,
  type OutgoingRequest,
  type Received,
  type Target,
} from './send-request.ts';

/** A connection on which requests show a token, or none when there is none. */
export class SignedIn {
  readonly #connection: ApiConnection;
  readonly #chosen: ChosenToken;
  /** The connection of the last response. */
  #socket: Socket | undefined;

  private constructor(connection: ApiConnection, chosen: ChosenToken) {
    this.#connection = connection;
    this.#chosen = chosen;
  }

  /**
   * Connects, and has the requester prove that it knows the token that `source` finds. @throws MusterError `not_allowed` when it
   * does not prove it; what `ApiConnection.send` throws.
   */
  static async open(target: Target, source: TokenSource, signal: AbortSignal | undefined): Promise<SignedIn> {
    const connection = new ApiConnection(target);
    try {
      const chosen = await (target.isTls ? tokenForTls(source) : provenToken(connection, source, signal));
      return new SignedIn(connection, chosen);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Why each place has no token; undefined when a token is shown. */
  get withoutToken(): readonly string[] | undefined {
    return this.#chosen.token ? undefined : this.#chosen.missed;
  }

  /** Whether the connection of the last response can take another request. */
  get isOpen(): boolean {
    return this.#socket?.destroyed === false && !this.#socket.readableEnded;
  }

  /** Sends a request, only after the one before was answered. Closes the connection when it fails. */
  async send(outgoing: OutgoingRequest): Promise<Received> {
    const { token, proven } = this.#chosen;
    try {
      const time = outgoing.operation === undefined ? undefined : await this.#requesterTime(outgoing);
      const named = { requesterTime: time, token: token?.text, onlyOn: proven?.socket };
      const received = await this.#connection.send({ ...outgoing, ...named });
      this.#socket = received.socket;
      return received;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  // Returns the last time that the requester has named. With TLS it proves nothing before, so it is asked for its time.
  async #requesterTime({ signal }: OutgoingRequest): Promise<NamedTime | undefined> {
    this.#chosen.proven ??= await askTime(this.#connection, signal);
    return this.#chosen.proven.requesterTime;
  }

  close(): void {
    this.#connection.close();
  }
}

/** What the requester has answered before it gets the token. */
interface Proven {
  /** The connection on which it has proved that it knows the token; undefined with TLS. */
  socket?: Socket;
  /** Its time then, if it named one. */
  requesterTime: NamedTime | undefined;
}

interface ChosenToken {
  token: FoundToken | undefined;
  proven?: Proven;
  missed: readonly string[];
}

async function tokenForTls(source: TokenSource): Promise<ChosenToken> {
  const { tokens, missed } = await source.here();
  return { token: tokens[0], missed };
}

async function askTime(connection: ApiConnection, signal: AbortSignal | undefined): Promise<Proven> {
  const { response } = await connection.send({ method: 'GET', path: '/auth', signal });
  await readBody(response);
  return { requesterTime: timeIn(response) };
}

/** Returns the time that the requester names in an answer; undefined for an earlier version. */
function timeIn({ headers }: Received['response']): NamedTime | undefined {
  const text = headers[requesterTimeHeader.toLowerCase()];
  const isTime = typeof text === 'string' && readRequesterTime(text) !== undefined;
  return isTime ? { text, receivedAtMs: systemClock.monotonic() } : undefined;
}

/** Returns the first token that the requester proves to know. Several may be here: of a service, and of `muster dev`. */
async function provenToken(
  connection: ApiConnection,
  source: TokenSource,
  signal: AbortSignal | undefined,
): Promise<ChosenToken> {
  const { tokens, missed, isGiven } = await source.here();
  for (const token of tokens) {
    const proven = await prove(connection, token, signal);
    if (proven) return { token, proven, missed };
  }
  if (isGiven && tokens.length === 0) return { token: undefined, missed };
  if (isGiven) throw notProven(tokens);
  const file = await askTokenFile(connection, signal);
  const named = file === undefined ? undefined : await source.in(file);
  for (const token of named?.tokens ?? []) {
    if (tokens.some(({ text }) => text === token.text)) continue;
    const proven = await prove(connection, token, signal);
    if (proven) return { token, proven, missed };
  }
  const all = [...tokens, ...(named?.tokens ?? [])];
  if (all.length > 0) throw notProven(all);
  return { token: undefined, missed: [...new Set([...missed, ...(named?.missed ?? [])])] };
}

/** Returns the connection on which the requester has proved that it knows the token; undefined when it has not. */
async function prove(
  connection: ApiConnection,
  { text, operator }: FoundToken,
  signal: AbortSignal | undefined,
): Promise<Proven | undefined> {
  const nonce = randomBytes(24).toString('base64url');
  const path = `/auth/proof?operator=${operator}&nonce=${nonce}`;
  const { response, socket } = await connection.send({ method: 'GET', path, signal });
  const { remoteAddress, remotePort } = socket;
  const body = parseJson(await readBody(response));
  // An older requester and an orchestrator of Bacalhau know nothing of proofs.
  if (response.statusCode === 404) return undefined;
  if (response.statusCode !== 200) throw refusalOf(response.statusCode ?? 0, body);
  const proof = Buffer.from(readProof(body).Proof, 'base64url');
  const expected = proofOf(hashToken(text), nonce, placeOf(remoteAddress, remotePort));
  return isSame(proof, expected) ? { socket, requesterTime: timeIn(response) } : undefined;
}

/** Returns the file that the requester says has the token of its machine; undefined when it names none. */
async function askTokenFile(
  connection: ApiConnection,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { response } = await connection.send({ method: 'GET', path: '/auth/token-file', signal });
  const text = await readBody(response);
  if (response.statusCode !== 200) return undefined;
  try {
    return readTokenFile(parseJson(text)).Path;
  } catch (error) {
    // Then the request itself says what kind of program answers there.
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function notProven(tokens: readonly FoundToken[]): MusterError {
  const named = tokens.map(({ operator, from }) => `${operator} (${from})`).join(' and of ');
  return new MusterError(
    'not_allowed',
    `what answers there does not know the token of operator ${named}; nothing was sent to it`,
    {
      hint: 'the token was revoked or is of another requester, or another program has taken the port: see muster status. Through a tunnel, use the same port at both ends',
    },
  );
}
