// Reads JSON with limits for size and depth, and writes it exactly as Go's encoding/json does for Bacalhau.
import { ProtocolError } from './error.ts';

/** Size of the largest message that is read or written, in bytes. A register request with a few GPUs has 3 KB. */
export const maxMessageBytes = 65_536;
/** The deepest nesting of objects and lists that is read. Bacalhau's own messages have 6 levels. */
export const maxDepth = 32;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses a message of at most `maxBytes` bytes and 32 levels, without backslashes in the names of members.
 * @throws ProtocolError `too_large`, `too_deep` or `malformed`.
 */
export function parseJson(bytes: Uint8Array, maxBytes = maxMessageBytes): unknown {
  if (bytes.length > maxBytes) {
    throw new ProtocolError('too_large', `${bytes.length} bytes; at most ${maxBytes} are read`);
  }
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new ProtocolError('malformed', 'not UTF-8 text');
  }
  return parseJsonText(text);
}

/** Parses a text that is not too long, as `parseJson` does. @throws ProtocolError `too_deep` or `malformed`. */
export function parseJsonText(text: string): unknown {
  checkStructure(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('malformed', 'not a JSON document');
  }
}

/**
 * Writes `value` with exactly the same bytes as Go: members in the given order, HTML characters and U+2028 and U+2029
 * escaped.
 */
export function writeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Returns `map` with its keys sorted by code unit, which is the order in which Go writes a map with ASCII keys. */
export function sortKeys<T>(map: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Refuses JSON that is nested too deeply, and backslashes in the names of members. After V8 has read a name with a
 * backslash, it may confuse it with other names that contain escapes, even in later messages (nodejs/node#63785).
 */
function checkStructure(text: string): void {
  // A text with few brackets cannot be nested deeply. So a heartbeat is not scanned, which would take a quarter of its time.
  if (!text.includes('\\') && countOf(text, '{') + countOf(text, '[') <= maxDepth) return;
  let depth = 0;
  let inString = false;
  let backslash = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) backslash = isBackslash(text, ++i) || backslash;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) {
      inString = true;
      backslash = false;
    } else if (c === 0x3a && backslash) {
      throw new ProtocolError('malformed', 'a member name with a backslash');
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > maxDepth) throw new ProtocolError('too_deep', `nested deeper than ${maxDepth} levels`);
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
}

/** Returns whether the escape whose second character is at `at` stands for a backslash. */
const isBackslash = (text: string, at: number): boolean =>
  text[at] === '\\' || text.slice(at, at + 5).toLowerCase() === 'u005c';

function countOf(text: string, char: string): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0; at = text.indexOf(char, at + 1)) count++;
  return count;
}
