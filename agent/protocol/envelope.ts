// Reads and writes Bacalhau's message envelope: one byte of version, four bytes of CRC-32, then metadata and payload.
import * as v from 'valibot';
import { crc32 } from './crc32.ts';
import { readProtobufEnvelope } from './envelope-protobuf.ts';
import { ProtocolError } from './error.ts';
import { maxMessageBytes, parseJson, sortKeys, writeJson } from './json.ts';
import { strictTextMap, struct, validate } from './schema.ts';

export interface Envelope {
  metadata: Record<string, string>;
  /** The payload, not yet validated. */
  payload: unknown;
}

/**
 * The metadata keys that muster reads or writes. Bacalhau 1.5.0 and 1.5.1 know only the keys without the prefix, so both
 * are sent.
 */
export const metadataKeys = {
  type: 'Bacalhau-Type',
  encoding: 'Bacalhau-PayloadEncoding',
  source: 'Bacalhau-Source',
  eventTime: 'Bacalhau-EventTime',
  oldType: 'Type',
  oldEncoding: 'PayloadEncoding',
  errorCode: 'Bacalhau-ErrorCode',
  statusCode: 'Bacalhau-StatusCode',
  messageId: 'Bacalhau-MessageID',
  session: 'Muster-Session',
} as const;

const versionJson = 1;
const versionProtobuf = 2;
const headerBytes = 5;
/** Where the body of an envelope begins. */
export const envelopeBodyAt = headerBytes;

/**
 * Returns the metadata of a message of `type` from `source`. `at` is the wall time of sending. `messageId` is left out when it is
 * empty.
 */
export function messageMetadata(
  type: string,
  source: string,
  at: Date,
  messageId = '',
): Record<string, string> {
  return {
    ...(messageId === '' ? {} : { [metadataKeys.messageId]: messageId }),
    [metadataKeys.eventTime]: `${at.getTime()}000000`,
    [metadataKeys.encoding]: 'json',
    [metadataKeys.source]: source,
    [metadataKeys.type]: type,
    [metadataKeys.oldEncoding]: 'json',
    [metadataKeys.oldType]: type,
  };
}

/** Returns the type of the message in the envelope; empty when the envelope contains none. */
export const envelopeType = (envelope: Envelope): string =>
  envelope.metadata[metadataKeys.type] ?? envelope.metadata[metadataKeys.oldType] ?? '';

/** Writes an envelope of version 1. */
export function encodeEnvelope(envelope: Envelope): Buffer {
  const body = Buffer.from(
    writeJson({ metadata: sortKeys(envelope.metadata), payload: envelope.payload }),
    'utf8',
  );
  const out = Buffer.allocUnsafe(headerBytes + body.length);
  out[0] = versionJson;
  out.writeUInt32BE(crc32(body), 1);
  body.copy(out, headerBytes);
  return out;
}

/** Reads an envelope of version 1 or 2 with a JSON payload. @throws ProtocolError, with Bacalhau's text if it has one. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const envelope = openEnvelope(bytes);
  requireJsonPayload(envelope);
  return envelope;
}

/** Reads an envelope, whatever it says that its payload is. @throws ProtocolError as `decodeEnvelope` */
export function openEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length === 0) throw new ProtocolError('malformed', 'empty data');
  if (bytes.length < headerBytes) throw new ProtocolError('malformed', 'bad message: too short');
  if (bytes.length > maxMessageBytes) {
    throw new ProtocolError('too_large', `${bytes.length} bytes; at most ${maxMessageBytes} are read`);
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view[0] ?? 0;
  if (version !== versionJson && version !== versionProtobuf) {
    throw new ProtocolError('malformed', `unsupported encoding: 0x${version.toString(16).padStart(2, '0')}`);
  }
  const body = view.subarray(headerBytes);
  if (crc32(body) !== view.readUInt32BE(1)) {
    throw new ProtocolError('malformed', 'bad message: CRC check failed');
  }
  return version === versionJson ? readJsonEnvelope(body) : readProtobufEnvelope(body);
}

/** Returns whether a message is an envelope of version 1 whose checksum is right. Its JSON begins at `envelopeBodyAt`. */
export function isCheckedJson(bytes: Uint8Array): boolean {
  if (bytes[0] !== versionJson || bytes.length < headerBytes || bytes.length > maxMessageBytes) return false;
  // Another view of the bytes, which could read a number of four, would take longer than this.
  const upper = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
  const lower = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
  return crc32(bytes.subarray(headerBytes)) === ((upper << 16) | lower) >>> 0;
}

/** Refuses an envelope that does not say that its payload is JSON. @throws ProtocolError */
export function requireJsonPayload(envelope: Envelope): void {
  const encoding =
    envelope.metadata[metadataKeys.encoding] ?? envelope.metadata[metadataKeys.oldEncoding] ?? '';
  if (encoding !== 'json') {
    throw new ProtocolError('malformed', `unsupported encoding: ${encoding.slice(0, 32)}`);
  }
}

const envelopeSchema = struct({ metadata: strictTextMap(64, 512, 512), payload: v.unknown() });

// Reads a JSON envelope. This runs for every heartbeat, so it uses two simple checks, which cost a tenth of the schema's.
function readJsonEnvelope(body: Buffer): Envelope {
  const value = parseJson(body) as Partial<Envelope> | null;
  const metadata = value?.metadata;
  if (typeof metadata === 'object' && metadata !== null && value && 'payload' in value && isShort(metadata)) {
    return value as Envelope;
  }
  return validate(envelopeSchema, value) as Envelope;
}

function isShort(metadata: Record<string, unknown>): boolean {
  if (Array.isArray(metadata)) return false;
  let keys = 0;
  for (const key in metadata) {
    const item = metadata[key];
    if (++keys > 64 || key.length > 512 || typeof item !== 'string' || item.length > 512) return false;
  }
  return true;
}
