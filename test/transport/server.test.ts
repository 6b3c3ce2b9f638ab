// Reads the addresses of brokers, and refuses other texts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServers } from '../../agent/transport/server.ts';

test('addresses are read with and without scheme and port', () => {
  const cases: [string, string, number, boolean, string][] = [
    ['nats://127.0.0.1:4333', '127.0.0.1', 4333, false, 'nats://127.0.0.1:4333'],
    ['nats://broker.example', 'broker.example', 4222, false, 'nats://broker.example:4222'],
    ['broker:80', 'broker', 80, false, 'nats://broker:80'],
    ['tls://broker.example/', 'broker.example', 4222, true, 'tls://broker.example:4222'],
    [' NATS://Broker:1 ', 'broker', 1, false, 'nats://broker:1'],
    ['nats://[::1]:4333', '::1', 4333, false, 'nats://[::1]:4333'],
    ['[::1]', '::1', 4222, false, 'nats://[::1]:4222'],
  ];
  for (const [url, host, port, tls, label] of cases)
    assert.deepEqual(parseServers([url]), [{ host, port, tls, label }], url);
});

test('a text that is not an address is refused and named', () => {
  for (const url of [
    '',
    'http://a:1',
    'nats://',
    'nats://a:b',
    'nats://a/b',
    'a:99999',
    'ws://a',
    'nats://a?x=1',
    '::1',
  ])
    assert.throws(
      () => parseServers([url]),
      { code: 'bad_config', message: /nats\.servers: .*is not nats:/ },
      url,
    );
  assert.throws(() => parseServers([]), { code: 'bad_config', message: /nats\.servers is empty/ });
});

test('a URL with credentials is refused without repeating them', () => {
  for (const url of ['nats://s3cret@host:4222', 'nats://user:s3cret@host', 's3cret@host'])
    assert.throws(
      () => parseServers([url]),
      (error: Error) => /credentials in it/.test(error.message) && !error.message.includes('s3cret'),
    );
});
