// Reads the information that an agent of muster sends again every minute, when it is what is known of the node, without a JSON reader.
// To read its JSON, check it and compare it would be half of the work.
import { isAscii } from 'node:buffer';
import { parseJsonText } from './json.ts';
import { type RegisterRequest, senderSchema } from './messages.ts';
import type { NodeInfo } from './node-info.ts';
import { validate } from './schema.ts';

/** The longest message that is read, in bytes. */
const maxBytes = 8_192;
const beginning = '{"Info":';
const betweenMembers = ',"Muster":';
/** An object in which there is at most one list and nothing else that is nested. */
const flatObject = /^\{[^{}[\]]*(?:\[[^{}[\]]*\][^{}[\]]*)?\}$/;

const amount = '(?:0|[1-9]\\d{0,14})(?:\\.\\d{1,20})?';
const count = '[1-9]\\d{0,14}';
const free = `\\{"CPU":${amount},"Memory":${count},"Disk":${count}\\}`;
/** What is free, which is not stored and hardly ever the same. */
const changing = new RegExp(`"QueueCapacity":\\{\\},"AvailableCapacity":${free},"MaxJobRequirements":`);
const stored = '"QueueCapacity":{},"AvailableCapacity":{},"MaxJobRequirements":';

/**
 * Returns the request in a message that says of a node what `known` says, apart from what is free; `Info` is then `known`, as the
 * requester's schema has read it before. Returns undefined for any other message, also for one that is wrong.
 */
export function readUsualInfo(bytes: Uint8Array, known: NodeInfo): RegisterRequest | undefined {
  // A node of Bacalhau, which has no agent, says in its information what it runs.
  if (bytes.length > maxBytes || !known.Agent || !isAscii(bytes)) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  // Without a backslash, no text in it has a quotation mark. So what looks like a member is one.
  const end = text.lastIndexOf(betweenMembers);
  if (!text.startsWith(beginning) || end < beginning.length || text.includes('\\')) return undefined;
  const info = text.slice(beginning.length, end);
  const sender = text.slice(end + betweenMembers.length, -1);
  if (!text.endsWith('}') || info.replace(changing, stored) !== JSON.stringify(known)) return undefined;
  if (!flatObject.test(sender)) return undefined;
  try {
    return { Info: known, Muster: validate(senderSchema, parseJsonText(sender)) };
  } catch {
    return undefined;
  }
}
