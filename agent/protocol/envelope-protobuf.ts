// Reads the protobuf form of a message envelope, which Bacalhau accepts but never sends.
import { ProtocolError } from './error.ts';
import { parseJson } from './json.ts';

/**
 * Reads the message `{1: {1: map<string,string>}, 2: {1: bytes}}`: metadata and a payload of JSON. Other fields are
 * skipped. No library is used, because the format is small. @throws ProtocolError `malformed`.
 */
export function readProtobufEnvelope(body: Uint8Array): {
  metadata: Record<string, string>;
  payload: unknown;
} {
  const metadata: Record<string, string> = {};
  let payload: Uint8Array | undefined;
  for (const outer of fields(body)) {
    if (outer.number === 1) {
      for (const inner of fields(outer.bytes)) {
        if (inner.number === 1) readPair(inner.bytes, metadata);
      }
    } else if (outer.number === 2) {
      for (const inner of fields(outer.bytes)) {
        if (inner.number === 1) payload = inner.bytes;
      }
    }
  }
  if (!payload) throw new ProtocolError('malformed', 'no payload');
  return { metadata, payload: parseJson(payload) };
}

const maxPairs = 64;

function readPair(bytes: Uint8Array, into: Record<string, string>): void {
  let key = '';
  let value = '';
  for (const field of fields(bytes)) {
    if (field.number === 1) key = shortText(field.bytes);
    if (field.number === 2) value = shortText(field.bytes);
  }
  if (Object.keys(into).length >= maxPairs)
    throw new ProtocolError('malformed', 'more than 64 metadata keys');
  Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

function shortText(bytes: Uint8Array): string {
  if (bytes.length > 512) throw new ProtocolError('malformed', 'metadata longer than 512 bytes');
  return Buffer.from(bytes).toString('utf8');
}

/** Yields the length-delimited fields of a message. Numbers (wire types 0, 1 and 5) are skipped. */
function* fields(bytes: Uint8Array): Generator<{ number: number; bytes: Uint8Array }> {
  let at = 0;
  const skip = (length: number): void => {
    at += length;
    if (at > bytes.length) throw new ProtocolError('malformed', 'cut short');
  };
  // Reads a number. A number above 2^53 is not exact, but all lengths in messages are much smaller.
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new ProtocolError('malformed', 'cut short');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new ProtocolError('malformed', 'number too long');
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag % 8;
    if (kind === 2) {
      const length = varint();
      skip(length);
      yield { number: Math.floor(tag / 8), bytes: bytes.subarray(at - length, at) };
    } else if (kind === 0) varint();
    else if (kind === 1 || kind === 5) skip(kind === 1 ? 8 : 4);
    else throw new ProtocolError('malformed', `unknown wire type ${kind}`);
  }
}
