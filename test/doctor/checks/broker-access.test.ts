// Checks which credentials `muster doctor` uses for the broker when systemd gives them to the service.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadOwnNatsAccess } from '../../../agent/broker/broker-access.ts';
import { writeClusterFile } from '../../../agent/compute/registration/cluster-file.ts';
import { loadIdentity } from '../../../agent/compute/registration/identity.ts';
import type { Settings } from '../../../agent/config/settings.ts';
import { findBrokerAccess } from '../../../agent/doctor/checks/broker-access.ts';
import { readConnectionName } from '../../../agent/protocol/connection-name.ts';
import { readSignedToken } from '../../../agent/protocol/signed-token.ts';
import { defaultSettings } from '../../support/default-settings.ts';
import { newFolder } from '../../support/temporary.ts';

test('the copies of a running service are used, else the files of the operator, else nothing', async () => {
  const folder = await newFolder();
  const secrets = { copied: join(folder, 'run'), stored: join(folder, 'etc') };
  const token = async () => {
    const access = await findBrokerAccess('agent', defaultSettings(), () => folder, { secrets });
    return access?.credentials.token;
  };
  assert.equal(await token(), undefined);
  await mkdir(secrets.stored);
  await writeFile(join(secrets.stored, 'muster-requester.nats.token'), 'of-the-other-role');
  assert.equal(await token(), undefined);
  await writeFile(join(secrets.stored, 'muster-agent.nats.token'), 'kept-for-the-agent\n');
  assert.equal(await token(), 'kept-for-the-agent');
  await mkdir(join(secrets.copied, 'muster-agent.service'), { recursive: true });
  await writeFile(join(secrets.copied, 'muster-agent.service', 'nats.token'), 'handed-over-to-it');
  assert.equal(await token(), 'handed-over-to-it');
});

test('an agent that joined by a code uses the brokers and the pins of the code, unless the settings say otherwise', async () => {
  const folder = await newFolder();
  const known = { cluster: 'c-1', servers: ['tls://broker.example:4222'], pins: ['p'], cas: ['a CA'] };
  await writeClusterFile(folder, known);
  const access = async (change: (settings: Settings) => Settings = settings => settings) =>
    await findBrokerAccess('agent', change(defaultSettings()), () => folder, {
      secrets: { copied: folder, stored: folder },
    });
  const { servers, tls } = (await access()) ?? {};
  assert.deepEqual([servers, tls?.pins, tls?.cas], [known.servers, ['p'], ['a CA']]);
  const own = await access(settings => ({
    ...settings,
    nats: {
      ...settings.nats,
      servers: ['tls://other.example:4222'],
      tls: { ...settings.nats.tls, caFile: '/ca' },
    },
  }));
  assert.deepEqual([own?.servers, own?.tls?.pins], [['tls://other.example:4222'], undefined]);
});

test('an agent that has a key checks in its own name, so that the requester lets the check in beside the agent', async () => {
  const folder = await newFolder();
  const secrets = { copied: folder, stored: folder };
  const settings = defaultSettings();
  const access = async (node: Settings['node'], nats = settings.nats) =>
    await findBrokerAccess('agent', { ...settings, node, nats }, () => folder, { secrets });
  const named = { ...settings.node, id: 'node-1' };
  assert.equal((await access(named))?.node, undefined, 'there is no key yet');
  const { publicKey } = await loadIdentity(folder);
  assert.equal((await access(settings.node))?.node, undefined, 'there is no id yet');
  const { name = '', key } = (await access(named))?.node ?? {};
  assert.deepEqual(
    [readConnectionName(name)?.node, readConnectionName(name)?.intent, key],
    ['node-1', 'check', publicKey],
  );
  assert.equal((await access(named, { ...settings.nats, token: 'a-token' }))?.node, undefined);
});

test('a requester on a NATS of its own shows its key, because the servers ask it about every other one', async () => {
  const folder = await newFolder();
  const settings = defaultSettings();
  const nats = { ...settings.nats, servers: ['nats://broker.example:4222'] };
  const keyOf = async () =>
    (
      await findBrokerAccess('requester', { ...settings, nats }, () => folder, {
        secrets: { copied: folder, stored: folder },
      })
    )?.credentials.key?.publicKey;
  assert.equal(await keyOf(), undefined, 'it never ran');
  const { requester } = await loadOwnNatsAccess(folder);
  assert.equal(await keyOf(), requester.publicKey);
});

test('a requester on a NATS with an operator also shows a token for the account of the nodes', async () => {
  const folder = await newFolder();
  const settings = defaultSettings();
  const [muster, listen, listenLive] = ['AM', 'AL', 'AV'];
  const accounts = { ...settings.nats.accounts, muster, listen, listenLive };
  const nats = { ...settings.nats, servers: ['nats://broker.example:4222'], accounts };
  const { requester, issuer } = await loadOwnNatsAccess(folder);
  const access = await findBrokerAccess('requester', { ...settings, nats }, () => folder, {
    secrets: { copied: folder, stored: folder },
  });
  const { issuer: signer, claims } = readSignedToken(access?.credentials.keyToken ?? '', 'account');
  const { sub, nats: rights } = claims as { sub: string; nats: { issuer_account: string } };
  assert.deepEqual([signer, sub, rights.issuer_account], [issuer.publicKey, requester.publicKey, 'AM']);
});
