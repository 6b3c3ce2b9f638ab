// Reads and makes the keys by which the broker knows the requester.
import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { CurveKey } from '../protocol/sealed-box.ts';
import { inspectCurveKey, loadCurveKey } from '../transport/curve-key.ts';
import {
  inspectKeyPair,
  type KeyPair,
  keyPairOf,
  loadKeyPair,
  parseKeyPair,
  signWith,
} from '../transport/key-pair.ts';
import type { BrokerAccess, OwnNatsLines } from './access-lines.ts';

/** The files of the keys in the requester's folder. */
export const accessFiles = { requester: 'requester.nk', issuer: 'issuer.nk' } as const;
/** The file of the key that decrypts what the broker asks. It is made where `OwnNatsAccess` is needed. */
export const boxFile = 'callout.xk';

const hint = 'restore it from a backup, or remove it to have a new one made';
const requesterTexts = { what: 'the key of the requester', hint };
const issuerTexts = { what: 'the key that signs who may connect', hint };
const boxTexts = { what: 'the key that decrypts what a NATS of your own asks', hint };

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

/** Reads the issuer's key in the bytes of its file, such as in a backup. @throws MusterError `bad_state` */
export const parseIssuer = (bytes: Buffer): KeyPair =>
  parseKeyPair(accessFiles.issuer, bytes, 'account', issuerTexts);

/** The keys for a NATS of one's own, and for a broker that several requesters use. */
export interface OwnNatsAccess extends BrokerAccess {
  /** Decrypts what the servers ask about clients. */
  readonly box: CurveKey;
  /** The key of a user of another account, who may do nothing. It shows whether the servers ask about such users too. */
  readonly bystander: KeyPair;
}

/** Returns the lines for these keys in the configuration of a server. */
export const guardLines = ({ box, bystander }: OwnNatsAccess): OwnNatsLines => ({
  boxKey: box.publicKey,
  bystander: bystander.publicKey,
});

/** Reads those of these keys that are there, and changes nothing. @throws MusterError `bad_state` */
export async function inspectBrokerAccess(folder: string): Promise<Partial<BrokerAccess>> {
  const [requester, issuer] = await Promise.all([
    inspectRequesterKey(folder),
    inspectKeyPair(join(folder, accessFiles.issuer), 'account', issuerTexts),
  ]);
  return { ...(requester && { requester }), ...(issuer && { issuer }) };
}

/** As `loadBrokerAccess`, with the keys that a NATS of one's own needs besides. */
export async function loadOwnNatsAccess(folder: string): Promise<OwnNatsAccess> {
  const access = await loadBrokerAccess(folder);
  const box = await loadCurveKey(join(folder, boxFile), boxTexts);
  return { ...access, box, bystander: bystanderOf(access.issuer) };
}

/** Reads these keys, and changes nothing; undefined when one of them is missing. @throws MusterError `bad_state` */
export async function inspectOwnNatsAccess(folder: string): Promise<OwnNatsAccess | undefined> {
  const { requester, issuer } = await inspectBrokerAccess(folder);
  const box = await inspectCurveKey(join(folder, boxFile), boxTexts);
  if (!requester || !issuer || !box) return undefined;
  return { requester, issuer, box, bystander: bystanderOf(issuer) };
}

/** Returns the bystander's key. It follows from a key that all requesters of a roll share, so that it needs no file. */
const bystanderOf = (issuer: KeyPair): KeyPair =>
  keyPairOf(hash('sha256', signWith(issuer, Buffer.from('muster bystander')), 'buffer'), 'user');
