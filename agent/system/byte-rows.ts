// Rows of bytes outside the heap of JavaScript. What is read and written together stands in one row: with a hundred thousand rows,
// each further place in memory costs more than all that is done with it. A number that changes there leaves no garbage.

/** The rows of a block, so that more rows need no copy of those that there are. */
const blockBits = 12;
const rowsPerBlock = 2 ** blockBits;

const bytesPerNumber = 8;

/** The order of bytes in a number. In this one most processors read a number at once. */
export const littleEndian = true;

/** The place of a row: its bytes begin at `at` in `view`. */
export interface ByteRow {
  readonly view: DataView;
  readonly at: number;
}

export class ByteRows {
  readonly #bytesPerRow: number;
  readonly #blocks: DataView[] = [];
  /** The rows that were removed, whose places are used again first. */
  readonly #free: number[] = [];
  #added = 0;

  /** `bytesPerRow` is a multiple of eight. Rows of 128 bytes are in two lines of the processor's cache, or in parts of three. */
  constructor(bytesPerRow: number) {
    this.#bytesPerRow = bytesPerRow;
  }

  /** Adds a row of zeros, and returns its index. */
  add(): number {
    const index = this.#free.pop() ?? this.#added++;
    if (index >= this.#blocks.length * rowsPerBlock)
      this.#blocks.push(new DataView(new ArrayBuffer(rowsPerBlock * this.#bytesPerRow)));
    const { view, at } = this.at(index);
    for (let byte = 0; byte < this.#bytesPerRow; byte += bytesPerNumber) view.setFloat64(at + byte, 0);
    return index;
  }

  /** Returns the place of a row. It stays the same until the row is removed. */
  at(index: number): ByteRow {
    const view = this.#blocks[index >>> blockBits];
    if (!view) throw new RangeError(`there is no row ${index}`);
    return { view, at: (index & (rowsPerBlock - 1)) * this.#bytesPerRow };
  }

  /** Removes a row. Its index may be given to the next one. */
  remove(index: number): void {
    this.#free.push(index);
  }
}
