// Messages and subjects at the border to the client of NATS.
import type { Msg } from 'nats';
import { subjectBytesOf } from './nats-internals.ts';
import type { Message } from './port.ts';

/** Returns whether a text can be a subject. In the NATS protocol a blank or a line break would begin another field or command. */
export const isSubject = (subject: string): boolean =>
  subject !== '' && !/[\s\u0000-\u001f\u007f]/.test(subject);

/** Sends a message, and returns whether it was sent. */
type Publish = (subject: string, data: Uint8Array | string) => boolean;

/** A message of the client as roles read it. Each of its parts is made when it is asked for: most are for no heartbeat. */
export class ClientMessage implements Message {
  readonly #message: Msg;
  readonly #publish: Publish;

  /** `publish` sends the answer. */
  constructor(message: Msg, publish: Publish) {
    this.#message = message;
    this.#publish = publish;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get subjectBytes(): Uint8Array {
    return subjectBytesOf(this.#message);
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  get reply(): string {
    return this.#message.reply ?? '';
  }

  // Whoever reads a message may take its two functions out of it.
  get header(): Message['header'] {
    return name => this.#message.headers?.get(name) ?? '';
  }

  get respond(): Message['respond'] {
    const { reply } = this;
    // No inbox begins with $. With such a reply subject we would write to the broker's own API or store.
    return data => reply !== '' && !reply.startsWith('$') && this.#publish(reply, data);
  }
}
