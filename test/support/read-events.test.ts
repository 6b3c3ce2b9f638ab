// Tests that the events of a requester that was without its broker are read once it can give them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvents } from './read-events.ts';

test('events are read when a requester refuses first, and breaks off then', async () => {
  const broken = new ReadableStream({
    start: controller => {
      controller.enqueue(new TextEncoder().encode('{"id":"1"}\n'));
      controller.error(new TypeError('terminated'));
    },
  });
  const answers = [
    new Response('{"Status":503,"Message":"no broker"}', { status: 503 }),
    new Response(broken),
    new Response('{"id":"1"}\n{"id":"2"}\n'),
  ];
  assert.deepEqual(await readEvents(async () => answers.shift() ?? assert.fail('asked again')), [
    { id: '1' },
    { id: '2' },
  ]);
});

test('what a requester refuses for good is an error', async () => {
  await assert.rejects(
    readEvents(async () => new Response('no token', { status: 401 })),
    /no events: 401 no token/,
  );
});
