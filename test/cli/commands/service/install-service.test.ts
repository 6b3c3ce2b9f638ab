// Carries out `muster service install` in a folder that stands for the machine, with a systemctl that records its calls.
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
import { join } from 'node:path';
import { test } from 'node:test';
import { loadSettings } from '../../../../agent/config/load.ts';
import { encodeJoinCode, type JoinCode, joinToken } from '../../../../agent/protocol/join-code.ts';
import { readSeal } from '../../../../agent/service/seal.ts';
import { requireRoot } from '../../../../agent/service/target.ts';
import { surroundings } from '../../../config/surroundings.ts';
import { bareMachine, listing, program, units, usedBy } from './bare-machine.ts';

const code: JoinCode = {
  servers: ['tls://head:4222'],
  pins: [],
  token: joinToken('abcdefgh23', Buffer.alloc(16, 1)),
  cluster: 'c-1',
  endsAt: 1_900_000_000,
};
const given = { line: encodeJoinCode(code), code };

test('install writes the unit and the configuration with their modes, then enables and starts the service', async () => {
  const { install, at, fake, output } = await bareMachine();
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
  const { printed, warned } = output;
  assert.match(printed, new RegExp(`^write {4}${unit}$`, 'm'));
  assert.match(printed, new RegExp(`^run {6}${fake.program} enable muster-agent.service$`, 'm'));
  assert.match(printed, /\n {2}sudo muster service install --role agent --join\n/);
  assert.match(printed, /set nats\.servers in \/etc\/muster\/config\.yaml/);
  assert.match(printed, /To see its state: muster service status --role agent\n$/);
  assert.equal(warned, '');
});

test('install --join puts the code where only root and the service read it, and never shows it', async () => {
  const { install, uninstall, at, fake, output } = await bareMachine();
  const path = at('/etc/credstore/muster-agent.join.code');
  await install('agent', { code: given, dryRun: true });
  assert.match(
    output.printed,
    /^write +\S+\/muster-agent\.join\.code \(mode 0600, owner root:root\)\n {4}\| <redacted>$/m,
  );
  await install('agent', { code: given });
  assert.equal(await readFile(path, 'utf8'), `${given.line}\n`);
  assert.deepEqual(
    [(await stat(path)).mode & 0o777, (await stat(at('/etc/credstore'))).mode & 0o777],
    [0o600, 0o700],
  );
  assert.ok(!output.printed.includes(given.line));
  assert.doesNotMatch(output.printed, /--join/);
  await fake.calls();
  // With another code the running service starts again, because systemd passes secrets only at a start.
  await install('agent', { code: given });
  assert.match(output.printed, /^replace +\S+join\.code$/m);
  assert.deepEqual(await fake.calls(), ['restart --no-block muster-agent.service']);
  await uninstall('agent', { purge: true });
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('folders may be links, as /etc is on macOS, and a purge keeps a link of the operator', async () => {
  const { install, uninstall, at, output } = await bareMachine();
  await mkdir(at('/srv/settings'), { recursive: true });
  await rename(at('/etc'), at('/private-etc'));
  await symlink('private-etc', at('/etc'));
  await symlink('../srv/settings', at('/etc/muster'));
  await install('agent');
  assert.match(await readFile(at('/srv/settings/config.yaml'), 'utf8'), /^#/);
  await install('agent');
  assert.match(output.printed, /^Nothing to do: /);
  await uninstall('agent', { purge: true });
  assert.match(output.printed, /\/etc\/muster is a link to \.\.\/srv\/settings, which stays\n/);
  assert.deepEqual(await readdir(at('/srv/settings')), []);
  assert.ok((await lstat(at('/etc/muster'))).isSymbolicLink());
});

test('a file in the place of a folder is refused before anything is changed', async () => {
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

test('a folder in the place of a file is refused before anything is changed', async () => {
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

test('install warns of a configuration that the user of the service cannot read', async () => {
  const { install, at, output } = await bareMachine();
  await mkdir(at('/etc/muster'));
  const config = at('/etc/muster/config.yaml');
  await writeFile(config, '');
  const { gid } = await stat(config);
  for (const mode of gid === 0 ? [0o600, 0o640] : [0o600]) {
    await chmod(config, mode);
    await install('agent');
    const octal = mode.toString(8).padStart(4, '0');
    const expected = `not every user can read /etc/muster/config.yaml (mode ${octal}), and the service runs as the user muster`;
    assert.ok(output.warned.includes(expected), output.warned);
  }
  // The operator may have chosen this group, and a drop-in may give it to the service.
  if (gid === 0) await chown(config, 0, 65_534);
  await chmod(config, 0o640);
  await install('agent');
  assert.equal(output.warned, '');
});

test('the umask does not change the modes', async t => {
  const { install, at } = await bareMachine();
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  await install('agent');
  assert.equal((await stat(at('/etc/muster'))).mode & 0o777, 0o755);
  assert.equal((await stat(at(`${units}/muster-agent.service`))).mode & 0o777, 0o644);
});

test('the new configuration loads and has the defaults', async () => {
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

test('a second installation has nothing to do', async () => {
  const { install, at, fake, output } = await bareMachine();
  await install('agent');
  const before = await listing(at(''));
  await fake.calls();
  await install('agent');
  assert.equal(output.printed, 'Nothing to do: muster-agent.service is as it should be.\n');
  assert.deepEqual(await fake.calls(), []);
  assert.deepEqual(await listing(at('')), before);
});

test('an upgrade replaces the unit of muster, restarts the service and keeps the configuration', async () => {
  const { install, at, fake, output } = await bareMachine();
  await install('agent', { executable: program });
  await writeFile(at('/usr/local/bin/newer'), '', { mode: 0o755 });
  await writeFile(at('/etc/muster/config.yaml'), 'node: {id: mine}\n');
  await fake.calls();
  await install('agent', { executable: '/usr/local/bin/newer' });
  assert.match(output.printed, /^replace {2}/);
  assert.deepEqual(await fake.calls(), ['daemon-reload', 'restart --no-block muster-agent.service']);
  assert.match(await readFile(at(`${units}/muster-agent.service`), 'utf8'), /newer agent/);
  assert.equal(await readFile(at('/etc/muster/config.yaml'), 'utf8'), 'node: {id: mine}\n');
});

test('an upgrade does not touch a running service that would not start again with its configuration', async () => {
  const { install, at, fake, output } = await bareMachine();
  await install('agent', { executable: program });
  await writeFile(at('/usr/local/bin/newer'), '', { mode: 0o755 });
  await writeFile(at('/etc/muster/config.yaml'), 'node: {id: [}\n');
  await fake.calls();
  const before = await listing(at(''));
  await assert.rejects(
    install('agent', { executable: '/usr/local/bin/newer' }),
    /runs and would not start again/,
  );
  assert.match(output.warned, /config\.yaml:1: /);
  assert.deepEqual(await fake.calls(), []);
  assert.deepEqual(await listing(at('')), before);
});

test('a unit that was changed by hand stays, with a warning, unless --force is given', async () => {
  const { install, at, output } = await bareMachine();
  await install('agent');
  const unit = at(`${units}/muster-agent.service`);
  await writeFile(unit, `${await readFile(unit, 'utf8')}# mine\n`);
  const before = await listing(at(''));
  await install('agent');
  assert.match(
    output.warned,
    /muster-agent\.service is left unchanged: it was changed after it was installed/,
  );
  assert.deepEqual(await listing(at('')), before);
  await install('agent', { force: true });
  assert.equal(readSeal(await readFile(unit, 'utf8')), 'whole');
});

test('install warns of a configuration with faults', async () => {
  const { install, at, output } = await bareMachine();
  await mkdir(at('/etc/muster'));
  await writeFile(at('/etc/muster/config.yaml'), 'node: {idd: \u0007x}\nlog: {level: loud}\n');
  await install('agent');
  assert.match(output.warned, /config\.yaml:1: /);
  assert.doesNotMatch(output.warned, /\u0007/);
});

test('a dry run prints every file with mode, owner and content, and every command, and changes nothing', async () => {
  const { install, uninstall, at, fake, output } = await bareMachine();
  const bare = await listing(at(''));
  await install('agent', { dryRun: true });
  const { printed } = output;
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
  assert.match(output.printed, new RegExp(`^remove {3}${at('/var/lib/muster/agent')}/$`, 'm'));
  assert.deepEqual(await listing(at('')), installed);
  assert.deepEqual(await fake.calls(), []);
  await install('agent', { dryRun: true });
  assert.equal(output.printed, 'Nothing would be changed.\n');
});

test('a dry run prints the same lines as the installation', async () => {
  const { install, fake, output } = await bareMachine();
  await install('agent', { dryRun: true });
  const planned = output.printed.split('\n').filter(line => /^(make|write|run)/.test(line));
  await install('agent');
  const done = output.printed.split('\n').filter(line => /^(make|write|run)/.test(line));
  assert.deepEqual(
    planned.map(line => line.replace(/ \(mode.*\)$/, '')),
    done,
  );
  assert.equal((await fake.calls()).length, 3);
});

test('install warns of a dataDir that the unit cannot write, until the operator allows it', async () => {
  const { install, output, at } = await bareMachine();
  await mkdir(at('/etc/muster'));
  const choose = (folder: string) => writeFile(at('/etc/muster/config.yaml'), `dataDir: ${folder}\n`);
  await choose('/var/lib/muster/own');
  await install('agent');
  assert.equal(output.warned, '');
  await choose('/home/me/muster');
  await install('agent');
  assert.match(
    output.warned,
    /^dataDir: \/home\/me\/muster is outside .*a service of the machine cannot see home folders/,
  );
  await choose('/srv/muster');
  await install('agent');
  assert.match(
    output.warned,
    /^dataDir: \/srv\/muster is outside what muster-agent\.service may write: .*ReadWritePaths=\/srv\/muster$/m,
  );
  const dropIns = at(`${units}/muster-agent.service.d`);
  await mkdir(dropIns);
  await writeFile(join(dropIns, 'override.conf'), '[Service]\nReadWritePaths=/srv/muster\n');
  await install('agent');
  assert.equal(output.warned, '');
});

test('a step that fails is named, and the same command continues there', async () => {
  const { install, fake, output } = await bareMachine();
  await fake.fails('enable', 'Failed to enable unit: \u001b[2JAccess denied\n');
  await assert.rejects(install('agent'), {
    code: 'failed',
    message: /enable muster-agent\.service failed: Failed to enable unit: \\u001b\[2JAccess denied$/,
  });
  assert.match(output.printed, /enable muster-agent\.service\n$/);
  await rm(join(fake.folder, 'complaint'));
  await fake.calls();
  await install('agent');
  assert.deepEqual(await fake.calls(), [
    'enable muster-agent.service',
    'start --no-block muster-agent.service',
  ]);
});

test('a program that no service can start is refused before anything is written', async () => {
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

test('without root, install says what it needs and which command would do it', async () => {
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
