// Makes text from any source safe for a terminal. It is not in the log's file, so that short commands need not load the log.
import { escapeText } from './escape.ts';
import { redactSecrets } from './secrets.ts';

/**
 * Returns `text` with visible codes for control characters, escape sequences and line breaks. Text that is longer than
 * `limit` characters is cut, and ends with `…`.
 */
export function printable(text: string, limit = 512): string {
  if (text.length <= limit) return escapeText(text);
  // Secrets are redacted before the cut, because half of a secret would not be recognized.
  const clean = redactSecrets(text);
  return escapeText(clean.length > limit ? `${clean.slice(0, limit)}…` : clean);
}
