// Reads and writes a join code: the one line by which a new node finds its cluster, trusts its broker, and may come in.
import { hash, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { ProtocolError } from './error.ts';
import { parseJson } from './json.ts';
import { validate } from './schema.ts';

export interface JoinCode {
  /** The addresses of the cluster's brokers, such as `tls://head:4222`. */
  servers: readonly string[];
  /**
   * The pins of the certificate authorities that may vouch for these brokers: the SHA-256 of the public key (SPKI) of
   * each, in base64url. It is empty for a broker without TLS, which listens on this machine only.
   */
  pins: readonly string[];
  /** What a new node shows to the broker. */
  token: string;
  /** The id of the cluster. */
  cluster: string;
  /** The time from which the code lets nobody in, in seconds since 1970. */
  endsAt: number;
}

/** What a text says that should be a join code. */
export type JoinCodeReading =
  | { kind: 'valid'; code: JoinCode }
  /** It begins as a code does, but a part is missing or was changed. */
  | { kind: 'torn' }
  /** A version of muster made it that has another form of codes. `version` is that of the form. */
  | { kind: 'other_version'; version: number }
  | { kind: 'not_a_code' };

/** Limits for what a code holds. They keep its line shorter than a terminal takes, which is 4 095 characters. */
export const joinCodeLimits = { servers: 6, pins: 4, characters: 3_000 } as const;

const formVersion = 1;
/** Number of bytes of the checksum behind the content. */
const checksumBytes = 6;

const tokenPattern = /^join-([a-z2-7]{10})-([A-Za-z0-9_-]{22})$/;
const serverPattern = /^(?:nats|tls):\/\/(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([1-9]\d{0,4})$/;
const isServer = (text: string): boolean => Number(serverPattern.exec(text)?.[1] ?? 65_536) <= 65_535;

// The names are short, because the line is copied by people.
const contentSchema = v.object({
  s: v.pipe(
    v.array(v.pipe(v.string(), v.check(isServer))),
    v.minLength(1),
    v.maxLength(joinCodeLimits.servers),
  ),
  p: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/))),
      v.minLength(1),
      v.maxLength(joinCodeLimits.pins),
    ),
  ),
  t: v.pipe(v.string(), v.regex(tokenPattern)),
  c: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,128}$/)),
  e: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(8.64e12)),
});

/**
 * Returns the line of a code: `muster1.` and characters that a double click selects in most terminals.
 * @throws ProtocolError when the code holds something that could not be read again, or too much.
 */
export function encodeJoinCode({ servers, pins, token, cluster, endsAt }: JoinCode): string {
  const content = { s: servers, ...(pins.length > 0 ? { p: pins } : {}), t: token, c: cluster, e: endsAt };
  validate(contentSchema, content);
  const bytes = Buffer.from(JSON.stringify(content));
  const line = `muster${formVersion}.${Buffer.concat([bytes, checksumOf(bytes)]).toString('base64url')}`;
  if (line.length <= joinCodeLimits.characters) return line;
  throw new ProtocolError('too_large', `a join code of ${line.length} characters`);
}

/**
 * Reads the text of a code. Blanks and line breaks in it are left out, because mail programs break long lines. Never
 * throws.
 */
export function readJoinCode(text: string): JoinCodeReading {
  if (text.length > 2 * joinCodeLimits.characters) return { kind: 'not_a_code' };
  const [, version, dot, body = ''] = /^muster(\d{1,4})(?:(\.)(.*))?$/s.exec(text.replace(/\s+/g, '')) ?? [];
  if (version === undefined) return { kind: 'not_a_code' };
  if (Number(version) !== formVersion) return { kind: 'other_version', version: Number(version) };
  const bytes = dot === undefined ? undefined : contentOf(body);
  if (bytes === undefined) return { kind: 'torn' };
  try {
    const { s, p = [], t, c, e } = validate(contentSchema, parseJson(bytes));
    return { kind: 'valid', code: { servers: s, pins: p, token: t, cluster: c, endsAt: e } };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { kind: 'not_a_code' };
  }
}

/** Returns the token of a code. `secret` has 16 random bytes. */
export const joinToken = (codeId: string, secret: Uint8Array): string =>
  `join-${codeId}-${Buffer.from(secret).toString('base64url')}`;

/** Returns the id of the code to which a token belongs; undefined for a text that is no such token. */
export const codeIdOf = (token: string): string | undefined => tokenPattern.exec(token)?.[1];

/** Returns the bytes before the checksum; undefined when the checksum is wrong. */
function contentOf(body: string): Buffer | undefined {
  const all = Buffer.from(body, 'base64url');
  // Node leaves out what is not base64url, so a changed text could have the same bytes.
  if (all.toString('base64url') !== body || all.length <= checksumBytes) return undefined;
  const bytes = all.subarray(0, -checksumBytes);
  return timingSafeEqual(checksumOf(bytes), all.subarray(-checksumBytes)) ? bytes : undefined;
}

const checksumOf = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer').subarray(0, checksumBytes);
