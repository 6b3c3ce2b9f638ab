// Writes CSV as RFC 4180 defines it, which a spreadsheet may open without carrying out what a cell says.
import { printable } from '../system/printable.ts';

export type CsvCell = string | number | undefined;

/**
 * Returns a line with these cells. A spreadsheet takes a text that begins with = + - or @ for a formula, so such a text gets
 * an apostrophe in front. A control character is written as a visible code.
 */
export const csvLine = (cells: readonly CsvCell[]): string => `${cells.map(csvCell).join(',')}\r\n`;

function csvCell(value: CsvCell): string {
  if (typeof value !== 'string') return value === undefined ? '' : String(value);
  const text = printable(value, Number.POSITIVE_INFINITY);
  // A spreadsheet leaves out blanks before it looks for a formula. The wide signs are those of East Asian keyboards.
  const safe = /^\s*[=+\-@＝＋－＠]/u.test(text) ? `'${text}` : text;
  return /[",]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
