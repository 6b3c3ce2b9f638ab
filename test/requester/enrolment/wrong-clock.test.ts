// A node comes, is deleted and comes back, and each time the clock of the requester in charge says something else.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { joinToken } from '../../../agent/protocol/join-code.ts';
import { newKey } from '../../support/raw-client.ts';
import { computeInfo, sender } from '../samples.ts';
import { begin, nodeName } from './gate.ts';

const dayMs = 86_400_000;

/** A node that came in with a code that approves it, and what may happen to it. */
async function beginWithNode() {
  const { start, outcome, bucket, broker, fixture, requester } = await begin();
  const token = joinToken('abcdefghij', new Uint8Array(16).fill(1));
  const code = { hash: hash('sha256', token, 'base64url'), at: '2000-01-01T00:00:00Z', by: 'ann' };
  const record = { ...code, endsAt: '2100-01-01T00:00:00Z', uses: 9, approve: true, labels: {} };
  await bucket.put('code.abcdefghij', Buffer.from(JSON.stringify(record)), 0);
  await start();
  const key = newKey();
  const come = () => outcome({ key, token, name: nodeName('node-1') }, 1_000);
  const register = async () => {
    const body = JSON.stringify({ Info: computeInfo('node-1'), Muster: sender() });
    broker.inject('node.management.node-1.RegisterNode/v1', body, `_INBOX.${key.publicKey}.1`);
    await fixture.clock.settle();
  };
  const approval = () => requester.directory.get('node-1').Membership;
  const remove = async () => {
    await fixture.finish(requester.directory.delete('node-1', { reason: '', actor: 'bob' }));
    await fixture.clock.settle();
  };
  const isPinned = async () => {
    const entry = await bucket.get('pin.node-1');
    return entry !== undefined && !entry.marker;
  };
  return { clock: fixture.clock, come, register, approval, remove, isPinned };
}

test('a node that a requester let in whose clock was ahead loses its key when another one deletes it', async () => {
  const { clock, come, register, approval, remove, isPinned } = await beginWithNode();
  clock.moveWall(dayMs);
  assert.equal(await come(), 'node');
  clock.moveWall(-dayMs);
  await register();
  assert.equal(approval(), 'APPROVED');
  await remove();
  assert.equal(await isPinned(), false);
});

test('a node that a requester deleted whose clock was ahead comes back at another one as a new node does', async () => {
  const { clock, come, register, approval, remove } = await beginWithNode();
  assert.equal(await come(), 'node');
  await register();
  clock.moveWall(dayMs);
  await remove();
  clock.moveWall(-dayMs);
  assert.equal(await come(), 'node');
  await register();
  assert.equal(approval(), 'APPROVED', 'its code approves it');
});
