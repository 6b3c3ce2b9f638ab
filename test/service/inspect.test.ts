// Inspects made-up machines: files, links and folders, unreadable files, packages, and running processes.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect, isOutdated } from '../../agent/service/inspect.ts';
import type { ManagerName } from '../../agent/service/scope.ts';
import { servicePathsOf } from '../../agent/service/service-paths.ts';
import { readShow } from '../../agent/service/systemctl.ts';
import type { ServiceTarget } from '../../agent/service/target.ts';
import { findProgram } from '../support/find-program.ts';
import { newFolder } from '../support/temporary.ts';

async function machine(manager: ManagerName): Promise<ServiceTarget> {
  return {
    manager,
    scope: 'system',
    uid: 0,
    owner: { uid: 0, gid: 0, name: 'root:root' },
    root: undefined,
    prefix: await newFolder(),
    managerProgram: undefined,
    systemd: undefined,
    paths: role => servicePathsOf(manager, 'system', role, undefined),
  };
}

/** Writes files below `prefix`, and makes their folders. */
async function put(prefix: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(prefix, path, '..'), { recursive: true });
    await writeFile(prefix + path, text);
  }
}

test('nothing is found on a machine without muster', async () => {
  const bare = await machine('systemd');
  const { files, folders, packaged, otherInstalled, logs, secrets, holder, outdated } = await inspect(
    bare,
    'agent',
  );
  assert.deepEqual([files.size, folders.size, packaged, otherInstalled], [0, 0, undefined, false]);
  assert.deepEqual([logs, secrets, holder, outdated], [[], [], undefined, false]);
});

test('the folder of a restore that was killed is found for the requester only', async () => {
  const here = await machine('systemd');
  const left = '/var/lib/private/muster.restoring';
  await put(here.prefix, { [`${left}/requester.restored/issuer.nk`]: 'key' });
  assert.ok((await inspect(here, 'requester')).folders.has(left));
  assert.ok(!(await inspect(here, 'agent')).folders.has(left));
});

test('files have their text and links their target; no link is followed, and a file that cannot be read says why', async () => {
  const here = await machine('systemd');
  await put(here.prefix, { '/etc/muster/config.yaml': 'a', '/etc/muster/token': 's3cret' });
  await mkdir(join(here.prefix, '/etc/systemd/system/muster-agent.service.d'), { recursive: true });
  await symlink('/dev/null', `${here.prefix}/etc/systemd/system/muster-agent.service`);
  const { files, folders, entries } = await inspect(here, 'agent');
  assert.deepEqual(files.get('/etc/systemd/system/muster-agent.service'), {
    kind: 'link',
    target: '/dev/null',
  });
  assert.deepEqual(files.get('/etc/muster/config.yaml'), { kind: 'text', text: 'a' });
  assert.ok(folders.has('/etc/systemd/system/muster-agent.service.d') && folders.has('/etc/systemd'));
  assert.deepEqual(entries.get('/etc/muster'), ['config.yaml', 'token']);
  const big = await machine('systemd');
  await put(big.prefix, { '/etc/systemd/system/muster-agent.service': 'x'.repeat(2_000_000) });
  const found = (await inspect(big, 'agent')).files.get('/etc/systemd/system/muster-agent.service');
  assert.ok(
    found?.kind === 'other' && /it cannot be read \(larger than/.test(found.why),
    JSON.stringify(found),
  );
});

test('units that packages installed are found, for this role and for the other', async () => {
  const here = await machine('systemd');
  await put(here.prefix, {
    '/usr/lib/systemd/system/muster-agent.service': '',
    '/usr/local/lib/systemd/system/muster-requester.service': '',
  });
  const enabled = readShow('LoadState=loaded\nUnitFileState=enabled\n');
  const managerProgram = { program: '', run: async () => undefined, state: async () => enabled };
  const { packaged, otherInstalled } = await inspect({ ...here, managerProgram }, 'agent');
  assert.deepEqual([packaged, otherInstalled], ['/usr/lib/systemd/system/muster-agent.service', true]);
});

test('only secrets and rotated logs of this role are found', async () => {
  const linux = await machine('systemd');
  const store = '/etc/credstore';
  await put(linux.prefix, {
    [`${store}/muster-agent.nats.token`]: '',
    [`${store}/muster-requester.nats.token`]: '',
  });
  assert.deepEqual((await inspect(linux, 'agent')).secrets, [`${store}/muster-agent.nats.token`]);
  const mac = await machine('launchd');
  const log = '/var/log/muster-agent.log';
  await put(mac.prefix, { [log]: '', [`${log}.0`]: '', '/var/log/muster-requester.log': '' });
  assert.deepEqual((await inspect(mac, 'agent')).logs, [log, `${log}.0`]);
});

test('a process is outdated when its program was replaced', async t => {
  if (process.platform !== 'linux') return t.skip('only Linux tells what a process was started from');
  const folder = await newFolder();
  const program = join(folder, 'sleep');
  await copyFile(await findProgram('sleep'), program);
  const child = await started(t, program);
  assert.equal(await isOutdated(child.pid ?? 0), false);
  await copyFile(program, `${program}.new`);
  await rename(`${program}.new`, program);
  assert.equal(await isOutdated(child.pid ?? 0), true);
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.equal(await isOutdated(child.pid ?? 0), false, 'one that is gone is not');
});

async function started(t: TestContext, program: string): Promise<ChildProcess> {
  const child = spawn(program, ['600'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child;
}
