// Prints a table row by row, so that the first rows are there before the last ones are known, and no row is kept.
import { type FittedColumn, fitColumns } from './fit-columns.ts';
import { tableLine, widthOf } from './table.ts';

/** A column of rows of type `Row`. See FittedColumn for `rank` and `least`. */
export interface PrintedColumn<Row> extends Pick<FittedColumn, 'title' | 'rank' | 'least'> {
  /** Whether the column is left out when none of the measured rows says anything in it. */
  readonly isOptional?: boolean | undefined;
  cell(row: Row): string;
  /** The width that the cells need; measured in the first rows when absent. 0 leaves out a column with a rank. */
  readonly width?: number | undefined;
}

export interface ColumnPrinterOptions<Row> {
  columns: readonly PrintedColumn<Row>[];
  /** The width of the terminal in characters; undefined when a line may have any length. */
  total: number | undefined;
  hasHeader: boolean;
}

/** Number of rows in which columns are measured. They wait for each other, and later rows do not. */
const measuredRows = 250;
const none = '-';

/** Turns rows into lines. The lines of a row come at once, except those of the first rows when they must be measured. */
export class ColumnPrinter<Row> {
  readonly #options: ColumnPrinterOptions<Row>;
  #waiting: Row[] | undefined;
  #shown: readonly PrintedColumn<Row>[] = [];
  #widths: readonly number[] = [];
  /** The titles of the columns that did not fit. It is known when the first line is. */
  leftOut: readonly string[] = [];

  constructor(options: ColumnPrinterOptions<Row>) {
    const columns = options.columns.filter(({ rank, width }) => rank === undefined || width !== 0);
    this.#options = { ...options, columns };
    this.#waiting = [];
  }

  /** Returns the lines that are ready when this row has come. */
  add(row: Row): string {
    if (!this.#waiting) return this.#line(row);
    this.#waiting.push(row);
    const isMeasured = this.#options.columns.every(({ width }) => width !== undefined);
    return isMeasured || this.#waiting.length >= measuredRows ? this.#begin(this.#waiting) : '';
  }

  /** Returns the lines that still wait when there are no more rows. */
  end(): string {
    return this.#waiting ? this.#begin(this.#waiting) : '';
  }

  #begin(rows: readonly Row[]): string {
    const { total = Number.POSITIVE_INFINITY, hasHeader } = this.#options;
    const columns = this.#options.columns.filter(
      ({ isOptional, cell }) => !isOptional || rows.some(row => cell(row) !== ''),
    );
    const fitted = columns.map(column => ({ ...column, width: neededBy(column, rows) }));
    const { widths, leftOut } = fitColumns(fitted, total);
    this.#shown = columns.filter(({ title }) => widths.has(title));
    this.#widths = this.#shown.map(({ title }) => widths.get(title) ?? 0);
    this.leftOut = leftOut;
    this.#waiting = undefined;
    const titles = this.#shown.map(({ title }) => title);
    const header = hasHeader ? tableLine(titles, this.#widths) : '';
    return header + rows.map(row => this.#line(row)).join('');
  }

  #line(row: Row): string {
    const isCut = this.#options.total !== undefined;
    const cells = this.#shown.map((column, index) => {
      const cell = column.cell(row) || none;
      return isCut && column.rank !== undefined ? cutTo(cell, this.#widths[index] ?? 0) : cell;
    });
    return tableLine(cells, this.#widths);
  }
}

function neededBy<Row>({ title, width, cell }: PrintedColumn<Row>, rows: readonly Row[]): number {
  return Math.max(widthOf(title), ...(width === undefined ? rows.map(row => widthOf(cell(row))) : [width]));
}

function cutTo(cell: string, width: number): string {
  const characters = [...cell];
  return characters.length <= width ? cell : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}
