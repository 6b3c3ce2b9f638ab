// The node's key pair, by which the broker and the requester know the node. It never leaves the agent's folder.
import { join } from 'node:path';
import { fingerprint } from '../../protocol/nkey.ts';
import { moveFile, removeFile } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { inspectKeyPair, type KeyPair, loadKeyPair, parseKeyPair } from '../../transport/key-pair.ts';

export interface Identity extends KeyPair {
  /** The short form of the public key, which people can compare. */
  readonly fingerprint: string;
}

export const identityFile = 'identity.nk';
/** The key that takes the place of the present one when the requester knows it. */
export const nextIdentityFile = 'identity.next.nk';

const texts = {
  what: "this node's key",
  hint: 'restore it from a backup, or remove it: the node then needs to be approved anew',
};
const nextTexts = {
  what: 'the key that this node exchanges its own for',
  hint: 'remove it, unless the requester refuses the present key of this node: then restore it from a backup',
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

/** Reads the key that takes the place of the identity; undefined when there is none. @throws MusterError `bad_state` */
export async function readNextIdentity(folder: string): Promise<Identity | undefined> {
  const pair = await inspectKeyPair(join(folder, nextIdentityFile), 'node', nextTexts);
  return pair && withFingerprint(pair);
}

/** Reads the next key in `folder`, or makes one when there is none. It is on the disk then. @throws as `loadIdentity` */
export async function makeNextIdentity(folder: string): Promise<Identity> {
  return withFingerprint(await loadKeyPair(join(folder, nextIdentityFile), 'node', nextTexts));
}

/** Puts the next key in the place of the present one, which is gone then. @throws MusterError `not_writable` */
export const promoteNextIdentity = (folder: string): Promise<void> =>
  moveFile(join(folder, nextIdentityFile), join(folder, identityFile));

/** Removes the next key, because the requester refused it. @throws MusterError `not_writable` */
export const dropNextIdentity = (folder: string): Promise<void> => removeFile(join(folder, nextIdentityFile));

const withFingerprint = (pair: KeyPair): Identity => ({ ...pair, fingerprint: fingerprint(pair.publicKey) });
