// The node's key pair: an ed25519 nkey that is made at the first start and saved in the agent's folder. It is never sent.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeSeed, encodePublicKey, encodeSeed, fingerprint } from '../../protocol/nkey.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { readBounded, writeFileAtomic } from '../../system/files.ts';
import { rememberSecret } from '../../system/secrets.ts';

export interface Identity {
  /** An nkey: `N` and 55 characters. */
  publicKey: string;
  /** The short form of the public key, which people compare. */
  fingerprint: string;
  privateKey: KeyObject;
}

export const identityFile = 'identity.nk';

/**
 * Reads the identity in `folder`, or makes one where there is none. A file that others may read is closed to them.
 * @throws MusterError `bad_state` for a file that holds no key: it is never replaced silently, because the requester would
 * see another node. `not_writable` when a new key cannot be written, or when the file cannot be closed to others.
 */
export async function loadIdentity(folder: string): Promise<Identity> {
  const path = join(folder, identityFile);
  const bytes = await readBounded(path, 1024);
  if (!bytes) {
    const seed = randomBytes(32);
    rememberSecret(encodeSeed(seed));
    await writeFileAtomic(path, `${encodeSeed(seed)}\n`);
    return identityOf(seed);
  }
  const identity = parseIdentity(path, bytes);
  await closeToOthers(path);
  return identity;
}

/**
 * Reads the identity in `folder` and changes nothing, as the doctor needs it: with the file's mode and owner; undefined when
 * there is none. Throws MusterError `bad_state`.
 */
export async function inspectIdentity(
  folder: string,
): Promise<{ identity: Identity; mode: number; uid: number } | undefined> {
  const path = join(folder, identityFile);
  const bytes = await readBounded(path, 1024);
  if (!bytes) return undefined;
  const { mode, uid } = await stat(path);
  return { identity: parseIdentity(path, bytes), mode, uid };
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

async function closeToOthers(path: string): Promise<void> {
  try {
    if ((await stat(path)).mode & 0o077) await chmod(path, 0o600);
  } catch (error) {
    throw new MusterError(
      'not_writable',
      `others may read this node's key, and ${path} cannot be closed to them: ${reasonOf(error)}`,
      { hint: 'make it readable by its owner only: chmod 600', cause: error },
    );
  }
}

// The bytes that stand before the 32 bytes of an ed25519 private key in PKCS#8 (RFC 8410).
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
