// Which program may do the work of a node with the node's key.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import type { LiveConnection } from '../../../agent/requester/enrolment/live-connection.ts';
import { refuseWork } from '../../../agent/requester/enrolment/work-rules.ts';

const key = encodePublicKey(Buffer.alloc(32, 1));
const agent: LiveConnection = {
  server: 'S',
  connection: 1,
  node: 'node-1',
  instance: 'one',
  host: '192.0.2.1',
  use: 'agent',
  mark: 'm',
};
const facts = {
  node: 'node-1',
  key,
  host: '192.0.2.1',
  instance: 'worker',
  isGranted: true,
  agent,
  other: undefined,
};

test('a program beside the agent of an approved node may work, and is alone', () => {
  assert.equal(refuseWork(facts), undefined);
  assert.match(refuseWork({ ...facts, isGranted: false })?.reason ?? '', /not approved/);
  assert.match(refuseWork({ ...facts, agent: undefined })?.reason ?? '', /is not connected/);
  const other: LiveConnection = { ...agent, instance: 'other', use: 'work' };
  const refusal = refuseWork({ ...facts, other });
  assert.match(refusal?.reason ?? '', /^another program works for node node-1 already/);
  assert.equal(refusal?.code, 'clone', 'it is shown, because one of them may be a thief');
  // The broker may still have the connection that this very process has lost.
  assert.equal(refuseWork({ ...facts, other: { ...other, instance: 'worker' } })?.code, 'unavailable');
});

test('whoever copied the key to another machine gets no work, and is shown as a copy', () => {
  const refusal = refuseWork({ ...facts, host: '192.0.2.2' });
  assert.equal(refusal?.code, 'clone');
  assert.match(refusal?.reason ?? '', /from 192\.0\.2\.2, and the agent connects from 192\.0\.2\.1/);
});
