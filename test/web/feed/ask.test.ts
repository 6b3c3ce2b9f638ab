// What a question is answered is read, and a refusal says what to do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask } from '../../../agent/web/feed/ask.ts';

test('no text of an answer turns around what stands beside it', async t => {
  const answers = [
    new Response(JSON.stringify({ Reason: 'a\u202eb' })),
    new Response(JSON.stringify({ Message: 'no \u2066way', Hint: 'ask' }), { status: 409 }),
    new Response('<html>', { status: 502 }),
  ];
  t.mock.method(globalThis, 'fetch', async () => answers.shift());
  assert.deepEqual(await ask('/a'), { Reason: 'a\ufffdb' });
  await assert.rejects(ask('/b'), { status: 409, message: 'no \ufffdway', hint: 'ask' });
  await assert.rejects(ask('/c'), { status: 502, message: 'the requester answers 502', hint: '' });
});
