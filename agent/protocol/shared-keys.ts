// Defines the file by which one requester hands the keys that all requesters of a roll share to another one.
import * as v from 'valibot';
import { ProtocolError } from './error.ts';
import { parseJson } from './json.ts';
import { decodeSeed, type KeyKind } from './nkey.ts';
import { validate } from './schema.ts';

/** Size of the largest file that is read, in bytes. */
export const maxSharedKeysBytes = 256 * 1024;
/** The form of the file that this program writes, and the newest one that it reads. */
const form = 1;

const seedOf = (kind: KeyKind) =>
  v.pipe(
    v.string(),
    v.check(text => isSeed(text, kind), `not the seed of a key of the kind ${kind}`),
  );
const schema = v.object({
  /** The key that signs who is let in. */
  issuer: seedOf('account'),
  /** The key that decrypts what the broker asks. */
  box: seedOf('curve'),
  /** The token of Bacalhau's nodes, if they are let in. */
  bacalhauToken: v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{16,512}$/, 'not a token'))),
  /** The addresses of the broker, such as `tls://host:4222`. */
  servers: v.pipe(
    v.array(v.pipe(v.string(), v.regex(/^(nats|tls):\/\/[\x21-\x7e]{1,300}$/, 'not an address'))),
    v.maxLength(256),
  ),
  /** The CA of the broker in PEM; absent without TLS, and for a public CA. */
  ca: v.optional(
    v.pipe(v.string(), v.maxLength(65_536), v.includes('-----BEGIN CERTIFICATE-----', 'not a certificate')),
  ),
});
const formSchema = v.object({ musterKeys: v.pipe(v.number(), v.safeInteger(), v.minValue(1)) });

export type SharedKeys = v.InferOutput<typeof schema>;

/** Returns the content of the file. It is a secret. */
export const writeSharedKeys = (keys: SharedKeys): string =>
  `${JSON.stringify({ musterKeys: form, ...keys }, undefined, 2)}\n`;

/** Reads the content of such a file. @throws ProtocolError for anything else, which it does not quote. */
export function readSharedKeys(bytes: Uint8Array): SharedKeys {
  const value = parseJson(bytes, maxSharedKeysBytes);
  const { musterKeys } = validate(formSchema, value);
  if (musterKeys > form)
    throw new ProtocolError(
      'malformed',
      'a newer version of muster has written it, and this one cannot read it',
    );
  return validate(schema, value);
}

function isSeed(text: string, kind: KeyKind): boolean {
  try {
    decodeSeed(text, kind);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}
