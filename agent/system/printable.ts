// Makes text from any source safe for a terminal. It is apart from the log, so that a short command need not load the log.
import { escapeText } from './escape.ts';
import { redactSecrets } from './secrets.ts';

/**
 * Returns `text` with control characters, escape sequences and line breaks made visible. Text that is longer than `limit`
 * characters is cut, and ends with `…`.
 */
export function printable(text: string, limit = 512): string {
  if (text.length <= limit) return escapeText(text);
  // Secrets are redacted before the cut: half of a secret would no longer be recognized.
  const clean = redactSecrets(text);
  return escapeText(clean.length > limit ? `${clean.slice(0, limit)}…` : clean);
}
