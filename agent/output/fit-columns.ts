// Chooses which columns of a table fit into a width, and how wide each may become.

export interface FittedColumn {
  readonly title: string;
  /** The width that the column needs, in characters. */
  readonly width: number;
  /**
   * How much the column matters, from 0; a column with a lower number is chosen first. Columns without it are always shown,
   * and their cells are never cut.
   */
  readonly rank?: number | undefined;
  /** The least width to which long cells may be cut; undefined when they may not. */
  readonly least?: number | undefined;
}

export interface Fit {
  /** The width of each column that is shown, by its title, in the order in which the columns were given. */
  readonly widths: ReadonlyMap<string, number>;
  /** The titles of the columns that are not shown. */
  readonly leftOut: readonly string[];
}

/** Number of blanks between two columns. */
const gap = 2;

/** Returns the columns that fit into `total` characters. */
export function fitColumns(columns: readonly FittedColumn[], total: number): Fit {
  const needs = ({ width, least = width }: FittedColumn) => Math.min(width, least) + gap;
  const chosen = new Set(columns.filter(({ rank }) => rank === undefined));
  let room = total + gap;
  for (const column of chosen) room -= column.width + gap;
  const byRank = columns
    .filter(({ rank }) => rank !== undefined)
    .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  for (const column of byRank) {
    if (needs(column) > room) continue;
    chosen.add(column);
    room -= needs(column);
  }
  const widths = new Map<string, number>();
  // What is left goes to the columns that were counted with less than they need, the most important first.
  for (const column of byRank.filter(each => chosen.has(each))) {
    const more = Math.min(room, column.width + gap - needs(column));
    widths.set(column.title, needs(column) - gap + more);
    room -= more;
  }
  const shown = columns.filter(column => chosen.has(column));
  return {
    widths: new Map(shown.map(({ title, width }) => [title, widths.get(title) ?? width])),
    leftOut: columns.filter(column => !chosen.has(column)).map(({ title }) => title),
  };
}
