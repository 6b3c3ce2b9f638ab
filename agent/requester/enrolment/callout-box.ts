// Reads the encrypted questions of a broker whether to let a client in, and encrypts the answers. Otherwise every
// server of a cluster on the way could read a join code.
import { ProtocolError } from '../../protocol/error.ts';
import {
  boxNonceBytes,
  type CurveKey,
  isSealed,
  openBox,
  type SharedKey,
  sealBox,
  sharedKeyOf,
} from '../../protocol/sealed-box.ts';
import type { Message } from '../../transport/port.ts';

/** The header in which a server says by which key it encrypts. */
const keyHeader = 'Nats-Server-Xkey';
/** Number of servers whose shared keys are kept. To make one takes some milliseconds. */
const maxKept = 128;

export interface OpenedQuestion {
  text: Uint8Array;
  /** The key of the server that encrypted the question. The question itself must name the same. */
  serverKey: string;
  /** Encrypts the answer for that server. */
  seal(answer: string): Uint8Array;
}

export class CalloutBox {
  readonly #key: CurveKey;
  readonly #randomBytes: (count: number) => Uint8Array;
  /** The shared keys by the keys of the servers, the one that was used last at the end. */
  readonly #shared = new Map<string, SharedKey>();

  constructor(key: CurveKey, randomBytes: (count: number) => Uint8Array) {
    this.#key = key;
    this.#randomBytes = randomBytes;
  }

  /** Decrypts a question. @throws ProtocolError `malformed` for one that is not encrypted, or not for this requester. */
  open({ data, header }: Pick<Message, 'data' | 'header'>): OpenedQuestion {
    const serverKey = header(keyHeader);
    if (!isSealed(data) || serverKey === '')
      throw new ProtocolError('malformed', 'the question is not encrypted');
    const shared = this.#sharedWith(serverKey);
    return {
      text: openBox(data, shared),
      serverKey,
      seal: answer => sealBox(Buffer.from(answer), this.#randomBytes(boxNonceBytes), shared),
    };
  }

  #sharedWith(serverKey: string): SharedKey {
    const shared = this.#shared.get(serverKey) ?? sharedKeyOf(this.#key, serverKey);
    this.#shared.delete(serverKey);
    this.#shared.set(serverKey, shared);
    const [oldest] = this.#shared.keys();
    if (this.#shared.size > maxKept && oldest !== undefined) this.#shared.delete(oldest);
    return shared;
  }
}
