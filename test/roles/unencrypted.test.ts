// A role says that its connection to the broker is not encrypted where other machines may be in between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { warnOfUnencrypted } from '../../agent/roles/unencrypted.ts';
import type { ConnectionState } from '../../agent/transport/port.ts';
import { recordLog } from '../support/log-lines.ts';

/** Returns the servers of the warnings about these links, in order. */
function warnings(...links: [server: string, isEncrypted: boolean][]): unknown[] {
  const { log, lines } = recordLog();
  let change: (state: ConnectionState) => void = () => undefined;
  const onState = (fn: typeof change) => {
    change = fn;
    return { unsubscribe: () => undefined };
  };
  warnOfUnencrypted({ onState }, log);
  change({ kind: 'connecting' });
  for (const [server, isEncrypted] of links) {
    change({ kind: 'connected', server, version: '2.12.0', isEncrypted });
    change({ kind: 'disconnected', fault: 'unreachable', reason: 'gone', since: 0 });
  }
  assert.ok(lines.every(({ level, message }) => level === 'warn' && /not encrypted.*tls:\/\//.test(message)));
  return lines.map(({ fields }) => fields.server);
}

test('a link without TLS to another machine is a warning, once for each server', () => {
  const [far, other] = ['nats://far:4222', 'nats://192.0.2.1:4222'];
  assert.deepEqual(warnings([far, false], [other, false], [far, false]), [far, other]);
});

test('a link with TLS is none, whatever its address says, and neither is one on this machine', () => {
  for (const server of ['nats://far:4222', 'tls://far:4222']) assert.deepEqual(warnings([server, true]), []);
  for (const host of ['127.0.0.1', 'localhost', '[::1]'])
    assert.deepEqual(warnings([`nats://${host}:4222`, false]), []);
});
