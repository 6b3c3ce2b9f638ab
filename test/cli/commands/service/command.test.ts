// Runs `muster service` as the real program, and tests its usage, its refusals, and an installation into another root.
import assert from 'node:assert/strict';
import { access, chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'plist';
import { readSeal } from '../../../../agent/service/seal.ts';
import { muster as asUser } from '../../../support/program.ts';
import { muster, temporaryFolder } from '../../program.ts';

const program = '/usr/local/bin/muster';
const hasSystemctl = await access('/usr/bin/systemctl').then(
  () => true,
  () => false,
);
const noSystemctl = 'there is no /usr/bin/systemctl here';

test('install, uninstall and print name the roles when no role is given', async t => {
  for (const command of ['install', 'uninstall', 'print']) {
    const { code, stderr } = await muster(t, ['service', command]);
    assert.equal(code, 64);
    assert.match(stderr, new RegExp(`Error: service ${command} needs --role agent or --role requester\\n$`));
  }
  assert.equal((await muster(t, ['service', 'print', '--role', 'broker'])).code, 64);
});

test('print prints the sealed unit of this or another service manager, and nothing else', async t => {
  const unit = await muster(t, [
    'service',
    'print',
    '--role',
    'agent',
    '--manager',
    'systemd',
    '--executable',
    '/opt/m',
  ]);
  assert.deepEqual([unit.code, unit.stderr, readSeal(unit.stdout)], [0, '', 'whole']);
  assert.match(unit.stdout, /^ExecStart=\/opt\/m agent$/m);
  assert.match(unit.stdout, /^DynamicUser=yes$/m);
  const own = await muster(t, ['service', 'print', '--role', 'agent', '--manager', 'systemd', '--user']);
  assert.doesNotMatch(own.stdout, /^DynamicUser/m);
  const list = await muster(t, ['service', 'print', '--role', 'requester', '--manager', 'launchd']);
  assert.equal(readSeal(list.stdout), 'whole');
  const { Label, ProgramArguments } = parse(list.stdout) as { Label: string; ProgramArguments: string[] };
  assert.deepEqual([Label, ProgramArguments], ['org.muster.requester', [program, 'requester']]);
  const quoted = ['service', 'print', '--role', 'agent', '--manager', 'systemd', '--executable', '/a"b'];
  assert.equal((await muster(t, quoted)).code, 64);
});

test('an empty --root is refused and does not mean the working folder', async t => {
  for (const command of ['install', 'uninstall']) {
    const { code, stderr } = await muster(t, ['service', command, '--role', 'agent', '--root', '']);
    assert.equal(code, 64);
    assert.match(stderr, /Error: --root is empty: it needs the name of a folder\n/);
  }
});

test('a service cannot start muster from its source', async t => {
  if (!hasSystemctl) return t.skip(noSystemctl);
  const root = await temporaryFolder(t);
  const { code, stderr } = await muster(t, ['service', 'install', '--role', 'agent', '--root', root]);
  assert.equal(code, 64);
  assert.match(
    stderr,
    /Error: this muster runs from source, .*\nHint: {2}.*--executable \/usr\/local\/bin\/muster\n$/,
  );
  assert.deepEqual(await readdir(root), []);
});

test('install refuses --config, because a service reads the usual file', async t => {
  const { code, stderr } = await muster(t, ['service', 'install', '--role', 'agent', '--config', '/x.yaml']);
  assert.equal(code, 64);
  assert.match(stderr, /Error: a service reads the configuration in its usual place, not --config\n/);
});

test('an installation into another root writes files and the link that enables it, and can be removed', async t => {
  if (!hasSystemctl) return t.skip(noSystemctl);
  const root = await temporaryFolder(t);
  await mkdir(join(root, 'usr/local/bin'), { recursive: true });
  await writeFile(join(root, program), '#!/bin/sh\n', { mode: 0o755 });
  const args = ['--role', 'agent', '--root', root];
  const install = ['service', 'install', ...args, '--executable', program];
  const first = await muster(t, install);
  assert.deepEqual([first.code, first.stderr], [0, '']);
  const unit = join(root, 'etc/systemd/system/muster-agent.service');
  assert.equal(readSeal(await readFile(unit, 'utf8')), 'whole');
  const link = join(root, 'etc/systemd/system/multi-user.target.wants/muster-agent.service');
  assert.ok((await stat(join(root, 'etc/muster/config.yaml'))).isFile());
  assert.ok((await readdir(join(link, '..'))).includes('muster-agent.service'));
  assert.equal(
    (await muster(t, install)).stdout,
    'Nothing to do: muster-agent.service is as it should be.\n',
  );
  const gone = await muster(t, ['service', 'uninstall', ...args, '--purge']);
  assert.equal(gone.code, 0, gone.stderr);
  const left = await readdir(join(root, 'etc'), { recursive: true });
  assert.deepEqual(left.sort(), ['systemd', 'systemd/system']);
  assert.equal((await muster(t, ['service', 'uninstall', ...args, '--root', join(root, 'absent')])).code, 64);
});

test('without root the command is refused with exit code 77; a dry run and --root need no root', async t => {
  if (process.getuid?.() !== 0) return t.skip('only root can run it as another user');
  if (!hasSystemctl) return t.skip(noSystemctl);
  const nobody = { uid: 65534, gid: 65534 };
  const root = await temporaryFolder(t);
  const executable = ['--executable', '/usr/bin/true'];
  const refused = await asUser(['service', 'install', '--role', 'agent', ...executable], nobody);
  assert.equal(refused.code, 77);
  assert.match(
    refused.stderr,
    /^Error: only root can change a service of the whole machine\nHint: {2}sudo \.\/scripts\/muster service install --role agent --executable \/usr\/bin\/true; /,
  );
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await writeFile(join(root, 'usr/bin/true'), '#!/bin/sh\n', { mode: 0o755 });
  await chmod(root, 0o777);
  const allowed = await asUser(
    ['service', 'install', '--role', 'agent', ...executable, '--root', root],
    nobody,
  );
  assert.equal(allowed.code, 0, allowed.stderr);
});
