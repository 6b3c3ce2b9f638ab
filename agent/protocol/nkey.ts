// Encodes ed25519 keys as NKEYS, the text form that NATS tools use: base32 of a prefix, the key and a CRC-16.
import { createHash } from 'node:crypto';
import { ProtocolError } from './error.ts';

// The upper five bits of a prefix make the first letter of the text: S for a seed, N for a node (nats-io/nkeys).
const seedPrefix = 18 << 3;
const nodePrefix = 13 << 3;

/** Returns the private seed (32 bytes) of a node's key as text, `SN…`. */
export function encodeSeed(seed: Uint8Array): string {
  return encodeWithChecksum(Buffer.from([seedPrefix | (nodePrefix >> 5), (nodePrefix & 31) << 3, ...seed]));
}

/** Returns the 32 bytes of the seed `SN…`. Throws ProtocolError `malformed`. */
export function decodeSeed(text: string): Buffer {
  const raw = decodeWithChecksum(text, 34);
  if (raw[0] !== (seedPrefix | (nodePrefix >> 5)) || raw[1] !== (nodePrefix & 31) << 3) {
    throw new ProtocolError('malformed', "not the seed of a node's key (SN…)");
  }
  return raw.subarray(2);
}

/** Returns a node's public key (32 bytes) as text, `N…`. */
export const encodePublicKey = (key: Uint8Array): string =>
  encodeWithChecksum(Buffer.from([nodePrefix, ...key]));

/** Returns the short form of a public key for people to compare: 80 bits of its SHA-256, as `ABCD-EFGH-IJKL-MNOP`. */
export function fingerprint(publicKey: string): string {
  const digest = encodeBase32(createHash('sha256').update(publicKey).digest().subarray(0, 10));
  return digest.match(/.{4}/g)?.join('-') ?? digest;
}

function encodeWithChecksum(body: Buffer): string {
  const check = Buffer.alloc(2);
  check.writeUInt16LE(crc16(body));
  return encodeBase32(Buffer.concat([body, check]));
}

function decodeWithChecksum(text: string, length: number): Buffer {
  const body = decodeBase32(text).subarray(0, -2);
  // There must be only one text for each key. Base32 has unused bits at the end, and the checksum does not include them.
  if (body.length !== length || encodeWithChecksum(body) !== text) {
    throw new ProtocolError('malformed', 'not an nkey: its length or checksum is wrong');
  }
  return body;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function encodeBase32(bytes: Uint8Array): string {
  let out = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += alphabet[(value >> bits) & 31];
    }
  }
  return bits ? out + alphabet[(value << (5 - bits)) & 31] : out;
}

function decodeBase32(text: string): Buffer {
  const out: number[] = [];
  let bits = 0;
  let value = 0;
  for (const c of text) {
    const index = alphabet.indexOf(c);
    if (index < 0 || text.length > 128) throw new ProtocolError('malformed', 'not an nkey: not base32 text');
    value = ((value << 5) | index) & 0xffff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out.push((value >> bits) & 255);
    }
  }
  if (out.length < 3) throw new ProtocolError('malformed', 'not an nkey: too short');
  return Buffer.from(out);
}

/** Returns the CRC-16/XMODEM, with the polynomial 0x1021. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
