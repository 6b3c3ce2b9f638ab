// Values as JSON and YAML, safe for a terminal: what could steer it is written as an escape that means the same.
import { printable } from '../system/printable.ts';

/** Indented JSON. */
export const jsonText = (value: unknown): string => `${escaped(JSON.stringify(value, null, 2))}\n`;

/** JSON in one line. */
export const jsonLine = (value: unknown): string => `${escaped(JSON.stringify(value))}\n`;

/** YAML of `value`, which may be a document with comments. */
export async function yamlText(value: unknown): Promise<string> {
  const { Document, isDocument, visit } = await import('yaml');
  const document = isDocument(value) ? value : new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      // Escapes mean something only between double quotes.
      if (typeof node.value === 'string' && !isPrintable(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return escaped(document.toString({ lineWidth: 0, doubleQuotedAsJSON: true }));
}

// JSON's own escapes leave DEL, C1 controls and the marks that reorder text.
function escaped(text: string): string {
  return text
    .split('\n')
    .map(line => printable(line, Number.POSITIVE_INFINITY))
    .join('\n');
}

function isPrintable(text: string): boolean {
  return printable(text, Number.POSITIVE_INFINITY) === text;
}
