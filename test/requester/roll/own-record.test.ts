// Tests the rule for the requester's own record.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ownRecord } from '../../../agent/requester/roll/own-record.ts';
import { at, record, requesterNode } from '../samples.ts';
import { storedRecords } from './stored-records.ts';

describe("the requester's own record", () => {
  const info = requesterNode('node-1');

  test('is written as APPROVED at the first start, after a deletion, and over a record that cannot be read', () => {
    for (const from of [storedRecords.absent, storedRecords.deleted, storedRecords.unreadable]) {
      const made = ownRecord(from, info, at);
      assert.equal(made?.write.Membership, 'APPROVED');
      assert.deepEqual(made?.change, {
        Kind: 'registered',
        Revision: 0,
        At: at,
        Previous: '',
        Current: 'APPROVED',
        Actor: 'node-1',
      });
    }
  });

  test('is written again only when the information changed', () => {
    assert.equal(ownRecord(storedRecords.requester, info, at), undefined);
    const moved = ownRecord(storedRecords.requester, { ...info, Hostname: 'elsewhere' }, at);
    assert.equal(moved?.write.Info.Hostname, 'elsewhere');
    assert.equal(moved?.change.Kind, 'updated');
  });

  test('is approved again when a Bacalhau operator rejected it', () => {
    const rejected = record('node-1', 'REJECTED', { Info: info });
    const healed = ownRecord({ kind: 'record', revision: 2, state: rejected }, info, at);
    assert.equal(healed?.write.Membership, 'APPROVED');
    assert.deepEqual([healed?.change.Kind, healed?.change.Previous], ['approved', 'REJECTED']);
  });

  test('is refused under the id of a compute node', () => {
    assert.throws(() => ownRecord(storedRecords.PENDING, info, at), { code: 'conflict' });
  });
});
