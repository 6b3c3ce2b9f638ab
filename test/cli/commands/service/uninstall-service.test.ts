// Carries out `muster service uninstall` in a folder that stands for the machine, with a systemctl that records its calls.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { roles } from '../../../../agent/config/role.ts';
import { holdFolder } from '../../../../agent/system/role-socket.ts';
import { bareMachine, listing, units, usedBy } from './bare-machine.ts';

test('uninstall keeps configuration and state, and has nothing to do a second time', async () => {
  const { install, uninstall, at, fake, output } = await bareMachine();
  await install('agent');
  await usedBy(at(''), 'agent');
  await fake.calls();
  await uninstall('agent');
  assert.deepEqual(await fake.calls(), ['disable --now muster-agent.service', 'daemon-reload']);
  assert.deepEqual(await readdir(at(units)), []);
  assert.match(
    output.printed,
    /these stay, and --purge removes them: \/etc\/muster\/config\.yaml, \/var\/lib\/muster\/agent/,
  );
  assert.equal(await readFile(at('/var/lib/muster/agent/identity.nk'), 'utf8'), 'secret');
  await uninstall('agent');
  assert.match(output.printed, /Nothing to do: muster-agent\.service is not installed\.\n$/);
});

test('a purge leaves the machine as it was before', async () => {
  const { install, uninstall, at } = await bareMachine();
  const bare = await listing(at(''));
  await install('agent');
  await usedBy(at(''), 'agent');
  await mkdir(at(`${units}/muster-agent.service.d`));
  await writeFile(at(`${units}/muster-agent.service.d/override.conf`), '[Service]\n');
  await uninstall('agent', { purge: true });
  assert.deepEqual(await listing(at('')), bare);
});

test('a purge ignores the unit of an unused role that a package installed', async () => {
  const { install, uninstall, status, at, output } = await bareMachine();
  const folder = '/usr/lib/systemd/system';
  await mkdir(at(folder), { recursive: true });
  for (const role of roles) await writeFile(at(`${folder}/muster-${role}.service`), '');
  const bare = await listing(at(''));
  assert.equal(await status('text'), 1, 'neither runs');
  await install('agent');
  await usedBy(at(''), 'agent');
  assert.equal(await status('text'), 0);
  await install('requester');
  await uninstall('agent', { purge: true });
  assert.match(output.printed, /config\.yaml stays: the other role is installed/);
  await uninstall('requester');
  await install('agent');
  await usedBy(at(''), 'agent');
  await uninstall('agent', { purge: true });
  assert.doesNotMatch(output.printed, /the other role/);
  await rm(at('/etc/muster'), { recursive: true });
  assert.deepEqual(await listing(at('')), bare);
});

test('a purge keeps the state in a folder that the operator chose, and says so', async () => {
  const { install, uninstall, output, at } = await bareMachine();
  await install('agent');
  await writeFile(at('/etc/muster/config.yaml'), 'dataDir: /srv/muster\n');
  await uninstall('agent', { purge: true });
  assert.match(output.printed, /^the state in \/srv\/muster stays: the setting dataDir names that folder$/m);
});

test('a purge after an uninstallation removes what the uninstallation kept', async () => {
  const { install, uninstall, at } = await bareMachine();
  const bare = await listing(at(''));
  await install('requester');
  await usedBy(at(''), 'requester', 'broker');
  const unit = at(`${units}/muster-requester.service`);
  await writeFile(unit, `${await readFile(unit, 'utf8')}# mine\n`);
  await uninstall('requester');
  assert.deepEqual(await readdir(at(units)), ['muster-requester.service.saved']);
  await install('requester');
  await writeFile(unit, `${await readFile(unit, 'utf8')}# mine again\n`);
  await uninstall('requester');
  const both = ['muster-requester.service.saved', 'muster-requester.service.saved.1'];
  assert.deepEqual(await readdir(at(units)), both);
  await uninstall('requester', { purge: true });
  assert.deepEqual(await listing(at('')), bare);
});

test('a purge of one role keeps the other, and a purge of both leaves nothing', async () => {
  const { install, uninstall, at, fake } = await bareMachine();
  const bare = await listing(at(''));
  await install('requester');
  await usedBy(at(''), 'requester', 'broker');
  const other = await listing(at(''));
  await install('agent');
  await usedBy(at(''), 'agent');
  await fake.calls();
  await uninstall('agent', { purge: true });
  assert.deepEqual(await fake.calls(), ['disable --now muster-agent.service', 'daemon-reload']);
  assert.deepEqual(await listing(at('')), other);
  await uninstall('requester', { purge: true });
  assert.deepEqual(await listing(at('')), bare);
});

test('the state of a running process is not purged', async t => {
  const { install, uninstall, at } = await bareMachine();
  await install('agent', { start: false });
  await usedBy(at(''), 'agent');
  const holder = await holdFolder(at('/var/lib/muster/agent'), () => ({ pid: 77 }), String);
  t.after(() => holder.close());
  await assert.rejects(uninstall('agent', { purge: true }), {
    code: 'in_use',
    message: /^process 77 runs the agent/,
  });
  assert.equal(await readFile(at('/var/lib/muster/agent/identity.nk'), 'utf8'), 'secret');
});
