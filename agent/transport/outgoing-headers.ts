// Writes the headers of messages that are sent. The client's own headers compare each name with all others, and build a text for
// each line: for a record that is stored, that took more memory than all the rest of sending it.
import type { MsgHdrs } from 'nats';
import { headersOfBytes } from './nats-internals.ts';
import { BrokerError } from './port.ts';

/** The characters that a name may have: those of ASCII that can be printed, without the colon that ends it. */
const namePattern = /^[\x21-\x39\x3b-\x7e]+$/;
const lineBreak = /[\r\n]/;
// Not Buffer.from, whose bytes are pieces of larger ones: V8 then kept tens of megabytes of those until it next looked at all memory.
const encoder = new TextEncoder();

/** Makes the headers of a message. @throws BrokerError `refused` for a text that cannot be in one */
export function makeHeaders(fields: Readonly<Record<string, string>>): MsgHdrs {
  let text = 'NATS/1.0\r\n';
  for (const name in fields) {
    const value = fields[name] ?? '';
    if (!namePattern.test(name) || lineBreak.test(value))
      throw new BrokerError(
        'refused',
        `a header cannot be sent: ${JSON.stringify(name)} is no name, or its value has a line break`,
      );
    text += `${name}: ${value.trim()}\r\n`;
  }
  return headersOfBytes(encoder.encode(`${text}\r\n`));
}
