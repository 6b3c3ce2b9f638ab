// Makes, saves and reads key pairs: ed25519 nkeys whose private seed never leaves a file of its owner.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { decodeSeed, encodePublicKey, encodeSeed, type KeyKind } from '../protocol/nkey.ts';
import { MusterError } from '../system/errors.ts';
import { closeToOthers, writeFileAtomic } from '../system/files.ts';
import { readOwnFile } from '../system/read-file.ts';
import { rememberSecret } from '../system/secrets.ts';

export interface KeyPair {
  /** An nkey, such as `N` and 55 characters for a node. */
  readonly publicKey: string;
  /** The same key as a user of NATS, `U` and 55 characters, by which a broker knows its clients. */
  readonly userKey: string;
  readonly privateKey: KeyObject;
}

/** How a message names a file that holds no key of the expected kind, and what to do about it. */
export interface KeyFileTexts {
  what: string;
  hint: string;
}

/**
 * Reads the key pair in the file `path`, or makes one when there is none. When other users may read the file, their access
 * is removed. @throws MusterError `bad_state` for a file that contains no key of this kind. Such a file is never replaced
 * silently. `not_writable` when a new key cannot be written, or when the access of others cannot be removed.
 */
export async function loadKeyPair(path: string, kind: KeyKind, texts: KeyFileTexts): Promise<KeyPair> {
  return keyPairOf(await loadSeed(path, kind, texts), kind);
}

/** Reads the seed of a key in the file `path`, or makes one, as `loadKeyPair`. */
export async function loadSeed(path: string, kind: KeyKind, texts: KeyFileTexts): Promise<Buffer> {
  const kept = await readOwnFile(path, 1024);
  if (!kept) {
    const made = randomBytes(32);
    rememberSecret(encodeSeed(made, kind));
    await writeFileAtomic(path, `${encodeSeed(made, kind)}\n`);
    return made;
  }
  const seed = parseSeed(path, kept.data, kind, texts);
  if (kept.info.mode & 0o077) await closeToOthers(path);
  return seed;
}

/**
 * Reads the key pair in the file `path`, and changes nothing; undefined when there is none. @throws MusterError
 * `bad_state`
 */
export async function inspectKeyPair(
  path: string,
  kind: KeyKind,
  texts: KeyFileTexts,
): Promise<KeyPair | undefined> {
  const seed = await inspectSeed(path, kind, texts);
  return seed && keyPairOf(seed, kind);
}

/** Reads the seed of a key in the file `path`, and changes nothing, as `inspectKeyPair`. */
export async function inspectSeed(
  path: string,
  kind: KeyKind,
  texts: KeyFileTexts,
): Promise<Buffer | undefined> {
  const kept = await readOwnFile(path, 1024);
  return kept && parseSeed(path, kept.data, kind, texts);
}

/** Reads the key pair in the bytes of the file `path`. @throws MusterError `bad_state` */
export const parseKeyPair = (path: string, bytes: Buffer, kind: KeyKind, texts: KeyFileTexts): KeyPair =>
  keyPairOf(parseSeed(path, bytes, kind, texts), kind);

function parseSeed(path: string, bytes: Buffer, kind: KeyKind, { what, hint }: KeyFileTexts): Buffer {
  const text = bytes.toString('latin1').trim();
  rememberSecret(text);
  try {
    return decodeSeed(text, kind);
  } catch (error) {
    throw new MusterError('bad_state', `${path} does not hold ${what}`, { hint, cause: error });
  }
}

/** Returns the signature over `text`, 64 bytes. */
export const signWith = ({ privateKey }: KeyPair, text: Uint8Array): Buffer => sign(null, text, privateKey);

// The bytes before the 32 bytes of an ed25519 private key in PKCS#8 (RFC 8410).
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Returns the key pair of a seed of 32 bytes. */
export function keyPairOf(seed: Uint8Array, kind: KeyKind): KeyPair {
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const key = Buffer.from(x, 'base64url');
  return { publicKey: encodePublicKey(key, kind), userKey: encodePublicKey(key, 'user'), privateKey };
}
