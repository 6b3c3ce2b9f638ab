// Formats sections of text: a title, and below it rows of a label and its value, aligned over all sections.
import type { TextSection } from '../protocol/explanation.ts';
import { printable } from '../system/printable.ts';
import { breakLines } from './break-lines.ts';
import { table } from './table.ts';

/** Returns the text of the sections that have rows. With `columns`, longer values are broken between words. */
export function sectionsText(sections: readonly TextSection[], columns?: number): string {
  const shown = sections.filter(({ rows }) => rows.length > 0);
  // A label without a value may be a whole sentence, so it does not change the width of the column.
  const widths = shown.flatMap(({ rows }) => rows.map(([label, value]) => (value ? lengthOf(label) : 0)));
  const width = Math.max(...widths);
  return shown.map(section => sectionText(section, width, columns)).join('\n');
}

function sectionText({ title, rows }: TextSection, width: number, columns: number | undefined): string {
  const cells = rows.flatMap(([label, ...rest]): string[][] => {
    const plain = escaped(label);
    const first = `  ${plain}${' '.repeat(Math.max(0, width - lengthOf(plain)))}`;
    const values = rest.map(escaped);
    if (columns === undefined || values.length !== 1) return [[first, ...values]];
    const [top = '', ...more] = breakLines(values[0] ?? '', columns - width - 4);
    return [[first, top], ...more.map(line => [' '.repeat(width + 2), line])];
  });
  return `${escaped(title)}\n${table(cells)}`;
}

const escaped = (text: string): string => printable(text, 1024);
const lengthOf = (text: string): number => [...text].length;
