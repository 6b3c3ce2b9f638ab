// The private parts of the nats package have not changed since agent/transport/nats-internals.ts was written.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { connect, headers } from 'nats';
import {
  headersOfBytes,
  NatsConnectionImpl,
  setTransportFactory,
} from '../../agent/transport/nats-internals.ts';
import { startNatsServer } from '../support/nats-server.ts';

/** The version of nats for which nats-internals.ts, dial.ts and socket.ts were read. */
const readVersion = '2.29.3';

test('package.json names the version of nats whose private parts were read', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  const { nats } = (JSON.parse(text) as { dependencies: { nats: string } }).dependencies;
  assert.equal(
    nats,
    readVersion,
    `package.json names nats ${nats}, but agent/transport/nats-internals.ts uses private parts of nats ${readVersion}. ` +
      'Read NatsConnectionImpl.connect, setTransportFactory, Heartbeat, RequestOne, Parser.parse, MsgImpl, ProtocolHandler.publish, and the interface Transport of the new version, ' +
      'adapt dial.ts and socket.ts if they changed, and then write the new version into this test.',
  );
});

test('the private parts that agent/transport uses exist', () => {
  assert.equal(typeof NatsConnectionImpl.connect, 'function');
  assert.equal(typeof setTransportFactory, 'function');
});

test('texts and headers of every kind and size arrive as they were sent', async () => {
  const server = await startNatsServer({ jetstream: false });
  after(() => server.release());
  const client = await connect({ servers: server.url });
  const texts = [
    '',
    'a',
    'ä€😀',
    'half a character: \ud800',
    ...[100, 40_000, 200_000].map(size => 'é'.repeat(size)),
  ];
  const arrived: { data: Uint8Array; header: string | undefined }[] = [];
  client.subscribe('a', {
    callback: (_, { data, headers }) => void arrived.push({ data, header: headers?.get('B') }),
  });
  for (const text of texts) {
    client.publish('a', text);
    client.publish('a', Buffer.from(text), {
      headers: headersOfBytes(Buffer.from('NATS/1.0\r\nB: c\r\n\r\n')),
    });
    const own = headers();
    own.set('B', 'd');
    client.publish('a', text, { headers: own });
  }
  await client.flush();
  assert.deepEqual(
    arrived.map(({ data, header }) => [Buffer.from(data), header]),
    texts.flatMap(text =>
      [undefined, 'c', 'd'].map(header => [Buffer.from(new TextEncoder().encode(text)), header]),
    ),
  );
  await client.close();
});
