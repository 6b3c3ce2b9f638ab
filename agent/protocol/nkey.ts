// Encodes keys as NKEYS, the text form that NATS tools use: base32 of a prefix, the key and a CRC-16.
import { createHash } from 'node:crypto';
import { ProtocolError } from './error.ts';

// The upper five bits of a prefix make the first letter of the text: S for a seed (nats-io/nkeys).
const seedPrefix = 18 << 3;

/**
 * The prefix of each kind of key: N for a node, U for a user, A for an account of NATS, O for the operator of one, X for a key
 * that encrypts.
 */
const prefixes = { node: 13 << 3, user: 20 << 3, account: 0, operator: 14 << 3, curve: 23 << 3 } as const;
export type KeyKind = keyof typeof prefixes;

/** Returns the private seed (32 bytes) of a key as text, such as `SN…` for a node. */
export function encodeSeed(seed: Uint8Array, kind: KeyKind = 'node'): string {
  const prefix = prefixes[kind];
  return encodeWithChecksum(Buffer.from([seedPrefix | (prefix >> 5), (prefix & 31) << 3, ...seed]));
}

/** Returns the 32 bytes of a seed, such as `SN…` for a node. Throws ProtocolError `malformed`. */
export function decodeSeed(text: string, kind: KeyKind = 'node'): Buffer {
  const raw = decodeWithChecksum(text, 34);
  const prefix = prefixes[kind];
  if (raw[0] !== (seedPrefix | (prefix >> 5)) || raw[1] !== (prefix & 31) << 3) {
    throw new ProtocolError('malformed', `not the seed of a ${kind}'s key`);
  }
  return raw.subarray(2);
}

/** Returns a public key (32 bytes) as text, such as `N…` for a node. */
export const encodePublicKey = (key: Uint8Array, kind: KeyKind = 'node'): string =>
  encodeWithChecksum(Buffer.from([prefixes[kind], ...key]));

/** Returns the 32 bytes of a public key, such as `N…` for a node. Throws ProtocolError `malformed`. */
export function decodePublicKey(text: string, kind: KeyKind = 'node'): Buffer {
  const raw = decodeWithChecksum(text, 33);
  if (raw[0] !== prefixes[kind]) throw new ProtocolError('malformed', `not the public key of a ${kind}`);
  return raw.subarray(1);
}

/** Returns the short form of a public key for people to compare: 80 bits of its SHA-256, as `ABCD-EFGH-IJKL-MNOP`. */
export function fingerprint(publicKey: string): string {
  const digest = encodeBase32(createHash('sha256').update(publicKey).digest().subarray(0, 10));
  return digest.match(/.{4}/g)?.join('-') ?? digest;
}

/** Returns whether a text has the form of a fingerprint, however a person typed its sixteen letters and digits. */
export const isFingerprint = (text: string): boolean => /^[\s-]*(?:[A-Za-z2-7][\s-]*){16}$/.test(text);

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
