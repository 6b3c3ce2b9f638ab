// Tests on a real nats-server what the accounts of the broker let nodes without a key do, and what not.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { accessLines } from '../../agent/broker/access-lines.ts';
import { knownConfigLines } from '../../agent/broker/broker-files.ts';
import { defaultHeartbeatTopic } from '../../agent/protocol/subjects.ts';
import { Callout } from '../../agent/requester/enrolment/callout.ts';
import { admitByToken } from '../../agent/requester/enrolment/token-clients.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { issuerKey } from '../support/callout-questions.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { startConnection } from '../support/open-connection.ts';
import { RawClient } from '../support/raw-client.ts';

const key = keyPairOf(new Uint8Array(32).fill(3), 'user');
const token = 'the-token-of-bacalhau';
const maxConnections = 3;

let broker: NatsServer;
let requester: Connection;
let callout: Callout;
const clients: RawClient[] = [];

before(async () => {
  const unverified = { heartbeatTopic: defaultHeartbeatTopic, maxConnections };
  broker = await startNatsServer({
    config: accessLines({ requester: key, issuer: issuerKey, unverified }).join('\n'),
  });
  requester = await connectAsRequester();
  callout = new Callout({ connection: requester, issuer: issuerKey, clock: systemClock, log: silentLog });
  callout.begin(async question => admitByToken({ unverified: token }, question, defaultHeartbeatTopic));
});

after(async () => {
  for (const client of clients) client.close();
  callout?.stop();
  await requester?.close(0);
  await broker?.release();
});

test('a fault report keeps each line for nodes without a key', () => {
  const unverified = { heartbeatTopic: defaultHeartbeatTopic };
  const text = accessLines({ requester: key, issuer: issuerKey, unverified }).join('\n');
  assert.equal(knownConfigLines(text), text);
});

describe('nodes without a key', () => {
  test('have no more connections than their account allows, and keep nobody else out', async () => {
    const knocking = Array.from({ length: 10 }, async (_, n) => {
      const client = await RawClient.dial(broker.port);
      clients.push(client);
      client.connect({ token, name: `n-${n}` });
      return client.isLetIn();
    });
    const letIn = (await Promise.all(knocking)).filter(isLetIn => isLetIn);
    assert.equal(letIn.length, maxConnections);
    const refused = clients.filter(({ isOpen }) => !isOpen);
    assert.ok(refused.every(({ errors }) => /maximum account active connections/.test(errors.join())));
    const another = await connectAsRequester();
    await another.close(0);
  });

  test('are told that nobody answers when nobody does, by each of their protocols', async () => {
    const [client] = clients.filter(({ isOpen }) => isOpen);
    assert.ok(client);
    client.subscribe('_INBOX.x.*');
    const subjects = [
      'node.management.n-1.RegisterNode/v1',
      'bacalhau.global.compute.n-1.out.ctrl',
      'bacalhau.global.compute.n-1.out.msgs',
    ];
    for (const subject of subjects) client.publish(subject, '{}', '_INBOX.x.1');
    assert.deepEqual(await client.complaints(), []);
    assert.deepEqual(
      client.messages.map(({ data }) => data),
      ['', '', ''],
      'Bacalhau goes on to its other protocol only after this answer',
    );
  });
});

async function connectAsRequester(): Promise<Connection> {
  const connection = startConnection(broker.url, { credentials: () => ({ key }) });
  await connection.connected();
  return connection;
}
