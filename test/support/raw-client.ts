// Speaks the protocol of NATS over a plain TCP connection, and shows a broker any key, signature, name and text: what a
// hostile client may try, and our own client does not.
import { createConnection, type Socket } from 'node:net';
import { type KeyPair, keyPairOf, signWith } from '../../agent/transport/key-pair.ts';

export interface RawLogin {
  key?: KeyPair;
  name?: string;
  /** The token beside the key, such as that of a join code. */
  token?: string;
  /** The text that is signed; by default what the server sent for this. */
  signed?: string;
  /** Members of CONNECT that replace all others of their name. */
  members?: Record<string, unknown>;
}

export interface RawMessage {
  subject: string;
  reply: string;
  data: string;
  /** The bytes of `data`, without headers. */
  bytes: Buffer;
}

/** What the server sends first. */
export interface ServerInfo {
  server_id: string;
  client_id: number;
  nonce?: string;
}

export class RawClient {
  readonly info: ServerInfo;
  /** The line CONNECT that was sent, without its end. */
  connectLine = '';
  /** The messages that the server delivered, and its complaints, in order. */
  readonly messages: RawMessage[] = [];
  readonly errors: string[] = [];
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting: (() => void)[] = [];
  #rest = Buffer.alloc(0);
  #subscriptions = 0;
  onMessage: (message: RawMessage) => void = () => undefined;

  /** Returns the signature over a server's random text, as CONNECT has it. */
  static sign(key: KeyPair, nonce: string): string {
    return signWith(key, Buffer.from(nonce)).toString('base64url');
  }

  /** Connects and reads the greeting, and shows nothing yet. */
  static async dial(port: number): Promise<RawClient> {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => undefined);
    const closed = new Promise<undefined>(resolve => socket.once('close', () => resolve(undefined)));
    let text = '';
    while (!text.includes('\r\n')) {
      const chunk = await Promise.race([nextChunk(socket), closed]);
      if (!chunk) throw new Error('the server closed the connection before its greeting');
      text += chunk.toString('latin1');
    }
    const info = JSON.parse(text.slice('INFO '.length, text.indexOf('\r\n'))) as ServerInfo;
    return new RawClient(socket, info, closed);
  }

  /** Connects and shows `login`. Resolves when the server has let the client in. @throws Error when it does not. */
  static async open(port: number, login: RawLogin): Promise<RawClient> {
    const client = await RawClient.dial(port);
    client.connect(login);
    if (!(await client.isLetIn())) throw new Error(`not let in: ${client.errors.join()}`);
    return client;
  }

  private constructor(socket: Socket, info: ServerInfo, closed: Promise<unknown>) {
    this.#socket = socket;
    this.info = info;
    this.closed = closed.then(() => this.#wake());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Sends CONNECT and a ping. */
  connect({ key, name, token, signed = this.info.nonce ?? '', members }: RawLogin): void {
    const shown = {
      verbose: false,
      pedantic: false,
      lang: 'raw',
      version: '1',
      protocol: 1,
      headers: true,
      no_responders: true,
      ...(key ? { nkey: key.userKey, sig: RawClient.sign(key, signed) } : {}),
      ...(name === undefined ? {} : { name }),
      ...(token === undefined ? {} : { auth_token: token }),
      ...members,
    };
    this.send(`CONNECT ${JSON.stringify(shown)}\r\nPING\r\n`);
  }

  /** Sends these bytes as they are. */
  send(text: string): void {
    this.connectLine ||= /^CONNECT [^\r]*/.exec(text)?.[0] ?? '';
    this.#socket.write(text);
  }

  /** Resolves with true once the server answered the ping of `connect`, and with false when it closed the connection. */
  isLetIn(): Promise<boolean> {
    return this.#pong();
  }

  publish(subject: string, data: string | Uint8Array = '', reply = ''): void {
    const bytes = Buffer.from(data as string);
    this.send(`PUB ${subject} ${reply ? `${reply} ` : ''}${bytes.length}\r\n`);
    this.#socket.write(Buffer.concat([bytes, Buffer.from('\r\n')]));
  }

  subscribe(subject: string, queue = ''): void {
    this.send(`SUB ${subject} ${queue ? `${queue} ` : ''}${++this.#subscriptions}\r\n`);
  }

  /** Resolves when the server has processed all that was sent, with the complaints since the last call. */
  async complaints(): Promise<string[]> {
    this.send('PING\r\n');
    await this.#pong();
    return this.errors.splice(0);
  }

  close(): void {
    this.#socket.destroy();
  }

  #pong(): Promise<boolean> {
    return new Promise(resolve => {
      if (!this.isOpen) return resolve(false);
      this.#waiting.push(() => resolve(this.isOpen));
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const end = this.#rest.indexOf('\r\n');
      if (end < 0) return;
      const line = this.#rest.toString('latin1', 0, end);
      const [verb = '', ...words] = line.split(' ');
      const size = verb === 'MSG' || verb === 'HMSG' ? Number(words.at(-1)) : undefined;
      if (size !== undefined && this.#rest.length < end + size + 4) return;
      const body = Buffer.from(this.#rest.subarray(end + 2, end + 2 + (size ?? 0)));
      this.#rest = this.#rest.subarray(size === undefined ? end + 2 : end + size + 4);
      if (size !== undefined) this.#deliver(verb, words, body);
      else if (verb === 'PING') this.send('PONG\r\n');
      else if (verb === 'PONG') this.#waiting.shift()?.();
      else if (verb === '-ERR') this.errors.push(line.slice(5));
    }
  }

  // MSG subject sid [reply] size; HMSG subject sid [reply] size-of-headers size
  #deliver(verb: string, words: string[], body: Buffer): void {
    const isWithHeaders = verb === 'HMSG';
    const sizes = isWithHeaders ? words.splice(-2) : words.splice(-1);
    const [subject = '', , reply = ''] = words;
    const bytes = isWithHeaders ? body.subarray(Number(sizes[0])) : body;
    const message = { subject, reply, data: bytes.toString(), bytes };
    this.messages.push(message);
    this.onMessage(message);
  }
}

/** Returns a new key of a node. */
export const newKey = (): KeyPair => keyPairOf(crypto.getRandomValues(new Uint8Array(32)), 'node');

const nextChunk = (socket: Socket): Promise<Buffer> => new Promise(resolve => socket.once('data', resolve));
