// Remembers the secrets that this process has read and redacts them in its output, as a last protection against mistakes.
import { escapeQuotes, escapeText } from './escape.ts';

/** The text that is shown in place of a secret. */
export const redacted = '<redacted>';

/** Length of the shortest secret that is redacted. A shorter one would also be found in unrelated text. */
const minLength = 8;
/**
 * Number of spellings that are remembered. The oldest are forgotten, because rotated token files must not fill the
 * memory.
 */
const maxSpellings = 512;
/** All spellings of the secrets, the oldest first. */
const spellings = new Set<string>();
/**
 * The same spellings, the longest first. When a secret begins with another secret, the longer one must be replaced first.
 */
let longestFirst: string[] = [];

/**
 * Remembers `secret`: a token, a password, or the content of a key file. Each line of a key file counts as a secret. It
 * must be called for every secret that is read.
 */
export function rememberSecret(secret: string): void {
  for (const line of secret.split(/\r?\n/)) {
    const bare = line.trim();
    // The marker lines and notes in PEM files and in NATS credentials are not secret.
    if (bare.length >= minLength && !/^(-----|\*{3}|NKEYs |IMPORTANT)/.test(bare)) addSpellings(bare);
  }
}

/**
 * Returns `text` with all remembered secrets replaced, in every spelling: plain, in JSON, escaped, in a URL or in base64.
 */
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
    // Both formats of the log escape characters that control a terminal.
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
