// Text in columns.

/** Rows of cells as lines: columns as wide as their widest cell and two spaces apart, nothing before or after. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell));
  }
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))).join('  ');
  return rows.map(row => `${line(row).trimEnd()}\n`).join('');
}

// In characters, not in UTF-16 units.
const width = (cell: string): number => [...cell].length;
