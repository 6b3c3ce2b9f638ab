// Finds the row of a node by its id and its session as a heartbeat names them, without a look at any text in the heap: of a hundred
// thousand nodes each such text is in no cache of the processor.
import { randomFillSync } from 'node:crypto';
import { HashSlots } from '../../system/hash-slots.ts';

/** The bytes of a node: the length of its id, that of its id and its session together, and both texts. A row without any begins with 0. */
const bytesPerRow = 80;
const textAt = 2;
const mostCharacters = bytesPerRow - textAt;
/** A text that fits in is written whole, so that the number of its bytes tells whether it is of ASCII. */
const mostBytesPerCharacter = 3;
const blockBits = 10;
const rowsPerBlock = 2 ** blockBits;

/** An id and a session of ASCII, and where they stand in bytes. The length of the session is zero when there is none. */
export interface SessionInBytes {
  readonly bytes: Uint8Array;
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
  readonly #blocks: Uint8Array[] = [];
  readonly #factors: Int32Array;
  /** The id and the session that are looked for. To read bytes takes a third of the time of reading the characters of a text. */
  readonly #text = Buffer.alloc(mostBytesPerCharacter * mostCharacters);

  /** A test may choose the factors of the hash. */
  constructor(factors: Int32Array = randomFillSync(new Int32Array(bytesPerRow))) {
    this.#factors = factors;
  }

  /**
   * Adds the session of a node that has none here; it is undefined for a node without one. Returns false for a node that is not
   * found here, because its texts are long or not of ASCII.
   */
  add(row: number, id: string, session: string | undefined): boolean {
    const length = this.#write(id, session);
    if (length < 0) return false;
    while (this.#blocks.length <= row >>> blockBits)
      this.#blocks.push(new Uint8Array(rowsPerBlock * bytesPerRow));
    const at = placeOf(row);
    const block = this.#blocks[row >>> blockBits] as Uint8Array;
    block[at] = id.length;
    block[at + 1] = length;
    for (let index = 0; index < length; index++) block[at + textAt + index] = this.#text[index] ?? 0;
    this.#slots.add(this.#hash(this.#text, 0, id.length), row);
    return true;
  }

  /** Removes the session of a node, if it was added. */
  remove(row: number, id: string): void {
    const block = this.#blocks[row >>> blockBits];
    if (!block || block[placeOf(row)] === 0) return;
    block[placeOf(row)] = 0;
    if (this.#write(id, undefined) >= 0) this.#slots.remove(this.#hash(this.#text, 0, id.length), row);
  }

  /** Returns whether the node of a row has this id and this session here. It does not search. */
  has(row: number, id: string, session: string | undefined): boolean {
    const block = this.#blocks[row >>> blockBits];
    const at = placeOf(row);
    if (!block || block[at] === 0 || block[at] !== id.length) return false;
    const length = this.#write(id, session);
    return block[at + 1] === length && isSame(block, at + textAt, this.#text, 0, length);
  }

  /** Returns the row of the node with this id and this session; -1 when there is none. */
  find(id: string, session: string | undefined): number {
    const length = this.#write(id, session);
    if (length < 0) return -1;
    const idLength = id.length;
    const sessionLength = length - idLength;
    return this.findIn({ bytes: this.#text, idAt: 0, idLength, sessionAt: idLength, sessionLength });
  }

  /** Returns the row of the node whose id and session stand in the bytes; -1 when there is none. */
  findIn({ bytes, idAt, idLength, sessionAt, sessionLength }: SessionInBytes): number {
    if (idLength + sessionLength > mostCharacters) return -1;
    const hash = this.#hash(bytes, idAt, idLength);
    const slots = this.#slots;
    for (let place = slots.first(hash); place >= 0; place = slots.next(hash, place)) {
      const row = slots.valueAt(place);
      const block = this.#blocks[row >>> blockBits];
      const at = placeOf(row);
      if (
        block?.[at] === idLength &&
        block[at + 1] === idLength + sessionLength &&
        isSame(block, at + textAt, bytes, idAt, idLength) &&
        isSame(block, at + textAt + idLength, bytes, sessionAt, sessionLength)
      )
        return row;
    }
    return -1;
  }

  // Writes both texts and returns their length; -1 if they cannot be here. Only of ASCII there are as many bytes as characters.
  #write(id: string, session: string | undefined): number {
    if (session === '') return -1;
    const text = session === undefined ? id : id + session;
    if (text.length > mostCharacters) return -1;
    return this.#text.write(text) === text.length ? text.length : -1;
  }

  #hash(bytes: Uint8Array, at: number, length: number): number {
    const factors = this.#factors;
    let sum = 0;
    for (let index = 0; index < length; index++)
      sum = (sum + Math.imul(factors[index] ?? 0, bytes[at + index] ?? 0)) | 0;
    return sum;
  }
}

const placeOf = (row: number): number => (row & (rowsPerBlock - 1)) * bytesPerRow;

function isSame(bytes: Uint8Array, at: number, others: Uint8Array, from: number, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[at + index] !== others[from + index]) return false;
  return true;
}
