// Finds the row of a node by its id and its session as a heartbeat names them, without a look at any text in the heap: of a hundred
// thousand nodes each such text is in no cache of the processor.
import { randomFillSync } from 'node:crypto';
import { type ByteRow, type ByteRows, littleEndian } from '../../system/byte-rows.ts';
import { HashSlots } from '../../system/hash-slots.ts';

/**
 * The bytes of a node's session: the length of its id, that of its id and its session together, and both texts. The first is zero
 * when there are none.
 */
const sessionBytes = 80;
const textAt = 2;
const mostCharacters = sessionBytes - textAt;
/** A text that fits in is written whole, so that the number of its bytes tells whether it is of ASCII. */
const mostBytesPerCharacter = 3;

/** An id and a session of ASCII, and where they stand in `view`. The length of the session is zero when there is none. */
export interface SessionInBytes {
  readonly view: DataView;
  readonly idAt: number;
  readonly idLength: number;
  readonly sessionAt: number;
  readonly sessionLength: number;
}

/**
 * The sessions of nodes. What is found is certain, because all bytes are compared. The factors of the hash are random in each
 * process, so that nobody can choose ids that have the same hash: the upper bits of such a sum are the same for two ids as seldom
 * as chance has it.
 */
export class SessionRows {
  readonly #slots = new HashSlots();
  readonly #rows: ByteRows;
  readonly #start: number;
  readonly #factors: Int32Array;
  /** The id and the session that are looked for. To read bytes takes a third of the time of reading the characters of a text. */
  readonly #text = Buffer.alloc(mostBytesPerCharacter * mostCharacters);
  readonly #view = new DataView(this.#text.buffer, this.#text.byteOffset, this.#text.length);

  /** The sessions stand in `rows`, in each from `start` on. A test may choose the factors of the hash. */
  constructor(
    rows: ByteRows,
    start: number,
    factors: Int32Array = randomFillSync(new Int32Array(sessionBytes)),
  ) {
    this.#rows = rows;
    this.#start = start;
    this.#factors = factors;
  }

  /**
   * Adds the session of a node that has none here; it is undefined for a node without one. Returns false for a node that is not
   * found here, because its texts are long or not of ASCII.
   */
  add(row: number, id: string, session: string | undefined): boolean {
    const length = this.#write(id, session);
    if (length < 0) return false;
    const { view, at } = this.#placeOf(row);
    view.setUint8(at, id.length);
    view.setUint8(at + 1, length);
    for (let index = 0; index < length; index++) view.setUint8(at + textAt + index, this.#text[index] ?? 0);
    this.#slots.add(this.#hash(this.#view, 0, id.length), row);
    return true;
  }

  /** Removes the session of a node, if it was added. */
  remove(row: number, id: string): void {
    const { view, at } = this.#placeOf(row);
    if (view.getUint8(at) === 0) return;
    view.setUint8(at, 0);
    if (this.#write(id, undefined) >= 0) this.#slots.remove(this.#hash(this.#view, 0, id.length), row);
  }

  /** Returns whether the node of a row has this id and this session here. It does not search. */
  has(row: number, id: string, session: string | undefined): boolean {
    const { view, at } = this.#placeOf(row);
    if (view.getUint8(at) === 0 || view.getUint8(at) !== id.length) return false;
    const length = this.#write(id, session);
    return view.getUint8(at + 1) === length && isSame(view, at + textAt, this.#view, 0, length);
  }

  /** Returns the row of the node with this id and this session; -1 when there is none. */
  find(id: string, session: string | undefined): number {
    const length = this.#write(id, session);
    if (length < 0) return -1;
    const idLength = id.length;
    const sessionLength = length - idLength;
    return this.findIn({ view: this.#view, idAt: 0, idLength, sessionAt: idLength, sessionLength });
  }

  /** Returns the row of the node whose id and session stand in the bytes; -1 when there is none. */
  findIn({ view, idAt, idLength, sessionAt, sessionLength }: SessionInBytes): number {
    if (idLength + sessionLength > mostCharacters) return -1;
    const hash = this.#hash(view, idAt, idLength);
    const slots = this.#slots;
    for (let place = slots.first(hash); place >= 0; place = slots.next(hash, place)) {
      const row = slots.valueAt(place);
      const { view: stored, at } = this.#placeOf(row);
      if (
        stored.getUint8(at) === idLength &&
        stored.getUint8(at + 1) === idLength + sessionLength &&
        isSame(stored, at + textAt, view, idAt, idLength) &&
        isSame(stored, at + textAt + idLength, view, sessionAt, sessionLength)
      )
        return row;
    }
    return -1;
  }

  #placeOf(row: number): ByteRow {
    const { view, at } = this.#rows.at(row);
    return { view, at: at + this.#start };
  }

  // Writes both texts and returns their length; -1 if they cannot be here. Only of ASCII there are as many bytes as characters.
  #write(id: string, session: string | undefined): number {
    if (session === '') return -1;
    const text = session === undefined ? id : id + session;
    if (text.length > mostCharacters) return -1;
    return this.#text.write(text) === text.length ? text.length : -1;
  }

  #hash(view: DataView, at: number, length: number): number {
    const factors = this.#factors;
    let sum = 0;
    for (let index = 0; index < length; index++)
      sum = (sum + Math.imul(factors[index] ?? 0, view.getUint8(at + index))) | 0;
    return sum;
  }
}

// Eight bytes are compared as one number. Equal numbers have the same bytes, but for the two zeros, and none of ASCII is NaN.
function isSame(view: DataView, at: number, other: DataView, from: number, length: number): boolean {
  let index = 0;
  for (; index + 8 <= length; index += 8)
    if (view.getFloat64(at + index, littleEndian) !== other.getFloat64(from + index, littleEndian))
      return false;
  for (; index < length; index++)
    if (view.getUint8(at + index) !== other.getUint8(from + index)) return false;
  return true;
}
