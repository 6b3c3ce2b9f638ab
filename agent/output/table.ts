// Formats text in columns.

/** Returns rows of cells as lines. Each column is as wide as its widest cell, with two spaces between columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
  }
  return rows.map(row => tableLine(row, widths)).join('');
}

/** Returns a row of cells as a line. A cell that is wider than its column stays whole. */
export function tableLine(row: readonly string[], widths: readonly number[]): string {
  const line = row.map(
    (cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))),
  );
  return `${line.join('  ').trimEnd()}\n`;
}

/** Returns the width in characters. UTF-16 units would count some characters twice. */
export function widthOf(cell: string): number {
  let width = cell.length;
  for (let i = 1; i < cell.length; i++)
    if (isLow(cell.charCodeAt(i)) && isHigh(cell.charCodeAt(i - 1))) width--;
  return width;
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;
