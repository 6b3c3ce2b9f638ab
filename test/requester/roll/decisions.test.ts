// Tests the rules for an operator's decisions, case by case.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Membership } from '../../../agent/protocol/node-state.ts';
import {
  approveNode,
  deleteNode,
  maxReasonLength,
  rejectNode,
} from '../../../agent/requester/roll/decisions.ts';
import { at } from '../samples.ts';
import { type From, storedRecords } from './stored-records.ts';

describe('a decision', () => {
  const rows: [From, 'approve' | 'reject', Membership | 'not_found' | 'conflict' | 'bad_state'][] = [
    ['absent', 'approve', 'not_found'],
    ['absent', 'reject', 'not_found'],
    ['deleted', 'approve', 'not_found'],
    ['deleted', 'reject', 'not_found'],
    ['none', 'approve', 'APPROVED'],
    ['none', 'reject', 'REJECTED'],
    ['PENDING', 'approve', 'APPROVED'],
    ['PENDING', 'reject', 'REJECTED'],
    ['APPROVED', 'approve', 'conflict'],
    ['APPROVED', 'reject', 'REJECTED'],
    ['REJECTED', 'approve', 'APPROVED'],
    ['REJECTED', 'reject', 'conflict'],
    ['requester', 'approve', 'conflict'],
    ['requester', 'reject', 'conflict'],
    ['unreadable', 'approve', 'bad_state'],
    ['unreadable', 'reject', 'bad_state'],
  ];
  for (const [from, action, to] of rows) {
    test(`to ${action} a node that is ${from}: ${to}`, () => {
      const rule = action === 'approve' ? approveNode : rejectNode;
      const decide = () => rule(storedRecords[from], 'node-1', { reason: 'because', actor: 'ann' }, at);
      if (to === 'not_found' || to === 'conflict' || to === 'bad_state') {
        return assert.throws(decide, { name: 'MusterError', code: to });
      }
      const { write, change } = decide();
      const before = storedRecords[from];
      assert.ok(before.kind === 'record');
      const Decision = { Action: action, Reason: 'because', Actor: 'ann', At: at };
      assert.deepEqual(write, {
        ...before.state,
        Membership: to,
        Muster: { ...before.state.Muster, Decision },
      });
      assert.deepEqual(change, {
        Kind: to === 'APPROVED' ? 'approved' : 'rejected',
        Revision: 0,
        At: at,
        Previous: before.state.Membership,
        Current: to,
        Reason: 'because',
        Actor: 'ann',
      });
    });
  }

  const deletions: [From, 'gone' | 'not_found' | 'conflict'][] = [
    ['absent', 'not_found'],
    ['deleted', 'not_found'],
    ['none', 'gone'],
    ['PENDING', 'gone'],
    ['APPROVED', 'gone'],
    ['REJECTED', 'gone'],
    ['requester', 'conflict'],
    ['unreadable', 'gone'],
  ];
  for (const [from, to] of deletions) {
    test(`to delete a node that is ${from}: ${to}`, () => {
      const decide = () => deleteNode(storedRecords[from], 'node-1', { reason: 'old', actor: 'ann' }, at);
      if (to !== 'gone') return assert.throws(decide, { name: 'MusterError', code: to });
      const before = storedRecords[from];
      const { write, change } = decide();
      assert.equal(write, 'deleted');
      assert.deepEqual(change, {
        Kind: 'deleted',
        Revision: 0,
        At: at,
        Previous: before.kind === 'record' ? before.state.Membership : '',
        Current: '',
        Reason: 'old',
        Actor: 'ann',
      });
    });
  }

  test('that is not allowed says why', () => {
    const decision = { reason: '', actor: 'ann' };
    assert.throws(() => approveNode(storedRecords.absent, 'node-7', decision, at), {
      message: 'node not found: node-7',
    });
    assert.throws(() => approveNode(storedRecords.APPROVED, 'node-1', decision, at), {
      message: 'node node-1 already approved',
    });
    assert.throws(() => rejectNode(storedRecords.requester, 'node-0', decision, at), {
      message: 'node node-0 is a requester: it cannot be rejected',
    });
  });

  test('with a reason that is too long is refused', () => {
    const withReason = (length: number) =>
      rejectNode(storedRecords.PENDING, 'n', { reason: 'x'.repeat(length), actor: 'a' }, at);
    assert.equal(withReason(maxReasonLength).write?.Muster?.Decision?.Reason.length, maxReasonLength);
    assert.throws(() => withReason(maxReasonLength + 1), { code: 'usage' });
    assert.throws(
      () =>
        deleteNode(storedRecords.PENDING, 'n', { reason: 'x'.repeat(maxReasonLength + 1), actor: 'a' }, at),
      { code: 'usage' },
    );
  });
});
