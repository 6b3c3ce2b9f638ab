// Rows of numbers outside the heap of JavaScript. A number that changes there leaves no garbage: in a member of an old object,
// each new value is an object of its own, which lives until the whole heap is searched for garbage.

/** The rows of a block, so that more rows need no copy of those that there are. */
const blockBits = 10;
const rowsPerBlock = 2 ** blockBits;

/** The place of a row: its numbers begin at `at` in `block`, one for each column. */
export interface NumberRow {
  readonly block: Float64Array;
  readonly at: number;
}

export class NumberRows {
  readonly #columns: number;
  readonly #blocks: Float64Array[] = [];
  /** The rows that were removed, whose places are used again first. */
  readonly #free: number[] = [];
  #added = 0;

  /** `columns` is how many numbers a row has. */
  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Adds a row, in which every number is NaN, and returns its index. */
  add(): number {
    const index = this.#free.pop() ?? this.#added++;
    if (index >= this.#blocks.length * rowsPerBlock)
      this.#blocks.push(new Float64Array(rowsPerBlock * this.#columns));
    const { block, at } = this.at(index);
    block.fill(Number.NaN, at, at + this.#columns);
    return index;
  }

  /** Returns the place of a row. It stays the same until the row is removed. */
  at(index: number): NumberRow {
    const block = this.#blocks[index >>> blockBits];
    if (!block) throw new RangeError(`there is no row ${index}`);
    return { block, at: (index & (rowsPerBlock - 1)) * this.#columns };
  }

  /** Removes a row. Its index may be given to the next one. */
  remove(index: number): void {
    this.#free.push(index);
  }
}
