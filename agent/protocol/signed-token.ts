// Writes and reads the signed tokens of NATS: JSON Web Tokens that are signed with an nkey (nats-io/jwt).
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { ProtocolError } from './error.ts';
import { parseJson } from './json.ts';
import { decodePublicKey, type KeyKind } from './nkey.ts';

/** The key that signs tokens. */
export interface SigningKey {
  /** An nkey, such as `A…` for an account. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** Size of the longest token that is read, in characters. A request to let a client in has less than 3 000. */
const maxLength = 65_536;

const header = base64({ typ: 'JWT', alg: 'ed25519-nkey' });

/** Returns `claims` as a token that `key` signs. The issuer is added. */
export function writeSignedToken(claims: object, key: SigningKey): string {
  const signed = `${header}.${base64({ ...claims, iss: key.publicKey })}`;
  return `${signed}.${sign(null, Buffer.from(signed), key.privateKey).toString('base64url')}`;
}

/**
 * Returns the claims of a token after checking that its issuer, which must be a key of `kind`, signed it. The times in it
 * are not checked. @throws ProtocolError `malformed`
 */
export function readSignedToken(token: string, kind: KeyKind): { issuer: string; claims: unknown } {
  if (token.length > maxLength) throw new ProtocolError('malformed', 'the token is too long');
  const [head = '', body = '', signature = '', ...rest] = token.split('.');
  if (!signature || rest.length > 0) throw new ProtocolError('malformed', 'not a signed token');
  const { alg } = (parseJson(Buffer.from(head, 'base64url')) ?? {}) as { alg?: unknown };
  const claims = parseJson(Buffer.from(body, 'base64url'));
  const { iss: issuer } = (claims ?? {}) as { iss?: unknown };
  if (alg !== 'ed25519-nkey' || typeof issuer !== 'string')
    throw new ProtocolError('malformed', 'the token names no issuer');
  const text = Buffer.from(`${head}.${body}`);
  if (!isSignedBy(decodePublicKey(issuer, kind), text, Buffer.from(signature, 'base64url')))
    throw new ProtocolError('malformed', 'the signature of the token is wrong');
  return { issuer, claims };
}

/** Returns whether `signature` is that of the ed25519 key (32 bytes) over `text`. */
export function isSignedBy(key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  return verify(null, text, publicKeyOf(key), signature);
}

// The bytes before the 32 bytes of an ed25519 public key in SPKI (RFC 8410).
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

const publicKeyOf = (key: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([spkiPrefix, key]), format: 'der', type: 'spki' });

function base64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
