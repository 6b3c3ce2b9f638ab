// Makes, saves and reads the node's key pair: an ed25519 nkey that never leaves the agent's folder.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { decodeSeed, encodePublicKey, encodeSeed, fingerprint } from '../../protocol/nkey.ts';
import { MusterError } from '../../system/errors.ts';
import { closeToOthers, writeFileAtomic } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';

export interface Identity {
  /** An nkey: `N` and 55 characters. */
  publicKey: string;
  /** The short form of the public key, which people can compare. */
  fingerprint: string;
  privateKey: KeyObject;
}

export const identityFile = 'identity.nk';

/**
 * Reads the identity in `folder`, or makes one when there is none. When other users may read the file, their access is
 * removed. @throws MusterError `bad_state` for a file that contains no key. Such a file is never replaced silently,
 * because the requester would see another node. `not_writable` when a new key cannot be written, or when the access of
 * others cannot be removed.
 */
export async function loadIdentity(folder: string): Promise<Identity> {
  const path = join(folder, identityFile);
  const kept = await readOwnFile(path, 1024);
  if (!kept) {
    const seed = randomBytes(32);
    rememberSecret(encodeSeed(seed));
    await writeFileAtomic(path, `${encodeSeed(seed)}\n`);
    return identityOf(seed);
  }
  const identity = parseIdentity(path, kept.data);
  if (kept.info.mode & 0o077) await closeToOthers(path);
  return identity;
}

/**
 * Reads the identity in `folder` with the file's mode and owner, and changes nothing; undefined when there is none. The
 * doctor calls it. Throws MusterError `bad_state`.
 */
export async function inspectIdentity(
  folder: string,
): Promise<{ identity: Identity; mode: number; uid: number } | undefined> {
  const path = join(folder, identityFile);
  const kept = await readOwnFile(path, 1024);
  if (!kept) return undefined;
  const { mode, uid } = kept.info;
  return { identity: parseIdentity(path, kept.data), mode, uid };
}

function parseIdentity(path: string, bytes: Buffer): Identity {
  const text = bytes.toString('latin1').trim();
  rememberSecret(text);
  try {
    return identityOf(decodeSeed(text));
  } catch (error) {
    throw new MusterError('bad_state', `${path} does not hold this node's key`, {
      hint: 'restore it from a backup, or remove it: the node then needs to be approved anew',
      cause: error,
    });
  }
}

// The bytes before the 32 bytes of an ed25519 private key in PKCS#8 (RFC 8410).
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

function identityOf(seed: Uint8Array): Identity {
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const publicKey = encodePublicKey(Buffer.from(x, 'base64url'));
  return { publicKey, fingerprint: fingerprint(publicKey), privateKey };
}
