// Reads and makes the keys by which the broker knows the requester.
import { join } from 'node:path';
import { inspectKeyPair, type KeyPair, loadKeyPair } from '../transport/key-pair.ts';
import type { BrokerAccess } from './access-lines.ts';

/** The files of the keys in the requester's folder. */
export const accessFiles = { requester: 'requester.nk', issuer: 'issuer.nk' } as const;

const hint = 'restore it from a backup, or remove it to have a new one made';
const requesterTexts = { what: 'the key of the requester', hint };
const issuerTexts = { what: 'the key that signs who may connect', hint };

/**
 * Reads the keys in the requester's folder, and makes those that are missing. @throws MusterError `bad_state` for a damaged
 * file, `not_writable`.
 */
export async function loadBrokerAccess(folder: string): Promise<BrokerAccess> {
  const [requester, issuer] = await Promise.all([
    loadKeyPair(join(folder, accessFiles.requester), 'user', requesterTexts),
    loadKeyPair(join(folder, accessFiles.issuer), 'account', issuerTexts),
  ]);
  return { requester, issuer };
}

/** Reads the requester's key, and changes nothing; undefined when there is none. @throws MusterError `bad_state` */
export const inspectRequesterKey = (folder: string): Promise<KeyPair | undefined> =>
  inspectKeyPair(join(folder, accessFiles.requester), 'user', requesterTexts);
