// Tries on a real nats-server whether the broker of one requester lets in another one of the same roll.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessLines } from '../../agent/broker/access-lines.ts';
import { type Broker, startBroker } from '../../agent/broker/broker.ts';
import { guardLines, loadBrokerAccess, loadOwnNatsAccess } from '../../agent/broker/broker-access.ts';
import { knownConfigLines } from '../../agent/broker/broker-files.ts';
import { ownNatsOptions } from '../../agent/roles/connect-own-nats.ts';
import { collectSharedKeys, takeSharedKeys } from '../../agent/roles/share-keys.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { connectTo } from '../support/connections.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { localBroker } from '../support/local-broker.ts';

let root: string;
let broker: Broker;
let second: Connection;
/** The folder of the second requester, which has the shared keys. */
let secondFolder: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'muster-several-'));
  const firstFolder = join(root, 'first', 'requester');
  secondFolder = join(root, 'second');
  for (const folder of [firstFolder, secondFolder]) await mkdir(folder, { recursive: true });
  const keys = await collectSharedKeys(join(root, 'first'), defaultSettings());
  const { login } = await takeSharedKeys(secondFolder, keys);
  const access = await loadOwnNatsAccess(firstFolder);
  broker = await startBroker({
    ...localBroker,
    folder: join(root, 'broker'),
    access: { ...access, others: [login] },
    several: guardLines(access),
  });
  const { requester: key } = await loadBrokerAccess(secondFolder);
  second = connectTo(broker.url, { credentials: () => ({ key }) });
});

after(async () => {
  await second?.close(0);
  await broker?.stop(0);
  await rm(root, { recursive: true, force: true });
});

test('it may do everything, and finds that the broker asks the requesters, safely', async () => {
  await second.connected();
  const settings = defaultSettings();
  const nats = { ...settings.nats, servers: [broker.url] };
  const own = await loadOwnNatsAccess(secondFolder);
  const { trial } = ownNatsOptions(own, { ...settings, nats }, second);
  assert.equal(await trial.run(), 'keys');
});

test('a fault report keeps each line for several requesters', async () => {
  const access = await loadOwnNatsAccess(secondFolder);
  const text = accessLines({ ...access, others: [access.bystander.publicKey] }, guardLines(access)).join(
    '\n',
  );
  assert.equal(knownConfigLines(text), text);
});
