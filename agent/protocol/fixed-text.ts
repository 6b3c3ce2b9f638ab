// A text that stands in each message of one form. It is compared eight bytes at a time, each eight as one number.

const bytesPerNumber = 8;
/** The order of bytes in a number does not matter here. In this one most processors read a number at once. */
const littleEndian = true;

/** A text of ASCII, of eight characters at least. */
export class FixedText {
  readonly length: number;
  readonly #numbers: Float64Array;
  /** The last eight bytes, of which some may be in the number before. */
  readonly #last: number;

  constructor(text: string) {
    const bytes = Buffer.from(text, 'latin1');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const numberAt = (at: number) => view.getFloat64(at, littleEndian);
    this.length = bytes.length;
    this.#numbers = Float64Array.from({ length: Math.floor(bytes.length / bytesPerNumber) }, (_, index) =>
      numberAt(index * bytesPerNumber),
    );
    this.#last = numberAt(bytes.length - bytesPerNumber);
  }

  /**
   * Returns whether the text stands in `view` at `at`. Two numbers that are equal have the same bytes, but for the two zeros, and
   * none of them is NaN: eight characters of ASCII are neither. @throws RangeError when the text would end behind the view.
   */
  isAt(view: DataView, at: number): boolean {
    const numbers = this.#numbers;
    for (let index = 0; index < numbers.length; index++)
      if (view.getFloat64(at + index * bytesPerNumber, littleEndian) !== numbers[index]) return false;
    return view.getFloat64(at + this.length - bytesPerNumber, littleEndian) === this.#last;
  }
}
