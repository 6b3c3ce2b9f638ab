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

test('an answer of which only a part came is none, so whatever was asked for is asked again', async t => {
  const cut = new ReadableStream({
    start: controller => {
      controller.enqueue(new TextEncoder().encode('{}'));
      controller.error(new TypeError('the connection was lost'));
    },
  });
  const answers = [
    new Response('{"Nodes":['),
    new Response(cut),
    new Response(''),
    new Response('{', { status: 409 }),
  ];
  t.mock.method(globalThis, 'fetch', async () => answers.shift());
  for (const part of ['half', 'all, but not the end', 'nothing'])
    await assert.rejects(
      ask('/a'),
      { status: 0, message: 'the answer of the requester cannot be read' },
      part,
    );
  await assert.rejects(ask('/b'), { status: 409, message: 'the requester answers 409' });
});
