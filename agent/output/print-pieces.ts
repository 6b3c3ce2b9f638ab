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
export async function printPieces(
  texts: AsyncIterable<string>,
  write: (piece: string) => Promise<unknown> = printSlowly,
): Promise<void> {
  let piece = '';
  let length = pieceLength.first;
  let writing: Promise<unknown> | undefined;
  let turn: NodeJS.Immediate | undefined;
  const writePiece = () => {
    clearImmediate(turn);
    turn = undefined;
    if (piece === '') return;
    const text = piece;
    piece = '';
    length = Math.min(2 * length, pieceLength.most);
    writing = write(text);
  };
  try {
    for await (const text of texts) {
      // A slow reader slows down who makes the texts.
      if (writing) await writing;
      writing = undefined;
      piece += text;
      if (piece.length >= length) writePiece();
      else turn ??= setImmediate(writePiece);
    }
  } finally {
    await writing;
    writePiece();
    await writing;
  }
}
