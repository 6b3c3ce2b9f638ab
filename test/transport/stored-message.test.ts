// What a broker answers about its streams is checked before it is used: a broken answer is one error, of the usual kind.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Msg } from 'nats';
import { readStreamInfo, type StorageConnection } from '../../agent/transport/jetstream.ts';
import { BrokerError } from '../../agent/transport/port.ts';
import { parsePosition } from '../../agent/transport/received-message.ts';
import { readStoredMessage } from '../../agent/transport/stored-message.ts';

const answering = (answer: unknown): StorageConnection => ({
  storeTimeoutMs: 1_000,
  isClustered: false,
  link: undefined,
  closed: false,
  onLink: () => ({ unsubscribe: () => undefined }),
  requestRaw: async () => ({ data: Buffer.from(JSON.stringify(answer)) }) as unknown as Msg,
  hurry: () => undefined,
});

describe('a stored message', () => {
  const message = { subject: 'a.b', seq: 7, data: 'e30=', time: '2026-01-01T00:00:00Z' };
  const read = (changed: unknown) => readStoredMessage(answering({ message: changed }), 'S', { seq: 7 });

  test('is read with its headers', async () => {
    const hdrs = Buffer.from('NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n').toString('base64');
    const stored = await read({ ...message, hdrs });
    assert.deepEqual(
      [stored?.sequence, String(stored?.data), stored?.headers?.get('Nats-Msg-Id')],
      [7, '{}', 'x'],
    );
  });

  test('without a number, a time or a content, or with broken headers, is an error of the broker', async () => {
    const broken = [
      undefined,
      null,
      { ...message, seq: 1.5 },
      { ...message, seq: -1 },
      { ...message, time: 'today' },
      { ...message, data: {} },
      { ...message, hdrs: Buffer.from('NATS/1.0\r\na: b\rc\r\n\r\n').toString('base64') },
    ];
    for (const each of broken) await assert.rejects(read(each), BrokerError, JSON.stringify(each));
  });
});

test('a stream whose figures are no numbers is an error of the broker', async () => {
  const stream = {
    config: {},
    created: '2026-01-01T00:00:00Z',
    state: { messages: 3, bytes: 9, last_seq: 3 },
  };
  const { state } = stream;
  assert.deepEqual((await readStreamInfo(answering(stream), 'S'))?.state, state);
  for (const changed of [
    { ...state, bytes: {} },
    { ...state, last_seq: -1 },
    { ...state, messages: '3' },
    null,
  ])
    await assert.rejects(readStreamInfo(answering({ ...stream, state: changed }), 'S'), BrokerError);
});

/** Reads a subject that has other bytes before and behind it. */
const placeIn = (subject: string) => {
  const bytes = Buffer.from(`1.${subject}.1`);
  return parsePosition(bytes, 2, bytes.length - 2);
};

test('a subject that tells no place in a stream has none', () => {
  const reply = '$JS.ACK.S.c.1.12.3.1700000000000000000.4';
  assert.deepEqual(placeIn(reply), {
    sequence: 12,
    order: 3,
    pending: 4,
    timeMs: 1_700_000_000_000,
  });
  for (const text of [
    '',
    'a',
    reply.replace('.12.', '.x.'),
    reply.replace('.3.', '.x.'),
    reply.replace('.4', '.x'),
    reply.replace('17', 'x7'),
  ])
    assert.equal(placeIn(text), undefined, text);
});

test('the place in a stream is read as by splitting the subject', () => {
  const field = fc.constantFrom(
    '',
    '0',
    '7',
    '12',
    '1700000000123456',
    '1700000000000',
    'x',
    '1x',
    'S',
    '$JS',
  );
  const usual = fc.tuple(
    ...Array.from({ length: 5 }, () => fc.integer({ min: 1, max: 2 ** 50 }).map(String)),
  );
  const subjects = fc.oneof(
    fc.array(field, { maxLength: 13 }),
    usual.map(numbers => ['$JS', 'ACK', 'S', 'c', ...numbers]),
    usual.map(numbers => ['$JS', 'ACK', '_', 'h', 'S', 'c', ...numbers, 'x']),
  );
  const number = (text = '') => (/^\d+$/.test(text) ? Number(text) : Number.NaN);
  fc.assert(
    fc.property(subjects, fields => {
      const first = fields.length === 9 ? 5 : 7;
      const [sequence, order, time = '', pending] = fields.slice(first, first + 4);
      const expected = {
        sequence: number(sequence),
        order: number(order),
        timeMs: number(time.slice(0, -6)),
        pending: number(pending),
      };
      const isPlace = fields.length >= 9 && !Object.values(expected).some(Number.isNaN);
      assert.deepEqual(placeIn(fields.join('.')), isPlace ? expected : undefined, fields.join('.'));
    }),
    { numRuns: 2_000 },
  );
});
