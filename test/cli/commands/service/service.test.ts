// `muster service`, carried out for real in a folder that stands for the machine, with a systemctl that writes down its calls.
import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import {
  type InstallOptions,
  installService,
} from '../../../../agent/cli/commands/service/install-service.ts';
import type { ServiceReport } from '../../../../agent/cli/commands/service/service-report.ts';
import { showService } from '../../../../agent/cli/commands/service/status.ts';
import {
  type UninstallOptions,
  uninstallService,
} from '../../../../agent/cli/commands/service/uninstall-service.ts';
import { loadSettings } from '../../../../agent/config/load.ts';
import { type Role, roles } from '../../../../agent/config/role.ts';
import { readSeal } from '../../../../agent/service/seal.ts';
import { servicePathsOf } from '../../../../agent/service/service-paths.ts';
import { Systemctl } from '../../../../agent/service/systemctl.ts';
import { requireRoot, type ServiceTarget } from '../../../../agent/service/target.ts';
import { holdFolder } from '../../../../agent/system/role-socket.ts';
import { surroundings } from '../../../config/surroundings.ts';
import { FakeSystemctl } from '../../../service/fake-systemctl.ts';
import { newFolder } from '../../../support/temporary.ts';

const units = '/etc/systemd/system';
const program = '/usr/local/bin/muster';
const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

/** A bare machine: the folders of a Linux system, a program to run, a systemctl. */
async function bareMachine() {
  const prefix = await newFolder();
  for (const folder of ['/etc/systemd/system', '/usr/local/bin', '/var/lib/private', '/var/cache/private'])
    await mkdir(prefix + folder, { recursive: true });
  await writeFile(prefix + program, '#!/bin/sh\n', { mode: 0o755 });
  const fake = await FakeSystemctl.make(await newFolder(), prefix + units);
  const machine: ServiceTarget = {
    manager: 'systemd',
    scope: 'system',
    uid,
    owner: { uid, gid, name: 'root:root' },
    root: undefined,
    prefix,
    managerProgram: new Systemctl(fake.program, { user: false, root: undefined }),
    systemd: 252,
    paths: role => servicePathsOf('systemd', 'system', role, undefined),
  };
  const said = { printed: '', warned: '' };
  const voice = {
    print(text: string) {
      said.printed += text;
    },
    warn(text: string) {
      said.warned += `${text}\n`;
    },
  };
  const calm = <T>(work: () => Promise<T>) => {
    said.printed = '';
    said.warned = '';
    return work();
  };
  return {
    machine,
    fake,
    said,
    at: (path: string) => prefix + path,
    install: (role: Role, more: Partial<InstallOptions> = {}) =>
      calm(() =>
        installService(
          machine,
          { role, executable: program, start: true, force: false, dryRun: false, ...more },
          voice,
        ),
      ),
    uninstall: (role: Role, more: Partial<UninstallOptions> = {}) =>
      calm(() =>
        uninstallService(machine, { role, purge: false, force: false, dryRun: false, ...more }, voice),
      ),
    status: (output: 'text' | 'json', which: readonly Role[] = roles) => {
      const load = () => loadSettings({ environment: surroundings() });
      return calm(() => showService(machine, which, load, output, voice.print));
    },
  };
}

/** Every path below `folder` with its kind, mode and content: two of the same say that nothing was touched. */
async function listing(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const lines = names.map(async name => {
    const info = await lstat(join(folder, name));
    const content = info.isFile() ? await readFile(join(folder, name), 'utf8') : '';
    return `${name} ${info.mode.toString(8)} ${content}`;
  });
  return (await Promise.all(lines)).sort();
}

/** What a role leaves where it ran, as a DynamicUser does. */
async function usedBy(prefix: string, ...folders: string[]): Promise<void> {
  for (const folder of folders) {
    await mkdir(`${prefix}/var/lib/private/muster/${folder}`, { recursive: true });
    await writeFile(`${prefix}/var/lib/private/muster/${folder}/identity.nk`, 'secret', { mode: 0o600 });
  }
  for (const place of ['lib', 'cache']) {
    await mkdir(`${prefix}/var/${place}/private/muster`, { recursive: true });
    await symlink('private/muster', `${prefix}/var/${place}/muster`).catch(() => undefined);
  }
}

test('installs: unit and configuration with their modes, then enabled and started', async () => {
  const { install, at, fake, said } = await bareMachine();
  await install('agent');
  const unit = at(`${units}/muster-agent.service`);
  const text = await readFile(unit, 'utf8');
  assert.match(text, /^ExecStart=\/usr\/local\/bin\/muster agent$/m);
  assert.equal(readSeal(text), 'whole');
  for (const [path, mode] of [
    [unit, 0o644],
    [at('/etc/muster/config.yaml'), 0o644],
    [at('/etc/muster'), 0o755],
  ] as const)
    assert.equal((await stat(path)).mode & 0o7777, mode, path);
  assert.deepEqual(await fake.calls(), [
    'daemon-reload',
    'enable muster-agent.service',
    'start --no-block muster-agent.service',
  ]);
  const { printed, warned } = said;
  assert.match(printed, new RegExp(`^write {4}${unit}$`, 'm'));
  assert.match(printed, new RegExp(`^run {6}${fake.program} enable muster-agent.service$`, 'm'));
  assert.match(printed, /set nats\.servers in \/etc\/muster\/config\.yaml/);
  assert.match(printed, /To see its state: muster service status --role agent\n$/);
  assert.equal(warned, '');
});

test('folders may be links, as /etc is on macOS; a purge leaves the link that is the operator’s', async () => {
  const { install, uninstall, at, said } = await bareMachine();
  await mkdir(at('/srv/settings'), { recursive: true });
  await rename(at('/etc'), at('/private-etc'));
  await symlink('private-etc', at('/etc'));
  await symlink('../srv/settings', at('/etc/muster'));
  await install('agent');
  assert.match(await readFile(at('/srv/settings/config.yaml'), 'utf8'), /^#/);
  await install('agent');
  assert.match(said.printed, /^Nothing to do: /);
  await uninstall('agent', { purge: true });
  assert.match(said.printed, /\/etc\/muster is a link to \.\.\/srv\/settings, which stays\n/);
  assert.deepEqual(await readdir(at('/srv/settings')), []);
  assert.ok((await lstat(at('/etc/muster'))).isSymbolicLink());
});

test('what stands where a folder has to be is told before anything is done', async () => {
  for (const put of [
    (path: string) => writeFile(path, ''),
    (path: string) => symlink('/nonexistent/muster', path),
  ]) {
    const { install, at, machine } = await bareMachine();
    await put(at('/etc/muster'));
    const before = await listing(machine.prefix);
    await assert.rejects(install('agent'), {
      code: 'failed',
      message: '/etc/muster must be a folder, and something else is there',
    });
    assert.deepEqual(await listing(machine.prefix), before);
  }
});

test('a folder where a file has to be is told before anything is done', async () => {
  for (const path of ['/etc/muster/config.yaml', `${units}/muster-agent.service`]) {
    const { install, at, machine } = await bareMachine();
    await mkdir(at(path), { recursive: true });
    const before = await listing(machine.prefix);
    await assert.rejects(install('agent'), {
      code: 'failed',
      message: `${path} must be a file, and a folder is there`,
    });
    assert.deepEqual(await listing(machine.prefix), before);
  }
});

test('a configuration that the service cannot read is told: it has a user of its own, which is in no group of root’s', async () => {
  const { install, at, said } = await bareMachine();
  await mkdir(at('/etc/muster'));
  const config = at('/etc/muster/config.yaml');
  await writeFile(config, '');
  const { gid } = await stat(config);
  for (const mode of gid === 0 ? [0o600, 0o640] : [0o600]) {
    await chmod(config, mode);
    await install('agent');
    const octal = mode.toString(8).padStart(4, '0');
    const told = `not every user can read /etc/muster/config.yaml (mode ${octal}), and the service runs as the user muster`;
    assert.ok(said.warned.includes(told), said.warned);
  }
  // A group of the operator's choice may be one that its drop-in names.
  if (gid === 0) await chown(config, 0, 65_534);
  await chmod(config, 0o640);
  await install('agent');
  assert.equal(said.warned, '');
});

test('modes are what they should be, whatever the umask', async t => {
  const { install, at } = await bareMachine();
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  await install('agent');
  assert.equal((await stat(at('/etc/muster'))).mode & 0o777, 0o755);
  assert.equal((await stat(at(`${units}/muster-agent.service`))).mode & 0o777, 0o644);
});

test('the configuration that it makes loads, and is the defaults', async () => {
  const { install, at } = await bareMachine();
  await install('requester');
  const { settings, warnings } = await loadSettings({
    configFile: at('/etc/muster/config.yaml'),
    environment: surroundings(),
  });
  const { settings: defaults } = await loadSettings({ environment: surroundings() });
  assert.deepEqual([settings, warnings], [defaults, []]);
  // Both roles read this file.
  const text = await readFile(at('/etc/muster/config.yaml'), 'utf8');
  assert.ok(/heartbeatTopic/.test(text) && /manualApproval/.test(text));
  assert.doesNotMatch(text, /yaml-language-server/, 'no schema is installed that it could name');
});

test('a second time there is nothing to do', async () => {
  const { install, at, fake, said } = await bareMachine();
  await install('agent');
  const before = await listing(at(''));
  await fake.calls();
  await install('agent');
  assert.equal(said.printed, 'Nothing to do: muster-agent.service is as it should be.\n');
  assert.deepEqual(await fake.calls(), []);
  assert.deepEqual(await listing(at('')), before);
});

test('an upgrade replaces its own unit and starts the service anew; the configuration is left', async () => {
  const { install, at, fake, said } = await bareMachine();
  await install('agent', { executable: program });
  await writeFile(at('/usr/local/bin/newer'), '', { mode: 0o755 });
  await writeFile(at('/etc/muster/config.yaml'), 'node: {id: mine}\n');
  await fake.calls();
  await install('agent', { executable: '/usr/local/bin/newer' });
  assert.match(said.printed, /^replace {2}/);
  assert.deepEqual(await fake.calls(), ['daemon-reload', 'restart --no-block muster-agent.service']);
  assert.match(await readFile(at(`${units}/muster-agent.service`), 'utf8'), /newer agent/);
  assert.equal(await readFile(at('/etc/muster/config.yaml'), 'utf8'), 'node: {id: mine}\n');
});

test('an upgrade leaves a service alone that runs and would not start with the configuration that is there', async () => {
  const { install, at, fake, said } = await bareMachine();
  await install('agent', { executable: program });
  await writeFile(at('/usr/local/bin/newer'), '', { mode: 0o755 });
  await writeFile(at('/etc/muster/config.yaml'), 'node: {id: [}\n');
  await fake.calls();
  const before = await listing(at(''));
  await assert.rejects(
    install('agent', { executable: '/usr/local/bin/newer' }),
    /runs and would not start again/,
  );
  assert.match(said.warned, /config\.yaml:1: /);
  assert.deepEqual(await fake.calls(), []);
  assert.deepEqual(await listing(at('')), before);
});

test('a unit that somebody changed is left, with a warning; --force replaces it', async () => {
  const { install, at, said } = await bareMachine();
  await install('agent');
  const unit = at(`${units}/muster-agent.service`);
  await writeFile(unit, `${await readFile(unit, 'utf8')}# mine\n`);
  const before = await listing(at(''));
  await install('agent');
  assert.match(said.warned, /muster-agent\.service is left unchanged: it was changed after it was installed/);
  assert.deepEqual(await listing(at('')), before);
  await install('agent', { force: true });
  assert.equal(readSeal(await readFile(unit, 'utf8')), 'whole');
});

test('a configuration with faults is told of: with it the service would not start', async () => {
  const { install, at, said } = await bareMachine();
  await mkdir(at('/etc/muster'));
  await writeFile(at('/etc/muster/config.yaml'), 'node: {idd: \u0007x}\nlog: {level: loud}\n');
  await install('agent');
  assert.match(said.warned, /config\.yaml:1: /);
  assert.doesNotMatch(said.warned, /\u0007/);
});

test('a dry run prints every file with mode, owner and content, and every command, and touches nothing', async () => {
  const { install, uninstall, at, fake, said } = await bareMachine();
  const bare = await listing(at(''));
  await install('agent', { dryRun: true });
  const { printed } = said;
  const unit = at(`${units}/muster-agent.service`);
  assert.match(printed, new RegExp(`^make {5}${at('/etc/muster')}/ \\(mode 0755, owner root:root\\)$`, 'm'));
  assert.match(printed, new RegExp(`^write {4}${unit} \\(mode 0644, owner root:root\\)$`, 'm'));
  assert.match(printed, /^ {4}\| ExecStart=\/usr\/local\/bin\/muster agent$/m);
  assert.match(printed, /^ {4}\| #infoUpdateFrequency: 60s$|^ {4}\| {3}#infoUpdateFrequency: 60s$/m);
  assert.match(printed, new RegExp(`^run {6}${fake.program} daemon-reload$`, 'm'));
  assert.match(printed, /Nothing was changed: --dry-run\.\n$/);
  assert.deepEqual(await listing(at('')), bare);
  await install('agent');
  await usedBy(at(''), 'agent');
  const installed = await listing(at(''));
  await fake.calls();
  await uninstall('agent', { purge: true, dryRun: true });
  assert.match(said.printed, new RegExp(`^remove {3}${at('/var/lib/muster/agent')}/$`, 'm'));
  assert.deepEqual(await listing(at('')), installed);
  assert.deepEqual(await fake.calls(), []);
  await install('agent', { dryRun: true });
  assert.equal(said.printed, 'Nothing would be changed.\n');
});

test('a dry run says what is done, word for word', async () => {
  const { install, fake, said } = await bareMachine();
  await install('agent', { dryRun: true });
  const planned = said.printed.split('\n').filter(line => /^(make|write|run)/.test(line));
  await install('agent');
  const done = said.printed.split('\n').filter(line => /^(make|write|run)/.test(line));
  assert.deepEqual(
    planned.map(line => line.replace(/ \(mode.*\)$/, '')),
    done,
  );
  assert.equal((await fake.calls()).length, 3);
});

test('uninstalled, its configuration and state stay; once more there is nothing to do', async () => {
  const { install, uninstall, at, fake, said } = await bareMachine();
  await install('agent');
  await usedBy(at(''), 'agent');
  await fake.calls();
  await uninstall('agent');
  assert.deepEqual(await fake.calls(), ['disable --now muster-agent.service', 'daemon-reload']);
  assert.deepEqual(await readdir(at(units)), []);
  assert.match(
    said.printed,
    /these stay, and --purge removes them: \/etc\/muster\/config\.yaml, \/var\/lib\/muster\/agent/,
  );
  assert.equal(await readFile(at('/var/lib/muster/agent/identity.nk'), 'utf8'), 'secret');
  await uninstall('agent');
  assert.match(said.printed, /Nothing to do: muster-agent\.service is not installed\.\n$/);
});

test('a purge leaves the machine as it was', async () => {
  const { install, uninstall, at } = await bareMachine();
  const bare = await listing(at(''));
  await install('agent');
  await usedBy(at(''), 'agent');
  await mkdir(at(`${units}/muster-agent.service.d`));
  await writeFile(at(`${units}/muster-agent.service.d/override.conf`), '[Service]\n');
  await uninstall('agent', { purge: true });
  assert.deepEqual(await listing(at('')), bare);
});

test('of a package that brings the units of both roles, the one that is not used counts for nothing', async () => {
  const { install, uninstall, status, at, said } = await bareMachine();
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
  assert.match(said.printed, /config\.yaml stays: the other role is installed/);
  await uninstall('requester');
  await install('agent');
  await usedBy(at(''), 'agent');
  await uninstall('agent', { purge: true });
  assert.doesNotMatch(said.printed, /the other role/);
  await rm(at('/etc/muster'), { recursive: true });
  assert.deepEqual(await listing(at('')), bare);
});

test('a dataDir that the unit may not write is told, until the operator has opened it', async () => {
  const { install, said, at } = await bareMachine();
  await mkdir(at('/etc/muster'));
  const choose = (folder: string) => writeFile(at('/etc/muster/config.yaml'), `dataDir: ${folder}\n`);
  await choose('/var/lib/muster/own');
  await install('agent');
  assert.equal(said.warned, '');
  await choose('/home/me/muster');
  await install('agent');
  assert.match(
    said.warned,
    /^dataDir: \/home\/me\/muster is outside .*a service of the machine cannot see home folders/,
  );
  await choose('/srv/muster');
  await install('agent');
  assert.match(
    said.warned,
    /^dataDir: \/srv\/muster is outside what muster-agent\.service may write: .*ReadWritePaths=\/srv\/muster$/m,
  );
  const dropIns = at(`${units}/muster-agent.service.d`);
  await mkdir(dropIns);
  await writeFile(join(dropIns, 'override.conf'), '[Service]\nReadWritePaths=/srv/muster\n');
  await install('agent');
  assert.equal(said.warned, '');
});

test('state in a folder of the operator’s choice is not purged, and that is said', async () => {
  const { install, uninstall, said, at } = await bareMachine();
  await install('agent');
  await writeFile(at('/etc/muster/config.yaml'), 'dataDir: /srv/muster\n');
  await uninstall('agent', { purge: true });
  assert.match(said.printed, /^the state in \/srv\/muster stays: the setting dataDir names that folder$/m);
});

test('a purge after an uninstallation finds what that had left', async () => {
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

test('with both roles installed, a purge of one leaves the other as it was; of both, nothing', async () => {
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

test('what a process still uses is not purged', async t => {
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

test('a step that fails says which, and the same command goes on from there', async () => {
  const { install, fake, said } = await bareMachine();
  await fake.fails('enable', 'Failed to enable unit: \u001b[2JAccess denied\n');
  await assert.rejects(install('agent'), {
    code: 'failed',
    message: /enable muster-agent\.service failed: Failed to enable unit: \\u001b\[2JAccess denied$/,
  });
  assert.match(said.printed, /enable muster-agent\.service\n$/);
  await rm(join(fake.folder, 'complaint'));
  await fake.calls();
  await install('agent');
  assert.deepEqual(await fake.calls(), [
    'enable muster-agent.service',
    'start --no-block muster-agent.service',
  ]);
});

test('a program that no service could start is refused before anything is written', async () => {
  const { install, at } = await bareMachine();
  const bare = await listing(at(''));
  await writeFile(at('/usr/local/bin/text'), 'x', { mode: 0o644 });
  const cases: [string, RegExp][] = [
    ['muster', /needs the absolute path of its program, not muster/],
    ['/usr/local/bin/absent', /there is no such file/],
    ['/usr/local/bin', /it is not a file/],
    ['/usr/local/bin/text', /it is not executable for this user/],
    ['/home/me/muster', /cannot see that folder/],
    ['/tmp/muster', /cannot see that folder/],
    ['/usr/local/bin/mu\nster', /absolute path/],
    ['/usr/local/bin/mu\u2028ster', /absolute path/],
  ];
  for (const [executable, message] of cases)
    await assert.rejects(install('agent', { executable }), { code: 'usage', message }, executable);
  await rm(at('/usr/local/bin/text'));
  assert.deepEqual(await listing(at('')), bare);
});

test('status: installed, since when, what it says, and how it ended, fit for a terminal', async () => {
  const { install, status, fake, said } = await bareMachine();
  await install('agent');
  await fake.shows(
    'muster-agent.service',
    'StatusText=\u001b[2J\u202eapproved\nNRestarts=2\nResult=watchdog\n',
  );
  assert.equal(await status('text', ['agent']), 0);
  assert.match(
    said.printed,
    /^muster-agent\.service\n {2}installed {2}\/etc\/systemd\/system\/muster-agent\.service\n {2}starts {5}at boot\n {2}state {6}running since 2026-11-24 18:01:10 UTC \(\d+ \w+ ago\); systemd: active \(running\)\n {2}process {4}4242\n {2}says {7}\\u001b\[2J\\u202eapproved\n {2}last end {3}watchdog\n {2}restarts {3}2\n$/,
  );
  assert.equal(await status('json', ['agent']), 0);
  assert.match(said.printed, /^[\x20-\x7e\n]*$/);
  const [report] = JSON.parse(said.printed) as ServiceReport[];
  assert.deepEqual(
    [
      report?.installed,
      report?.enabled,
      report?.state,
      report?.since,
      report?.pid,
      report?.says,
      report?.restarts,
    ],
    ['yes', true, 'running', '2026-11-24T18:01:10.000Z', 4242, '\u001b[2J\u202eapproved', 2],
  );
});

test('status answers 0 when all that is installed runs, and 1 otherwise', async () => {
  const { install, uninstall, status, fake, said, at } = await bareMachine();
  assert.equal(await status('text'), 1);
  assert.match(
    said.printed,
    /^muster-agent\.service\n {2}installed {2}no\n\nmuster-requester\.service\n {2}installed {2}no\n$/,
  );
  await install('agent');
  assert.equal(await status('json'), 0, 'the other one is not installed, and is not missed');
  await install('requester', { start: false });
  assert.equal(await status('json'), 1);
  await uninstall('requester');
  await fake.shows(
    'muster-agent.service',
    'ActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainCode=1\nExecMainStatus=78\n',
  );
  assert.equal(await status('text', ['agent']), 1);
  assert.match(
    said.printed,
    /state {6}failed.*\n(.*\n)* {2}last end {3}exit code 78 \(bad configuration\); why: journalctl --unit=muster-agent\.service\n/,
  );
  const unit = at(`${units}/muster-agent.service`);
  for (const [text, word] of [
    [`${await readFile(unit, 'utf8')}# mine`, 'changed'],
    ['mine', 'foreign'],
  ] as const) {
    await writeFile(unit, text);
    await status('json', ['agent']);
    assert.equal((JSON.parse(said.printed) as ServiceReport[])[0]?.installed, word);
  }
  await rm(unit);
  const packaged = '/usr/lib/systemd/system/muster-agent.service';
  await mkdir(dirname(at(packaged)), { recursive: true });
  await writeFile(at(packaged), '');
  await status('json', ['agent']);
  const [report] = JSON.parse(said.printed) as ServiceReport[];
  assert.deepEqual([report?.installed, report?.file], ['package', packaged]);
});

test('status also says what the role itself says, or why it does not', async t => {
  const { install, status, said, at } = await bareMachine();
  await install('requester');
  await usedBy(at(''), 'requester');
  const role = { role: 'requester', node: 'node-0', state: 'ready', pid: 4242, version: '9' };
  const holder = await holdFolder(at('/var/lib/muster/requester'), () => role, String);
  t.after(() => holder.close());
  await status('text', ['requester']);
  assert.match(said.printed, /\n\nrequester node-0\n {2}state +ready\n/);
  await status('json', ['requester']);
  assert.deepEqual((JSON.parse(said.printed) as ServiceReport[])[0]?.status, role);
});

test('status of a user’s service asks where the user’s own configuration says that its state is', async t => {
  const { machine, at } = await bareMachine();
  const home = { config: '/home/me/.config/muster', data: '/home/me/data', cache: '/home/me/cache' };
  const own: ServiceTarget = {
    ...machine,
    scope: 'user',
    paths: role => servicePathsOf('systemd', 'user', role, home),
  };
  await mkdir(at(home.config), { recursive: true });
  await writeFile(at(`${home.config}/config.yaml`), 'dataDir: elsewhere\n');
  await mkdir(at(`${home.config}/elsewhere/agent`), { recursive: true });
  const role = { role: 'agent', node: 'node-1', state: 'ready', pid: 4242, version: '9' };
  const holder = await holdFolder(at(`${home.config}/elsewhere/agent`), () => role, String);
  t.after(() => holder.close());
  let printed = '';
  const load = (options: object) => loadSettings({ ...options, environment: surroundings() });
  await showService(own, ['agent'], load, 'json', text => {
    printed += text;
  });
  assert.deepEqual((JSON.parse(printed) as ServiceReport[])[0]?.status, role);
});

test('without root it says what it needs, and the command that would do it', async () => {
  const { machine } = await bareMachine();
  const command = 'muster service install --role agent';
  assert.throws(() => requireRoot({ ...machine, uid: 1000 }, command), {
    code: 'not_allowed',
    exitCode: 77,
    hint: `sudo ${command}; or --user for a service of your own; or --dry-run to see what would be done`,
  });
  requireRoot({ ...machine, uid: 0 }, command);
  requireRoot({ ...machine, uid: 1000, scope: 'user' }, command);
  requireRoot({ ...machine, uid: 1000, root: '/img' }, command);
});
