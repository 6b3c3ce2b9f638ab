// The node's key pair: an ed25519 nkey made at the first start and kept in its folder, never sent.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeSeed, encodePublicKey, encodeSeed, fingerprint } from '../../protocol/nkey.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { readBounded, writeFileAtomic } from '../../system/files.ts';
import { rememberSecret } from '../../system/secrets.ts';

export interface Identity {
  /** `N…` */
  publicKey: string;
  /** The short form that people compare. */
  fingerprint: string;
  privateKey: KeyObject;
}

export const identityFile = 'identity.nk';

/**
 * Reads the identity in `folder`, or makes one. A file that others may read is closed to them.
 * @throws MusterError `bad_state` for a file that holds no key: it is never replaced silently, as the node would be
 * another one to the requester; `not_writable`, also for a file that cannot be closed to others.
 */
export async function loadIdentity(folder: string): Promise<Identity> {
  const path = join(folder, identityFile);
  const kept = await readBounded(path, 1024);
  if (!kept) {
    const seed = randomBytes(32);
    rememberSecret(encodeSeed(seed));
    await writeFileAtomic(path, `${encodeSeed(seed)}\n`);
    return identityOf(seed);
  }
  const identity = readIdentity(path, kept);
  await closeToOthers(path);
  return identity;
}

/** The identity that is kept in `folder`, and who may read it; undefined when there is none. Throws MusterError `bad_state`. */
export async function keptIdentity(
  folder: string,
): Promise<{ identity: Identity; mode: number; uid: number } | undefined> {
  const path = join(folder, identityFile);
  const kept = await readBounded(path, 1024);
  if (!kept) return undefined;
  const { mode, uid } = await stat(path);
  return { identity: readIdentity(path, kept), mode, uid };
}

function readIdentity(path: string, kept: Buffer): Identity {
  const text = kept.toString('latin1').trim();
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

// RFC 8410: the PKCS#8 frame of an ed25519 private key, before its 32 bytes.
const pkcs8Frame = Buffer.from('302e020100300506032b657004220420', 'hex');

function identityOf(seed: Uint8Array): Identity {
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Frame, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const publicKey = encodePublicKey(Buffer.from(x, 'base64url'));
  return { publicKey, fingerprint: fingerprint(publicKey), privateKey };
}
