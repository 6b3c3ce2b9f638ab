// Tests on a real nats-server that the accounts of listeners have room for all connections that the listeners may have.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { accessLines } from '../../../agent/broker/access-lines.ts';
import { maxListenerConnections, maxListeners } from '../../../agent/protocol/listener.ts';
import { Callout } from '../../../agent/requester/enrolment/callout.ts';
import { listenerAnswer, shownToken } from '../../../agent/requester/listeners/listener-access.ts';
import { systemClock } from '../../../agent/system/clock.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import { issuerKey } from '../../support/callout-questions.ts';
import { startNatsServer } from '../../support/nats-server.ts';
import { startConnection } from '../../support/open-connection.ts';
import { RawClient } from '../../support/raw-client.ts';

const requester = keyPairOf(new Uint8Array(32).fill(3), 'user');

/** Starts a broker that lets in each client as the listener of the name that is its token, as the requester would. */
async function begin(t: TestContext) {
  const broker = await startNatsServer({ config: accessLines({ requester, issuer: issuerKey }).join('\n') });
  t.after(() => broker.release());
  const connection = startConnection(broker.url, { credentials: () => ({ key: requester }) });
  t.after(() => connection.close(0));
  await connection.connected();
  const callout = new Callout({ connection, issuer: issuerKey, clock: systemClock, log: silentLog });
  t.after(() => callout.stop());
  callout.begin(async question => {
    const { token, use } = shownToken(question);
    const durable = `listener-${token}-${'0'.repeat(24)}`;
    return listenerAnswer(token, { durable }, use, { publish: [], subscribe: [] }, systemClock.now());
  });
  const clients: RawClient[] = [];
  t.after(() => clients.forEach(client => void client.close()));
  const open = async (token: string) => {
    const client = await RawClient.dial(broker.port);
    clients.push(client);
    client.connect({ token });
    return { client, isLetIn: await client.isLetIn() };
  };
  return { open };
}

test('the last listener gets in when all others have all connections that they may have', async t => {
  const { open } = await begin(t);
  for (let n = 1; n < maxListeners; n++) {
    const others = Array.from({ length: maxListenerConnections }, () => open(`other-${n}`));
    const all = (await Promise.all(others)).every(({ isLetIn }) => isLetIn);
    assert.ok(all, `listener ${n} has all of its connections`);
  }
  const { client, isLetIn } = await open('last');
  assert.ok(isLetIn, client.errors.join());
});
