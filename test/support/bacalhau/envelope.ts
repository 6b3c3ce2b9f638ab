// Bacalhau's envelope as its peers write and read it, without the code that is tested.
import { crc32 } from 'node:zlib';
import { envelopeOf } from '../captures.ts';
import { facts, type Release } from './releases.ts';

export interface PeerMessage {
  metadata: Record<string, string>;
  payload: Record<string, unknown>;
}

/** Returns the metadata of a message. A time in nanoseconds has 19 digits. */
export function metadataOf(type: string, source: string, release: Release): Record<string, string> {
  return {
    'Bacalhau-EventTime': `${Date.now()}123456`,
    'Bacalhau-PayloadEncoding': 'json',
    'Bacalhau-Source': source,
    'Bacalhau-Type': type,
    ...(facts[release].node.writesOldKeys ? { PayloadEncoding: 'json', Type: type } : {}),
  };
}

/** Writes an envelope of JSON. */
export const writeEnvelope = (message: { metadata: Record<string, string>; payload: unknown }): Buffer =>
  envelopeOf(JSON.stringify(message));

/** Reads an envelope of JSON. @throws Error when it is none */
export function readEnvelope(data: Uint8Array): PeerMessage {
  const bytes = Buffer.from(data);
  if (bytes[0] !== 1) throw new Error(`an envelope of version ${bytes[0]}`);
  if (crc32(bytes.subarray(5)) !== bytes.readUInt32BE(1)) throw new Error('the checksum is wrong');
  return JSON.parse(bytes.toString('utf8', 5));
}
