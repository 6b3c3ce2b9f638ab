// The node's key pair, by which the broker and the requester know the node. It never leaves the agent's folder.
import { join } from 'node:path';
import { fingerprint } from '../../protocol/nkey.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { type KeyPair, loadKeyPair, parseKeyPair } from '../../transport/key-pair.ts';

export interface Identity extends KeyPair {
  /** The short form of the public key, which people can compare. */
  readonly fingerprint: string;
}

export const identityFile = 'identity.nk';

const texts = {
  what: "this node's key",
  hint: 'restore it from a backup, or remove it: the node then needs to be approved anew',
};

/**
 * Reads the identity in `folder`, or makes one when there is none. @throws MusterError as `loadKeyPair`. A damaged file is
 * not replaced, because the requester would see another node.
 */
export async function loadIdentity(folder: string): Promise<Identity> {
  return withFingerprint(await loadKeyPair(join(folder, identityFile), 'node', texts));
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
  return { identity: withFingerprint(parseKeyPair(path, kept.data, 'node', texts)), mode, uid };
}

const withFingerprint = (pair: KeyPair): Identity => ({ ...pair, fingerprint: fingerprint(pair.publicKey) });
