// Events are read as they come, cut anywhere, and nothing that is wrong with one keeps the others away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventTexts } from '../../../agent/protocol/event-texts.ts';
import { linesOf } from '../../../agent/web/events/event-lines.ts';
import { readEventLine } from '../../../agent/web/events/page-event.ts';

const event = {
  specversion: '1.0',
  id: 'n-1:abc:7',
  source: '/muster/c/node-0',
  type: 'org.muster.node.rejected',
  subject: 'n-1',
  time: '2026-11-29T08:00:00Z',
  cursor: 'c7',
  data: {
    node: 'n-1',
    previous: { membership: 'PENDING' },
    current: { membership: 'REJECTED' },
    reason: 'too old',
    actor: 'ada',
  },
};

test('an event is told in the words of the command', () => {
  const read = readEventLine(JSON.stringify(event));
  assert.ok(read);
  assert.deepEqual([read.subject, read.cursor, read.time], ['n-1', 'c7', event.time]);
  assert.deepEqual(eventTexts(read), {
    kind: 'rejected',
    change: 'PENDING -> REJECTED',
    details: ['"too old"', 'by ada'],
  });
});

test('a line without an event has none', () => {
  for (const line of ['', '7', 'null', '[]', '{', '{"type":1}', '{"type":"a","subject":"b","time":"soon"}'])
    assert.equal(readEventLine(line), undefined, line);
});

test('whatever stands in the members of an event, it can be told', () => {
  const anything = fc.oneof(fc.jsonValue(), fc.string(), fc.constant({ until: 'never', type: 7, a: null }));
  const members = [
    'previous',
    'current',
    'reason',
    'actor',
    'evidence',
    'cordon',
    'labels',
    'condition',
    'coalesced',
  ];
  const data = fc.record(Object.fromEntries(members.map(name => [name, anything])), { requiredKeys: [] });
  fc.assert(
    fc.property(fc.oneof(data, anything), said => {
      const read = readEventLine(JSON.stringify({ ...event, data: said }));
      assert.ok(read);
      const { kind, change, details } = eventTexts(read);
      for (const text of [kind, change, ...details]) assert.equal(typeof text, 'string');
    }),
  );
});

test('lines come whole, wherever the stream is cut', async () => {
  const text = `${JSON.stringify(event)}\n\n${JSON.stringify({ ...event, subject: 'ü-2' })}\n`;
  const bytes = new TextEncoder().encode(text);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 90 })), async sizes => {
      const lines = await Array.fromAsync(linesOf(streamOf(bytes, sizes)));
      assert.deepEqual(
        lines.map(line => readEventLine(line)?.subject),
        ['n-1', 'ü-2'],
      );
    }),
  );
});

test('a line without an end is given up', async () => {
  const endless = new ReadableStream<Uint8Array>({
    pull: controller => controller.enqueue(new Uint8Array(65_536).fill(97)),
  });
  await assert.rejects(Array.fromAsync(linesOf(endless)), RangeError);
});

function streamOf(bytes: Uint8Array, sizes: number[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: controller => {
      let at = 0;
      for (const size of sizes) {
        if (at < bytes.length) controller.enqueue(bytes.slice(at, at + size));
        at += size;
      }
      if (at < bytes.length) controller.enqueue(bytes.slice(at));
      controller.close();
    },
  });
}

test('no reason turns around what stands beside it', () => {
  const read = readEventLine(JSON.stringify({ ...event, data: { ...event.data, reason: 'a\u202eb' } }));
  assert.equal(read?.data.reason, 'a\ufffdb');
});
