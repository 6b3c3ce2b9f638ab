// Queues of rows keep the order of their rows, whatever was appended and removed meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteRows } from '../../agent/system/byte-rows.ts';
import { noRow, RowQueue } from '../../agent/system/row-queue.ts';

const places = { queue: 1, older: 4, newer: 8 };

function rowsOf(queue: RowQueue): number[] {
  const found: number[] = [];
  for (let row = queue.oldest; row !== noRow; row = queue.newer(row)) found.push(row);
  return found;
}

test('two queues of the same rows are those of a model, for any sequence of changes', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'drop', 'append', 'append', 'append', 'renew', 'renew', 'remove'),
    which: fc.nat(),
    queue: fc.nat(1),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
      const rows = new ByteRows(16);
      const queues = [new RowQueue(rows, places, 1), new RowQueue(rows, places, 2)];
      let model: number[][] = [[], []];
      const all: number[] = [];
      for (const { kind, which, queue } of steps) {
        const row = all[which % Math.max(1, all.length)];
        if (kind === 'add') all.push(rows.add());
        if (row === undefined || kind === 'add') continue;
        if (kind === 'renew') {
          const its = model.findIndex(each => each.includes(row));
          if (its < 0) continue;
          queues[its]?.renew(row);
          model[its] = [...(model[its] ?? []).filter(other => other !== row), row];
        } else if (kind === 'remove') {
          queues[queue]?.remove(row);
          model = model.map((each, index) => (index === queue ? each.filter(other => other !== row) : each));
        } else {
          for (const each of queues) each.remove(row);
          model = model.map(each => each.filter(other => other !== row));
        }
        if (kind === 'append') {
          queues[queue]?.append(row);
          model[queue]?.push(row);
        }
        if (kind === 'drop') {
          all.splice(all.indexOf(row), 1);
          rows.remove(row);
        }
        assert.deepEqual(queues.map(rowsOf), model);
        assert.deepEqual(
          queues.map(each => each.size),
          model.map(each => each.length),
        );
        for (const other of all)
          assert.deepEqual(
            queues.map(each => each.has(other)),
            model.map(each => each.includes(other)),
          );
      }
    }),
  );
});

test('no row is in no queue', () => {
  const queue = new RowQueue(new ByteRows(16), places, 1);
  queue.remove(noRow);
  assert.equal(queue.has(noRow), false);
  assert.equal(queue.oldest, noRow);
});
