// The private parts of the nats package have not changed since agent/transport/nats-internals.ts was written.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { NatsConnectionImpl, setTransportFactory } from '../../agent/transport/nats-internals.ts';

/** The version of nats for which nats-internals.ts, dial.ts and socket.ts were read. */
const readVersion = '2.29.3';

test('package.json names the version of nats whose private parts were read', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  const { nats } = (JSON.parse(text) as { dependencies: { nats: string } }).dependencies;
  assert.equal(
    nats,
    readVersion,
    `package.json names nats ${nats}, but agent/transport/nats-internals.ts uses private parts of nats ${readVersion}. ` +
      'Read NatsConnectionImpl.connect, setTransportFactory, Heartbeat, RequestOne, MsgImpl and the interface Transport of the new version, ' +
      'adapt dial.ts and socket.ts if they changed, and then write the new version into this test.',
  );
});

test('the private parts that agent/transport uses exist', () => {
  assert.equal(typeof NatsConnectionImpl.connect, 'function');
  assert.equal(typeof setTransportFactory, 'function');
});
