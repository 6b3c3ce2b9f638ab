// The table of records counts and lists what it holds, for any sequence of changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecordTable } from '../../../agent/requester/roll/record-table.ts';
import type { StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { record } from '../samples.ts';

const ids = ['n-1', 'n-2', 'n-3'];
const step = fc.record({
  id: fc.constantFrom(...ids),
  kind: fc.constantFrom('record', 'pending', 'deleted', 'absent', 'unreadable', 'remove', 'forget'),
  revision: fc.integer({ min: 1, max: 9 }),
});

test('what the table counts and who is gone is what a look at all entries finds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const table = new RecordTable();
      for (const { id, kind, revision } of steps) {
        if (kind === 'remove') table.delete(id);
        else if (kind === 'forget') table.forgetRevision(id);
        else if (kind === 'record' || kind === 'pending')
          table.set(id, {
            kind: 'record',
            revision,
            state: record(id, kind === 'pending' ? 'PENDING' : 'APPROVED'),
          });
        else table.set(id, { kind, revision });
        const all = [...table.entries()];
        const ofKind = (wanted: StoredRecord['kind']) => all.filter(([, stored]) => stored.kind === wanted);
        assert.deepEqual([...table.gone()].sort(), ofKind('deleted').sort());
        assert.equal(table.size, ofKind('record').length);
        assert.equal(table.unreadable, ofKind('unreadable').length);
        assert.equal(table.written, all.filter(([, stored]) => stored.revision > 0).length);
        assert.equal(table.pending, [...table.list()].filter(each => each.Membership === 'PENDING').length);
      }
    }),
  );
});
