// Formats text in columns.

/** Returns rows of cells as lines. Each column is as wide as its widest cell, with two spaces between columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell));
  }
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))).join('  ');
  return rows.map(row => `${line(row).trimEnd()}\n`).join('');
}

/** Returns the width in characters. UTF-16 units would count some characters twice. */
const width = (cell: string): number => [...cell].length;
