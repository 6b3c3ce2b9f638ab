// Tests that texts are printed whole, in order and as they come, and that a slow reader slows down who makes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { PiecePrinter, printPieces } from '../../agent/output/print-pieces.ts';

test('the pieces are the texts, in order and each once, whether texts come at once or later', async () => {
  const drawn = fc.array(
    fc.record({
      text: fc.string({ maxLength: 20 }),
      times: fc.constantFrom(1, 5_000),
      isLater: fc.boolean(),
    }),
  );
  await fc.assert(
    fc.asyncProperty(drawn, fc.boolean(), async (texts, isSlow) => {
      const pieces: string[] = [];
      async function* coming() {
        for (const { text, times, isLater } of texts) {
          if (isLater) await nextTurn();
          yield text.repeat(times);
        }
      }
      await printPieces(coming(), async piece => {
        if (isSlow) await nextTurn();
        pieces.push(piece);
      });
      assert.equal(pieces.join(''), texts.map(({ text, times }) => text.repeat(times)).join(''));
      assert.ok(pieces.every(piece => piece !== ''));
    }),
  );
});

test('rows that come at once are written together, the first ones before the others', async () => {
  const pieces: string[] = [];
  let made = 0;
  async function* rows() {
    for (; made < 10_000; made++) yield 'a row\n';
  }
  await printPieces(rows(), async piece => {
    if (pieces.length === 0) assert.ok(made < 100, `${made} rows were made before the first one was written`);
    pieces.push(piece);
  });
  assert.equal(pieces.join(''), 'a row\n'.repeat(10_000));
  assert.ok(pieces.length < 20, `${pieces.length} pieces`);
});

test('what has come is written before what the caller writes next', async () => {
  const written: string[] = [];
  const printer = new PiecePrinter(async piece => void written.push(piece));
  async function* rows() {
    yield 'first';
    yield 'second';
    printer.writeNow();
    written.push('of the caller');
    yield 'third';
  }
  await printer.print(rows());
  assert.deepEqual(written, ['firstsecond', 'of the caller', 'third']);
});

test('a text does not wait for one that is not there yet', async () => {
  const { promise: isWritten, resolve } = Promise.withResolvers<void>();
  async function* rows() {
    yield 'first';
    await isWritten;
    yield 'second';
  }
  const pieces: string[] = [];
  await printPieces(rows(), async piece => {
    pieces.push(piece);
    resolve();
  });
  assert.deepEqual(pieces, ['first', 'second']);
});

test('no more than one piece is made while another one is being written', async () => {
  let made = 0;
  let isWriting = false;
  async function* rows() {
    for (; made < 50_000; made++) yield 'a row of the list\n';
  }
  await printPieces(rows(), async piece => {
    assert.ok(!isWriting, 'one piece is written at a time');
    isWriting = true;
    const before = made;
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    assert.ok(made - before <= 1, `${made - before} more rows were made`);
    assert.ok(piece.length < 64 * 1024);
    isWriting = false;
  });
  assert.equal(made, 50_000);
});

test('what has come before a failure is printed', async () => {
  const pieces: string[] = [];
  async function* rows() {
    yield 'one\n';
    yield 'two\n';
    throw new Error('the list is not whole');
  }
  await assert.rejects(
    printPieces(rows(), async piece => {
      await nextTurn();
      pieces.push(piece);
    }),
    /not whole/,
  );
  assert.equal(pieces.join(''), 'one\ntwo\n');
});
