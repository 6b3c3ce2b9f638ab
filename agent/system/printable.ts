// Text from anywhere, made fit for a terminal. Apart from the log, so that a short command need not load one.
import { escapeText } from './escape.ts';
import { redactSecrets } from './secrets.ts';

/**
 * Makes any text safe for a terminal: control characters, escape sequences and line breaks become visible, and no more
 * than `limit` characters of it are shown.
 */
export function printable(text: string, limit = 512): string {
  if (text.length <= limit) return escapeText(text);
  // Before the cut: of a secret that is cut in two nobody knows the half.
  const clean = redactSecrets(text);
  return escapeText(clean.length > limit ? `${clean.slice(0, limit)}…` : clean);
}
