// The secrets that this process has read, so that none of them leaves it by accident: the last guard, not the first.
import { escapeQuotes, escapeText } from './escape.ts';

/** What stands for a secret wherever one would show. */
export const redacted = '<redacted>';

/** Shorter ones would be found in text that has nothing to do with them. */
const shortest = 8;
/** Ways of writing that are kept; the oldest give way: a token file that is rotated for years must not fill the memory. */
const most = 512;
const known = new Set<string>();
/** The same, longest first: where one secret begins another, the shorter would leave the longer's rest in clear. */
let longestFirst: string[] = [];

/** To be told of every secret as it is read: a token, a password, or a file of key material, line by line. */
export function rememberSecret(secret: string): void {
  for (const line of secret.split(/\r?\n/)) {
    const bare = line.trim();
    // The frame of PEM and of NATS credentials, and its advice, are no secret.
    if (bare.length >= shortest && !/^(-----|\*{3}|NKEYs |IMPORTANT)/.test(bare)) remember(bare);
  }
}

/** `text` with every secret that was kept replaced, however it is written: plain, in JSON, made printable, in a URL, in base64. */
export function redactSecrets(text: string): string {
  let clean = text;
  for (const secret of longestFirst) if (clean.includes(secret)) clean = clean.replaceAll(secret, redacted);
  return clean;
}

function remember(secret: string): void {
  const bytes = Buffer.from(secret);
  const inJson = JSON.stringify(secret).slice(1, -1);
  const ways = [
    secret,
    inJson,
    // As both formats of the log write what is no text for a terminal.
    escapeText(secret),
    escapeText(inJson),
    escapeQuotes(escapeText(secret)),
    encodeURIComponent(secret.toWellFormed()),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
  ];
  for (const way of ways) {
    known.delete(way);
    known.add(way);
  }
  for (const oldest of known) {
    if (known.size <= most) break;
    known.delete(oldest);
  }
  longestFirst = [...known].sort((one, other) => other.length - one.length);
}
