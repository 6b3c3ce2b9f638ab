// Checks which credentials `muster doctor` uses for the broker when systemd gives them to the service.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findBrokerAccess } from '../../../agent/doctor/checks/broker-access.ts';
import { defaultSettings } from '../../support/default-settings.ts';
import { newFolder } from '../../support/temporary.ts';

test('the copies of a running service are used, else the files of the operator, else nothing', async () => {
  const folder = await newFolder();
  const secrets = { copied: join(folder, 'run'), stored: join(folder, 'etc') };
  const token = async () => {
    const access = await findBrokerAccess('agent', defaultSettings(), () => folder, secrets);
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
