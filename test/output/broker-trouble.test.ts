// Tests what a role says of a lost connection to its broker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerTrouble } from '../../agent/output/broker-trouble.ts';
import type { ConnectFault, ConnectionState } from '../../agent/transport/port.ts';

const lost = (fault: ConnectFault): ConnectionState => ({
  kind: 'disconnected',
  fault,
  reason: 'nats://b:4222 says no',
  since: 60_000,
});

test('a lost connection is a trouble, with its time, its reason and a remedy for its fault', () => {
  const away = brokerTrouble(lost('unreachable'), 100_000);
  assert.equal(away?.code, 'broker_away');
  assert.equal(away?.text, 'broker unreachable for 40 s, retrying (nats://b:4222 says no)');
  assert.match(away?.hint ?? '', /^start the broker/);
  const refused = brokerTrouble(lost('unauthorized'), 70_000);
  assert.equal(refused?.code, 'broker_refuses');
  assert.equal(refused?.text, 'no connection to the broker for 10 s, retrying (nats://b:4222 says no)');
  assert.match(refused?.hint ?? '', /nats\.tokenFile/);
  assert.equal(brokerTrouble(lost('tls'), 70_000, 'another hint')?.hint, 'another hint');
});

test('a connection that stands, is being made for the first time, or was closed is no trouble', () => {
  const fine: ConnectionState[] = [
    { kind: 'connecting' },
    { kind: 'connected', server: 'nats://b:4222', version: '2', isEncrypted: true },
    { kind: 'closed' },
  ];
  for (const connection of fine) assert.equal(brokerTrouble(connection, 0), undefined);
});
