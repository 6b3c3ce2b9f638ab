// Formats a line of the log as text for people: date, time and level, then the message, then the fields.
import { escapeQuotes } from './escape.ts';
import { printable } from './printable.ts';
import { redactSecrets } from './secrets.ts';

/**
 * Number of columns that must remain for wrapped text. When there are fewer, the text is indented only by `narrowIndent`.
 */
const minTextColumns = 30;
const narrowIndent = 4;

/**
 * Returns pino's JSON line `line` as text, with the local time of the reader. With a `width`, the text is wrapped at that
 * column. All lines after the first are indented, so that no text in a message can look like another line of the log.
 */
export function formatLogText(line: string, width: number | undefined): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const head = `${localTime(new Date(String(time)))} ${String(level).toUpperCase().padEnd(5)} `;
  const message = printable(String(msg));
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  if (width === undefined) return `${head}${message}${pairs.length > 0 ? `  ${pairs.join(' ')}` : ''}`;
  return head + wrap(message, pairs, head.length, width);
}

function localTime(at: Date): string {
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  const date = [at.getFullYear(), twoDigits(at.getMonth() + 1), twoDigits(at.getDate())].join('-');
  return `${date} ${at.toTimeString().slice(0, 8)}`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value)
    return quoteText(String(value.message));
  return typeof value === 'string' ? quoteText(value) : printable(JSON.stringify(value) ?? '');
}

function quoteText(value: string): string {
  const text = printable(value);
  return /[\s"=]/.test(text) ? `"${escapeQuotes(text)}"` : text;
}

/** Breaks the text between words of the message and between fields. In the first line `used` columns are already used. */
function wrap(message: string, pairs: readonly string[], used: number, width: number): string {
  const indent = width - used >= minTextColumns ? used : narrowIndent;
  const lines: string[] = [];
  let current = '';
  let room = width - used;
  const add = (text: string, separator: string) => {
    if (current !== '' && columns(current) + separator.length + columns(text) > room) {
      lines.push(current);
      current = '';
      room = width - indent;
    }
    current += current === '' ? text : separator + text;
  };
  // Secrets are hidden before the text is divided, because a divided secret would not be recognized.
  const words = redactSecrets(message).split(' ');
  for (const word of words) add(word, ' ');
  for (const [index, pair] of pairs.entries()) {
    const clean = redactSecrets(pair);
    const parts = columns(clean) > width - indent ? clean.split(' ') : [clean];
    for (const [part, text] of parts.entries()) add(text, index === 0 && part === 0 ? '  ' : ' ');
  }
  return [...lines, current].join(`\n${' '.repeat(indent)}`);
}

const columns = (text: string): number => [...text].length;
