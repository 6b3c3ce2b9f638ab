// A queue of rows of numbers whose links are numbers in the rows, so that a row is moved without a look at an object.
import type { NumberRows } from './number-rows.ts';

/** The columns that a queue writes. Queues of the same rows may share them: a row is in one of them at most. */
export interface QueueColumns {
  /** The number of the queue in which the row is; NaN when it is in none. */
  readonly queue: number;
  readonly older: number;
  readonly newer: number;
}

/** Stands for no row. */
export const noRow = -1;

/** Rows in the order in which they were appended. */
export class RowQueue {
  readonly #rows: NumberRows;
  readonly #columns: QueueColumns;
  readonly #number: number;
  #oldest = noRow;
  #newest = noRow;
  #size = 0;

  /** `number` tells this queue from the other ones of these rows. */
  constructor(rows: NumberRows, columns: QueueColumns, number: number) {
    this.#rows = rows;
    this.#columns = columns;
    this.#number = number;
  }

  /** The row that was appended first, or `noRow`. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Number of rows. */
  get size(): number {
    return this.#size;
  }

  has(row: number): boolean {
    if (row === noRow) return false;
    const { block, at } = this.#rows.at(row);
    return block[at + this.#columns.queue] === this.#number;
  }

  /** Returns the row that was appended after this one, or `noRow`. */
  newer(row: number): number {
    const { block, at } = this.#rows.at(row);
    return block[at + this.#columns.newer] ?? noRow;
  }

  /** Appends a row that is in no queue. */
  append(row: number): void {
    const { queue, older, newer } = this.#columns;
    const { block, at } = this.#rows.at(row);
    block[at + queue] = this.#number;
    block[at + older] = this.#newest;
    block[at + newer] = noRow;
    if (this.#newest === noRow) this.#oldest = row;
    else this.#link(this.#newest, newer, row);
    this.#newest = row;
    this.#size++;
  }

  /** Removes a row, if it is in this queue. */
  remove(row: number): void {
    if (row === noRow) return;
    const { queue, older, newer } = this.#columns;
    const { block, at } = this.#rows.at(row);
    if (block[at + queue] !== this.#number) return;
    const before = block[at + older] ?? noRow;
    const after = block[at + newer] ?? noRow;
    if (before === noRow) this.#oldest = after;
    else this.#link(before, newer, after);
    if (after === noRow) this.#newest = before;
    else this.#link(after, older, before);
    block[at + queue] = Number.NaN;
    this.#size--;
  }

  #link(row: number, column: number, other: number): void {
    const { block, at } = this.#rows.at(row);
    block[at + column] = other;
  }
}
