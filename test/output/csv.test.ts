// Checks that CSV can be read again, and that a spreadsheet carries out nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { csvLine } from '../../agent/output/csv.ts';

test('a cell is quoted when it must be', () => {
  assert.equal(csvLine(['a', 'b c', '', undefined, 0, 1.5]), 'a,b c,,,0,1.5\r\n');
  assert.equal(csvLine(['a,b', 'say "hi"', ' x', 'x ']), '"a,b","say ""hi"""," x","x "\r\n');
  assert.equal(csvLine(['a\r\nb\u001b']), 'a\\u000d\\u000ab\\u001b\r\n');
});

test('what a spreadsheet would take for a formula is a text', () => {
  for (const text of ['=1+1', '+1', '-1', '@x', ' =1+1', '＝1'])
    assert.match(csvLine([text]), /^"?'/, JSON.stringify(text));
});

test('every line has the cells that it was made of, and no formula', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { minLength: 1, maxLength: 5 }),
      cells => {
        const line = csvLine(cells);
        assert.ok(line.endsWith('\r\n') && !/[\r\n]/.test(line.slice(0, -2)));
        const read = readLine(line.slice(0, -2));
        assert.equal(read.length, cells.length);
        for (const cell of read) assert.doesNotMatch(cell, /^\s*[=+\-@]/);
      },
    ),
  );
});

/** Reads a line as RFC 4180 says. */
function readLine(line: string): string[] {
  const cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const [, quoted, plain = '', end] = cell.exec(line) ?? assert.fail(line);
    cells.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '') return cells;
  }
}
