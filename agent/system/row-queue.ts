// A queue of rows of bytes whose links are numbers in the rows, so that a row is moved without a look at an object.
import { type ByteRows, littleEndian } from './byte-rows.ts';

/**
 * Where a queue writes in a row: its number in one byte, which is zero when the row is in none, and the links in four bytes each.
 * Queues of the same rows may share these places: a row is in one of them at most.
 */
export interface QueuePlaces {
  readonly queue: number;
  readonly older: number;
  readonly newer: number;
}

/** Stands for no row. */
export const noRow = -1;

const noQueue = 0;

/** Rows in the order in which they were appended. */
export class RowQueue {
  readonly #rows: ByteRows;
  readonly #places: QueuePlaces;
  readonly #number: number;
  #oldest = noRow;
  #newest = noRow;
  #size = 0;

  /** `number`, from one to 255, tells this queue from the other ones of these rows. */
  constructor(rows: ByteRows, places: QueuePlaces, number: number) {
    this.#rows = rows;
    this.#places = places;
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
    const { view, at } = this.#rows.at(row);
    return view.getUint8(at + this.#places.queue) === this.#number;
  }

  /** Returns the row that was appended after this one, or `noRow`. */
  newer(row: number): number {
    const { view, at } = this.#rows.at(row);
    return view.getInt32(at + this.#places.newer, littleEndian);
  }

  /** Appends a row that is in no queue. */
  append(row: number): void {
    this.#mark(row, this.#number);
    this.#size++;
    this.#link(row);
  }

  /** Removes a row, if it is in this queue. */
  remove(row: number): void {
    if (!this.has(row)) return;
    this.#mark(row, noQueue);
    this.#size--;
    this.#unlink(row);
  }

  /** Moves a row of this queue to its end, as if it was removed and appended. */
  renew(row: number): void {
    this.#unlink(row);
    this.#link(row);
  }

  #mark(row: number, queue: number): void {
    const { view, at } = this.#rows.at(row);
    view.setUint8(at + this.#places.queue, queue);
  }

  #link(row: number): void {
    const { older, newer } = this.#places;
    this.#write(row, older, this.#newest);
    this.#write(row, newer, noRow);
    if (this.#newest === noRow) this.#oldest = row;
    else this.#write(this.#newest, newer, row);
    this.#newest = row;
  }

  #unlink(row: number): void {
    const { older, newer } = this.#places;
    const { view, at } = this.#rows.at(row);
    const before = view.getInt32(at + older, littleEndian);
    const after = view.getInt32(at + newer, littleEndian);
    if (before === noRow) this.#oldest = after;
    else this.#write(before, newer, after);
    if (after === noRow) this.#newest = before;
    else this.#write(after, older, before);
  }

  #write(row: number, place: number, other: number): void {
    const { view, at } = this.#rows.at(row);
    view.setInt32(at + place, other, littleEndian);
  }
}
