// Reads the questions of a NATS server whether to let a client in, and writes the answers (the auth callout of nats-server).
import * as v from 'valibot';
import { type AccountKeys, accountId } from './account-keys.ts';
import { ProtocolError } from './error.ts';
import { validate } from './schema.ts';
import { readSignedToken, type SigningKey, writeSignedToken } from './signed-token.ts';

/** The subject on which a server asks. */
export const calloutSubject = '$SYS.REQ.USER.AUTH';

/** The account of the requester and of the nodes on the broker. */
export const nodesAccount = 'MUSTER';
/** The account of the nodes that come in by a token and not by a key. */
export const unverifiedAccount = 'UNVERIFIED';
/** The account of the listeners that read the event stream by a durable of their own. */
export const listenersAccount = 'LISTEN';
/**
 * The account of the listeners that hear events as they are sent. Whoever may ask for stored events can have them sent to any
 * subject of its own account, so these have another account, in which nobody may send anything.
 */
export const liveAccount = 'LISTEN_LIVE';

const word = (limit = 1024) => v.optional(v.pipe(v.string(), v.maxLength(limit)), '');

const questionSchema = v.object({
  iat: v.pipe(v.number(), v.finite()),
  nats: v.object({
    server_id: v.object({ id: word(128), name: word(), xkey: word(128) }),
    user_nkey: v.pipe(v.string(), v.regex(/^U[A-Z2-7]{55}$/)),
    client_info: v.object({
      host: word(256),
      id: v.pipe(v.number(), v.integer(), v.minValue(0)),
      kind: word(64),
      type: word(64),
      nonce: word(128),
    }),
    connect_opts: v.object({
      nkey: word(128),
      sig: word(256),
      auth_token: word(4096),
      name: word(),
      user: word(),
      pass: word(4096),
    }),
  }),
});

/** A client that wants to be let in, as its server describes it. The client chose all that is in `offers`. */
export interface CalloutQuestion {
  /** The id of the server. It has signed the question. */
  server: string;
  /** The key by which the server encrypts, `X…`; empty when it does not. */
  serverKey: string;
  /** The number of the connection at its server. */
  connection: number;
  /** The key under which the server knows the client for this answer. */
  user: string;
  /** The time of the question by the server's clock, in seconds since 1970. */
  askedAt: number;
  /** The address of the client. */
  host: string;
  /** Whether the client speaks plain NATS over TCP: not by a websocket, by MQTT or as a leaf node. */
  isPlain: boolean;
  /** The random text that the client had to sign; empty when its server sent none. */
  nonce: string;
  offers: { key: string; signature: string; token: string; name: string; user: string; password: string };
}

/** Reads a question. @throws ProtocolError when no server has signed it. */
export function readCalloutQuestion(data: Uint8Array): CalloutQuestion {
  const { issuer, claims } = readSignedToken(Buffer.from(data).toString('latin1'), 'node');
  const { iat, nats } = validate(questionSchema, claims);
  if (issuer !== nats.server_id.id)
    throw new ProtocolError('malformed', 'another server signed the question');
  const { client_info: client, connect_opts: options } = nats;
  return {
    server: issuer,
    serverKey: nats.server_id.xkey,
    connection: client.id,
    user: nats.user_nkey,
    askedAt: iat,
    host: client.host,
    isPlain: client.kind === 'Client' && client.type === 'nats',
    nonce: client.nonce,
    offers: {
      key: options.nkey,
      signature: options.sig,
      token: options.auth_token,
      name: options.name,
      user: options.user,
      password: options.pass,
    },
  };
}

/** What a client may do. A list that is empty permits nothing. */
export interface Permissions {
  publish: readonly string[];
  subscribe: readonly string[];
  /** Whether the client may answer each request that it receives, once. */
  mayAnswer: boolean;
}

export interface CalloutAnswer {
  account: string;
  permissions: Permissions;
  /** A word that the broker's list of clients shows beside the key, and that says what was given to the client. */
  mark?: string | undefined;
  /** The name by which the broker lists the client instead of its key and the mark. */
  name?: string | undefined;
  /** Seconds after which the server ends the connection; undefined for never. */
  lastsSeconds?: number | undefined;
}

/**
 * Writes the answer that lets a client in. `issuer` is the account key that the server's configuration names, or a signing key
 * of the accounts if the server has an operator, which knows accounts by the keys in `accounts`.
 */
export function writeCalloutAnswer(
  question: CalloutQuestion,
  answer: CalloutAnswer,
  issuer: SigningKey,
  accounts?: AccountKeys,
): string {
  const { user, server, askedAt, offers } = question;
  const { publish, subscribe, mayAnswer } = answer.permissions;
  const jwt = writeSignedToken(
    {
      sub: user,
      aud: accountId(answer.account, accounts),
      name: answer.name ?? [offers.key, answer.mark].filter(Boolean).join(' '),
      iat: askedAt,
      ...(answer.lastsSeconds === undefined ? {} : { exp: askedAt + answer.lastsSeconds }),
      nats: {
        type: 'user',
        version: 2,
        ...signedFor(answer.account, accounts),
        pub: listOf(publish),
        sub: listOf(subscribe),
        ...(mayAnswer ? { resp: { max: 1, ttl: answerTimeNs } } : {}),
        subs: -1,
        data: -1,
        payload: -1,
        allowed_connection_types: ['STANDARD'],
      },
    },
    issuer,
  );
  const response = { sub: user, aud: server, iat: askedAt };
  const nats = {
    type: 'authorization_response',
    version: 2,
    ...signedFor(nodesAccount, accounts),
    jwt,
  };
  return writeSignedToken({ ...response, nats }, issuer);
}

/** A token that another key than that of its account signs must name the account. */
const signedFor = (account: string, accounts: AccountKeys | undefined) =>
  accounts ? { issuer_account: accountId(account, accounts) } : {};

/** Time that a client has to answer a request, in nanoseconds. */
const answerTimeNs = 30_000_000_000;

/** An empty list of permitted subjects would permit everything, so then everything is denied. */
const listOf = (subjects: readonly string[]) => (subjects.length > 0 ? { allow: subjects } : { deny: ['>'] });
