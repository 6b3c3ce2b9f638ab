// Tests about which key a decision is, when the record of the node names none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprint } from '../../../agent/protocol/nkey.ts';
import { approveNode } from '../../../agent/requester/roll/decisions.ts';
import { withPinnedKey } from '../../../agent/requester/roll/node-key.ts';
import { at } from '../samples.ts';
import { storedRecords } from './stored-records.ts';

const key = 'NDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUM4A';
const decision = { reason: '', actor: 'ann', fingerprint: fingerprint(key) };

test('a record without a key can be decided by the fingerprint of the pinned key, and has the key then', () => {
  const stored = withPinnedKey(storedRecords.PENDING, key);
  const { write } = approveNode(stored, 'node-1', decision, at);
  assert.deepEqual([write?.Membership, write?.Muster?.PublicKey], ['APPROVED', key]);
});

test('a record keeps the key that it names, and without a pinned key it has none', () => {
  const stored = withPinnedKey(storedRecords.PENDING, key);
  assert.equal(withPinnedKey(stored, 'NOTHER'), stored);
  assert.equal(withPinnedKey(storedRecords.PENDING, undefined), storedRecords.PENDING);
  assert.equal(withPinnedKey(storedRecords.deleted, key), storedRecords.deleted);
});
