// Encrypts and decrypts what a NATS server and the requester tell each other about a client, so that no other server on the
// way can read a join code: the boxes of NaCl (X25519, XSalsa20 and Poly1305) in the form of nats-io/nkeys.
import nacl from 'tweetnacl';
import { ProtocolError } from './error.ts';
import { decodePublicKey, encodePublicKey } from './nkey.ts';

/** A key that encrypts. */
export interface CurveKey {
  /** `X` and 55 characters, which others need to write to the owner of this key. */
  readonly publicKey: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** What two parties need to read each other: made of the key of one and the public key of the other. */
export type SharedKey = Uint8Array;

const version = Buffer.from('xkv1');
export const boxNonceBytes = nacl.box.nonceLength;

/** Returns the key with these 32 secret bytes. */
export const curveKeyOf = (secret: Uint8Array): CurveKey => ({
  publicKey: encodePublicKey(nacl.box.keyPair.fromSecretKey(Uint8Array.from(secret)).publicKey, 'curve'),
  secret: Uint8Array.from(secret),
});

/**
 * Returns the key that only the owner of `mine` and that of the public key `theirs` (`X…`) know. It takes a millisecond or
 * more, so callers keep it. @throws ProtocolError `malformed`
 */
export const sharedKeyOf = (mine: CurveKey, theirs: string): SharedKey =>
  nacl.box.before(Uint8Array.from(decodePublicKey(theirs, 'curve')), mine.secret);

/** Encrypts. `nonce` is 24 random bytes that are used once. */
export function sealBox(message: Uint8Array, nonce: Uint8Array, key: SharedKey): Buffer {
  return Buffer.concat([version, nonce, nacl.box.after(Uint8Array.from(message), nonce, key)]);
}

/** Decrypts. @throws ProtocolError `malformed` when somebody else wrote or changed it. */
export function openBox(sealed: Uint8Array, key: SharedKey): Buffer {
  const begin = version.length + boxNonceBytes;
  const nonce = Uint8Array.from(sealed.subarray(version.length, begin));
  const opened =
    isSealed(sealed) && sealed.length > begin
      ? nacl.box.open.after(Uint8Array.from(sealed.subarray(begin)), nonce, key)
      : null;
  if (!opened) throw new ProtocolError('malformed', 'not encrypted for this requester');
  return Buffer.from(opened);
}

/** Returns whether a message has the form of an encrypted one. */
export const isSealed = (message: Uint8Array): boolean => version.equals(message.subarray(0, version.length));
