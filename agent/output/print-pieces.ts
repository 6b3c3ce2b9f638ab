// Prints texts that come one after another, such as the rows of a list, in pieces: to write each row by itself costs more than
// to make it.
import { printSlowly } from './terminal.ts';

/**
 * Sizes from which a piece waits for no more texts, in characters: of the first piece, so that its rows are there at once, and of
 * later ones, each of which may be twice as long as the one before.
 */
const pieceLength = { first: 64, most: 32 * 1024 };

/**
 * Prints `texts` as they come, and what has come before they fail. Texts that come in the same turn of the event loop are written
 * together, so none waits for one that is not there yet. While something is being written, at most one more piece is taken.
 */
export function printPieces(texts: AsyncIterable<string>, write?: Write): Promise<void> {
  return new PiecePrinter(write).print(texts);
}

type Write = (piece: string) => Promise<unknown>;

/** As `printPieces`, for a caller who writes something else in between. */
export class PiecePrinter {
  readonly #write: Write;
  #piece = '';
  #length = pieceLength.first;
  #writing: Promise<unknown> | undefined;
  #turn: NodeJS.Immediate | undefined;

  constructor(write: Write = printSlowly) {
    this.#write = write;
  }

  async print(texts: AsyncIterable<string>): Promise<void> {
    try {
      for await (const text of texts) {
        // A slow reader slows down who makes the texts.
        if (this.#writing) await this.#writing;
        this.#writing = undefined;
        this.#piece += text;
        if (this.#piece.length >= this.#length) this.writeNow();
        else this.#turn ??= setImmediate(() => this.writeNow());
      }
    } finally {
      await this.#writing;
      this.writeNow();
      await this.#writing;
    }
  }

  /** Begins to write what has come, so that it is before what the caller writes next. */
  writeNow(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    if (this.#piece === '') return;
    const text = this.#piece;
    this.#piece = '';
    this.#length = Math.min(2 * this.#length, pieceLength.most);
    this.#writing = this.#write(text);
  }
}
