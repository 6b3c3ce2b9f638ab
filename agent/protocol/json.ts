// JSON as Bacalhau's peers write it (Go's encoding/json), and as we read it: bounded in size and depth.
import { ProtocolError } from './error.ts';

/** The largest message we read or write, in bytes. A handshake with a few GPUs takes 3 KB. */
export const maxMessageBytes = 65_536;
/** The deepest nesting of objects and lists we read. Bacalhau's own messages reach 6. */
export const maxDepth = 32;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses a message of at most 64 KiB and 32 levels, without backslashes in the names of members.
 * @throws ProtocolError `too_large`, `too_deep` or `malformed`.
 */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > maxMessageBytes) {
    throw new ProtocolError('too_large', `${bytes.length} bytes; at most ${maxMessageBytes} are read`);
  }
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new ProtocolError('malformed', 'not UTF-8 text');
  }
  checkStructure(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('malformed', 'not a JSON document');
  }
}

/** Writes `value` byte for byte as Go does: members in the order given, HTML characters and U+2028/9 escaped. */
export function writeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `map` with its keys in the order in which Go writes a map of ASCII keys: by code unit. */
export function sortKeys<T>(map: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Refuses what is nested too deeply, and a backslash in a member's name: once V8 has read such a name, it takes other
 * names with escapes for it, in later messages too (nodejs/node#63785).
 */
function checkStructure(text: string): void {
  // Few brackets cannot nest deeply: this spares a heartbeat the scan, a quarter of its cost.
  if (!text.includes('\\') && occurrences(text, '{') + occurrences(text, '[') <= maxDepth) return;
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

/** Whether the escape whose second character is at `at` stands for a backslash. */
const isBackslash = (text: string, at: number): boolean =>
  text[at] === '\\' || text.slice(at, at + 5).toLowerCase() === 'u005c';

function occurrences(text: string, char: string): number {
  let found = 0;
  for (let at = text.indexOf(char); at >= 0; at = text.indexOf(char, at + 1)) found++;
  return found;
}
