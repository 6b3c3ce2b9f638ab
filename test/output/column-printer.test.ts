// Checks which columns of a table fit a terminal, and that rows come as soon as their widths are known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ColumnPrinter, type PrintedColumn } from '../../agent/output/column-printer.ts';
import { type FittedColumn, fitColumns } from '../../agent/output/fit-columns.ts';

type Row = readonly [id: string, host: string, note: string];
const columns: readonly PrintedColumn<Row>[] = [
  { title: 'ID', cell: ([id]) => id },
  { title: 'HOST', cell: ([, host]) => host, rank: 1, least: 6 },
  { title: 'NOTE', cell: ([, , note]) => note, rank: 0, least: 6 },
];
const rows: readonly Row[] = [
  ['node-1', 'rack-7.example', 'cordoned: disk swap'],
  ['node-22', '', ''],
];

/** Returns the lines of the rows, and the columns that were left out, on a terminal of this width. */
function printed(total: number | undefined, given = columns): [text: string, leftOut: readonly string[]] {
  const printer = new ColumnPrinter({ columns: given, total, hasHeader: true });
  const text = rows.map(row => printer.add(row)).join('') + printer.end();
  return [text, printer.leftOut];
}

test('without a terminal every column has all of its text', () => {
  const text = `ID       HOST            NOTE
node-1   rack-7.example  cordoned: disk swap
node-22  -               -
`;
  assert.deepEqual(printed(undefined), [text, []]);
  assert.deepEqual(printed(80), [text, []]);
});

test('on a narrow terminal the less important text is cut first, then left out, and an id never', () => {
  assert.deepEqual(printed(38), [
    `ID       HOST      NOTE
node-1   rack-7.…  cordoned: disk swap
node-22  -         -
`,
    [],
  ]);
  assert.deepEqual(printed(22), [
    `ID       NOTE
node-1   cordoned: di…
node-22  -
`,
    ['HOST'],
  ]);
  assert.deepEqual(printed(3), ['ID\nnode-1\nnode-22\n', ['HOST', 'NOTE']]);
});

test('a column that says nothing in this list is not there', () => {
  const [text] = printed(
    undefined,
    columns.map(column => (column.title === 'HOST' ? { ...column, width: 0 } : column)),
  );
  assert.equal(text.split('\n')[0], 'ID       NOTE');
});

test('a row waits for nothing when the widths are known, and for 250 rows at most when not', () => {
  const known = columns.map(column => ({ ...column, width: 20 }));
  const known20 = new ColumnPrinter({ columns: known, total: undefined, hasHeader: false });
  assert.match(known20.add(rows[0] ?? assert.fail()), /^node-1 /);
  const measured = new ColumnPrinter({ columns, total: undefined, hasHeader: false });
  const lines = Array.from({ length: 251 }, (_, index) => measured.add([`n-${index}`, '', '']));
  assert.deepEqual(
    lines.map(text => text.split('\n').length - 1),
    [...Array(249).fill(0), 250, 1],
  );
});

test('whatever the columns, those that are shown fit, unless the others alone are too wide', () => {
  const column = fc.record({
    title: fc.uuid(),
    width: fc.integer({ min: 1, max: 60 }),
    rank: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
    least: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(column, { maxLength: 12 }), fc.integer({ min: 1, max: 200 }), (all, total) => {
      const { widths, leftOut } = fitColumns(all, total);
      const fixed = all.filter(({ rank }) => rank === undefined);
      for (const { title, width } of fixed) assert.equal(widths.get(title), width);
      assert.deepEqual([...widths.keys(), ...leftOut].sort(), all.map(({ title }) => title).sort());
      const sum = (given: Iterable<number>) => [...given].reduce((a, b) => a + b + 2, -2);
      const fixedSum = sum(fixed.map(({ width }) => width));
      if (fixedSum <= total) assert.ok(sum(widths.values()) <= total);
      else assert.equal(widths.size, fixed.length);
      // No column is left out for which there is room.
      const room = total - sum(widths.values()) - 2;
      for (const { title, width, least = width } of all satisfies FittedColumn[])
        if (leftOut.includes(title)) assert.ok(Math.min(width, least) > room - cutAway(all, widths));
    }),
  );
});

/** Returns how much wider than their least the shown columns are, because that much was given to them at the end. */
function cutAway(all: readonly FittedColumn[], widths: ReadonlyMap<string, number>): number {
  return all.reduce((sum, { title, width, rank, least = width }) => {
    const shown = widths.get(title);
    return shown === undefined || rank === undefined ? sum : sum - (shown - Math.min(width, least));
  }, 0);
}
