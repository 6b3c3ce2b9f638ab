// Messages and subjects at the border to the client of NATS.
import type { Msg } from 'nats';
import type { Message } from './port.ts';

/** Returns whether a text can be a subject. In the NATS protocol a blank or a line break would begin another field or command. */
export const isSubject = (subject: string): boolean =>
  subject !== '' && !/[\s\u0000-\u001f\u007f]/.test(subject);

/** Returns a message of the client as roles read it. `publish` sends their answer. */
export function messageOf(
  message: Msg,
  publish: (subject: string, data: Uint8Array | string) => boolean,
): Message {
  const reply = message.reply ?? '';
  return {
    subject: message.subject,
    data: message.data,
    reply,
    header: name => message.headers?.get(name) ?? '',
    // No inbox begins with $. With such a reply subject we would write to the broker's own API or store.
    respond: data => reply !== '' && !reply.startsWith('$') && publish(reply, data),
  };
}
