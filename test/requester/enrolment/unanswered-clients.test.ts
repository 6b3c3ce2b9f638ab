// A client whose question nobody heard comes again at once, on a real broker, and one that is let in stays.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBroker } from '../../../agent/broker/broker.ts';
import { loadBrokerAccess } from '../../../agent/broker/broker-access.ts';
import { listWaiting } from '../../../agent/requester/enrolment/broker-clients.ts';
import { endUnansweredClients } from '../../../agent/requester/enrolment/unanswered-clients.ts';
import { systemClock } from '../../../agent/system/clock.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import { connectTo, stateOf } from '../../support/connections.ts';
import { eventually } from '../../support/eventually.ts';
import { localBroker } from '../../support/local-broker.ts';

test('a client whose question nobody heard is sent away at once, and the requester stays', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-unanswered-'));
  t.after(() => rm(folder, { recursive: true }));
  const broker = await startBroker({
    ...localBroker,
    folder: join(folder, 'broker'),
    access: await loadBrokerAccess(folder),
  });
  t.after(() => broker.stop(0));
  const key = keyPairOf(randomBytes(32), 'node');
  const node = connectTo(broker.url, {
    name: 'node-1 instance=one',
    credentials: () => ({ key }),
    connectTimeoutMs: 15_000,
  });
  const requester = connectTo(broker.url, { credentials: () => broker.credentials });
  await requester.connected();
  await eventually('the node asks', async () => (await listWaiting(requester)).length === 1);
  const ending = endUnansweredClients({ connection: requester, clock: systemClock, log: silentLog });
  // The broker itself would have refused the key after ten seconds.
  const { fault, reason } = await stateOf(node, 'disconnected');
  assert.equal(fault, 'unreachable', reason);
  assert.equal(requester.state.kind, 'connected');
  ending.unsubscribe();
});
