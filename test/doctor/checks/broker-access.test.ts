// The credentials with which muster doctor goes to the broker, where a service has them from systemd.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findBrokerAccess } from '../../../agent/doctor/checks/broker-access.ts';
import { defaultSettings } from '../../support/default-settings.ts';
import { newFolder } from '../../support/temporary.ts';

test('what systemd handed to the service, else what the operator keeps for it, else nothing', async () => {
  const folder = await newFolder();
  const secrets = { handedOver: join(folder, 'run'), kept: join(folder, 'etc') };
  const token = async () => {
    const access = await findBrokerAccess('agent', defaultSettings(), folder, secrets);
    return access?.credentials.token;
  };
  assert.equal(await token(), undefined);
  await mkdir(secrets.kept);
  await writeFile(join(secrets.kept, 'muster-requester.nats.token'), 'of-the-other-role');
  assert.equal(await token(), undefined);
  await writeFile(join(secrets.kept, 'muster-agent.nats.token'), 'kept-for-the-agent\n');
  assert.equal(await token(), 'kept-for-the-agent');
  await mkdir(join(secrets.handedOver, 'muster-agent.service'), { recursive: true });
  await writeFile(join(secrets.handedOver, 'muster-agent.service', 'nats.token'), 'handed-over-to-it');
  assert.equal(await token(), 'handed-over-to-it');
});
