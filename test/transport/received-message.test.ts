// The headers of a stored message are left unread when they only told the broker what to expect, and read in every other case.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { connect, headers, type Msg } from 'nats';
import { ReceivedMessage } from '../../agent/transport/received-message.ts';
import { startNatsServer } from '../support/nats-server.ts';

const server = await startNatsServer({ jetstream: false });
const client = await connect({ servers: server.url });
after(async () => {
  await client.close();
  await server.release();
});

/** Sends a message through a real broker. Returns it as a reader of a stream receives it. */
async function received(
  fields: readonly (readonly [string, string])[],
  data = 'x',
): Promise<ReceivedMessage> {
  const arrived = Promise.withResolvers<Msg>();
  client.subscribe('a', { max: 1, callback: (_, message) => arrived.resolve(message) });
  const sent = headers();
  for (const [name, value] of fields) sent.append(name, value);
  client.publish('a', data, fields.length > 0 ? { headers: sent } : {});
  const message = await arrived.promise;
  return new ReceivedMessage(message, { sequence: 1, timeMs: 0 });
}

const revision = ['Nats-Expected-Last-Subject-Sequence', '17'] as const;
const stream = ['Nats-Expected-Stream', 'KV_node_v1'] as const;

test('headers that only say what to expect are left unread', async () => {
  for (const fields of [[], [revision], [revision, stream], [stream, revision]])
    for (const data of ['', 'x'])
      assert.equal((await received(fields, data)).headers, undefined, JSON.stringify(fields));
});

test('all headers are read when there is one more', async () => {
  const others = [
    ['KV-Operation', 'PURGE'],
    ['KV-Operation', 'DEL'],
    ['Nats-Marker-Reason', 'MaxAge'],
    ['Muster-Change', 'x'],
    ['Nats-Msg-Id', '1'],
    ['Nats-Expected', '1'],
    ['X-Nats-Expected-Stream', '1'],
    ['Nats-Expected-Stream', 'a b'],
  ] as const;
  for (const other of others)
    for (const fields of [
      [other],
      [other, revision, stream],
      [revision, other, stream],
      [revision, stream, other],
    ]) {
      const found = (await received(fields)).headers;
      assert.deepEqual(
        found && [...found].flatMap(([name, values]) => values.map(value => `${name}: ${value}`)).sort(),
        fields.map(([name, value]) => `${name}: ${value}`).sort(),
      );
    }
});
