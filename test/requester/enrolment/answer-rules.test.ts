// Tests where the requester answers a request about a node: nowhere that another client could have chosen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inboxPrefix } from '../../../agent/protocol/subjects.ts';
import { mayAnswer } from '../../../agent/requester/enrolment/answer-rules.ts';

const key = `U${'A'.repeat(55)}`;
const otherInbox = `${inboxPrefix(`U${'B'.repeat(55)}`)}.1`;

test('a request of a node with a key is answered only in the inbox of that key', () => {
  const facts = { isVerified: true, key, isDeleted: false };
  const answered = [`${inboxPrefix(key)}.1`, ''];
  const ignored = [otherInbox, inboxPrefix(key), '_R_.x', '$JS.API.STREAM.DELETE.KV_node_v1'];
  for (const reply of answered) assert.equal(mayAnswer({ ...facts, reply }), true, reply);
  for (const reply of ignored) assert.equal(mayAnswer({ ...facts, reply }), false, reply);
  assert.equal(mayAnswer({ ...facts, key: undefined, reply: '' }), false);
});

test('a sender without a key speaks for no node that has a key or may come back with one', () => {
  const facts = { isVerified: false, key: undefined, isDeleted: false };
  for (const reply of ['_R_.x', '']) {
    assert.equal(mayAnswer({ ...facts, reply }), true, reply);
    assert.equal(mayAnswer({ ...facts, reply, key }), false, reply);
    assert.equal(mayAnswer({ ...facts, reply, isDeleted: true }), false, reply);
  }
  for (const reply of [otherInbox, '_R_']) assert.equal(mayAnswer({ ...facts, reply }), false, reply);
});
