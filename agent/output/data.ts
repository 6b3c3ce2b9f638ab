// Writes values as JSON and YAML that cannot control a terminal: every control character becomes an escape with the same
// meaning.
import { printable } from '../system/printable.ts';

/** Returns `value` in the format that a command was asked for: as JSON, as YAML, or as the text that people read. */
export async function formatAs(
  format: string,
  value: unknown,
  text: () => string | Promise<string>,
): Promise<string> {
  if (format === 'json') return jsonText(value);
  return format === 'yaml' ? yamlText(value) : text();
}

/** Returns indented JSON. */
export const jsonText = (value: unknown): string => `${escaped(JSON.stringify(value, null, 2))}\n`;

/** Returns JSON on one line. */
export const jsonLine = (value: unknown): string => `${escaped(JSON.stringify(value))}\n`;

/** Returns `value` as YAML. It may be a document with comments. */
export async function yamlText(value: unknown): Promise<string> {
  const { Document, isDocument, visit } = await import('yaml');
  const document = isDocument(value) ? value : new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      // YAML reads escapes only between double quotes.
      if (typeof node.value === 'string' && !isPrintable(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return escaped(document.toString({ lineWidth: 0, doubleQuotedAsJSON: true }));
}

/**
 * Escapes the characters that JSON allows but that can control a terminal: DEL, the C1 controls and the marks that
 * reorder text.
 */
function escaped(text: string): string {
  return text
    .split('\n')
    .map(line => printable(line, Number.POSITIVE_INFINITY))
    .join('\n');
}

function isPrintable(text: string): boolean {
  return printable(text, Number.POSITIVE_INFINITY) === text;
}
