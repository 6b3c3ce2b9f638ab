// Remembers the secrets that this process has read and redacts them from its output, as a last guard against accidents.
import { escapeQuotes, escapeText } from './escape.ts';

/** The text that is shown in place of a secret. */
export const redacted = '<redacted>';

/** Length of the shortest secret that is redacted. A shorter one would be found in text that has nothing to do with it. */
const minLength = 8;
/** Number of spellings that are remembered. The oldest are forgotten: rotated token files must not fill the memory. */
const maxSpellings = 512;
/** All spellings of the secrets, the oldest first. */
const spellings = new Set<string>();
/** The same spellings, the longest first: a secret may begin with another one, and must be replaced before it. */
let longestFirst: string[] = [];

/**
 * Remembers `secret`: a token, a password, or the content of a key file, of which each line counts. Call it for every secret
 * that is read.
 */
export function rememberSecret(secret: string): void {
  for (const line of secret.split(/\r?\n/)) {
    const bare = line.trim();
    // The marks and notes in files of PEM and of NATS credentials are not secret.
    if (bare.length >= minLength && !/^(-----|\*{3}|NKEYs |IMPORTANT)/.test(bare)) addSpellings(bare);
  }
}

/** Returns `text` with all remembered secrets replaced, whether written plain, in JSON, escaped, in a URL or in base64. */
export function redactSecrets(text: string): string {
  let clean = text;
  for (const secret of longestFirst) if (clean.includes(secret)) clean = clean.replaceAll(secret, redacted);
  return clean;
}

function addSpellings(secret: string): void {
  const bytes = Buffer.from(secret);
  const inJson = JSON.stringify(secret).slice(1, -1);
  const spellingsOfSecret = [
    secret,
    inJson,
    // Both formats of the log escape characters that a terminal would obey.
    escapeText(secret),
    escapeText(inJson),
    escapeQuotes(escapeText(secret)),
    encodeURIComponent(secret.toWellFormed()),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
  ];
  for (const spelling of spellingsOfSecret) {
    spellings.delete(spelling);
    spellings.add(spelling);
  }
  for (const oldest of spellings) {
    if (spellings.size <= maxSpellings) break;
    spellings.delete(oldest);
  }
  longestFirst = [...spellings].sort((one, other) => other.length - one.length);
}
