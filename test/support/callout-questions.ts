// Writes the questions whether to let a client in, as a server of NATS signs them.
import { writeSignedToken } from '../../agent/protocol/signed-token.ts';
import { type KeyPair, keyPairOf, signWith } from '../../agent/transport/key-pair.ts';
import type { Connection } from '../../agent/transport/port.ts';

/** The key of the server that asks. */
export const serverKey: KeyPair = keyPairOf(new Uint8Array(32).fill(7), 'node');
/** The key that signs the answers of the requester. */
export const issuerKey: KeyPair = keyPairOf(new Uint8Array(32).fill(8), 'account');

export interface QuestionOptions {
  /** The key of the client; undefined for a client that shows none. */
  key?: KeyPair | undefined;
  name?: string;
  token?: string;
  nonce?: string;
  /** The text that the client signed; the nonce by default. */
  signed?: string;
  /** The number of the connection. */
  connection?: number;
  host?: string;
  /** Members that replace those of the client or of its CONNECT. */
  client?: Record<string, unknown>;
  connect?: Record<string, unknown>;
}

/** Answers as a broker of one server, when it is asked which servers it has. */
export const gatherOne =
  (server = serverKey.publicKey): Connection['gather'] =>
  async (_subject, _data, _wait, onAnswer) => {
    const data = Buffer.from(JSON.stringify({ server: { id: server }, statsz: { active_servers: 1 } }));
    onAnswer({
      subject: '',
      subjectBytes: Buffer.alloc(0),
      reply: '',
      data,
      header: () => '',
      respond: () => true,
    });
  };

/** Lists these clients in the name of a broker of one server. */
export function listClientsAs(witness: Connection, connections: () => unknown[]): void {
  witness.subscribe('$SYS.REQ.SERVER.PING.STATSZ', message => {
    const answer = { server: { id: serverKey.publicKey }, statsz: { active_servers: 1 } };
    message.respond(JSON.stringify(answer));
  });
  witness.subscribe(`$SYS.REQ.SERVER.${serverKey.publicKey}.CONNZ`, message => {
    setImmediate(() => message.respond(JSON.stringify({ data: { connections: connections() } })));
  });
}

const user = keyPairOf(new Uint8Array(32).fill(9), 'user').publicKey;

/** Returns what the server says of a client, before it is signed. */
export function questionClaims(options: QuestionOptions = {}): Record<string, unknown> {
  const { key, name = 'node-1 instance=one', token, nonce = 'AAAAAAAAAAAAAAA', signed = nonce } = options;
  const { connection = 1, host = '192.0.2.1', client, connect } = options;
  const shown = key && { nkey: key.userKey, sig: signWith(key, Buffer.from(signed)).toString('base64url') };
  return {
    aud: 'nats-authorization-request',
    iat: 1_700_000_000,
    nats: {
      server_id: { id: serverKey.publicKey, name: 's' },
      user_nkey: user,
      client_info: { host, id: connection, kind: 'Client', type: 'nats', nonce, ...client },
      connect_opts: { ...shown, ...(token === undefined ? {} : { auth_token: token }), name, ...connect },
      type: 'authorization_request',
      version: 2,
    },
  };
}

/** Returns a question as it comes. */
export const writeQuestion = (options: QuestionOptions = {}): Buffer =>
  Buffer.from(writeSignedToken(questionClaims(options), serverKey));

/** Returns the claims of a token that its reader trusts. */
export const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
