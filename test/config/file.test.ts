// Finds the right configuration file, and reports a file that cannot be read.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadSettings } from '../../agent/config/load.ts';
import type { MusterError } from '../../agent/system/errors.ts';
import { configFile, faultsOf, surroundings, temporaryFolder } from './surroundings.ts';

const run = promisify(execFile);

/** Returns the address of a module of muster as program text. */
const moduleOf = (name: string) =>
  JSON.stringify(new URL(`../../agent/config/${name}`, import.meta.url).href);

/** Returns a machine, a user and a service manager with a configuration folder each. Each file names its folder. */
async function places(folder: string, present: string[]) {
  for (const name of present) {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, 'config.yaml'), `node: {id: ${name}}`);
  }
  const folders = (name: string) => ({ config: join(folder, name), data: '/x', cache: '/x' });
  const more = { machine: folders('machine'), user: async () => folders('user') };
  return {
    byHand: surroundings({}, more),
    byService: surroundings({ CONFIGURATION_DIRECTORY: `${folder}/service1:${folder}/service2` }, more),
  };
}

test('without --config only the file in the first of the usual places is read', async t => {
  const folder = await temporaryFolder(t);
  const idFrom = async (present: string[], by: 'byHand' | 'byService') => {
    const root = await temporaryFolder(t);
    return (await loadSettings({ environment: (await places(root, present))[by] })).settings.node.id;
  };
  assert.equal(await idFrom(['user', 'machine', 'service1'], 'byHand'), 'machine');
  assert.equal(await idFrom(['user'], 'byHand'), 'user');
  assert.equal(await idFrom(['machine', 'service1', 'service2'], 'byService'), 'service1');
  assert.equal(await idFrom(['machine', 'service2'], 'byService'), 'service2');
  assert.equal(await idFrom(['machine', 'user'], 'byService'), 'machine');
  assert.equal(await idFrom(['user'], 'byService'), undefined);
  const { file } = await loadSettings({ environment: (await places(folder, ['user'])).byHand });
  assert.equal(file, join(folder, 'user', 'config.yaml'));
});

test('with --config only that file is read, and a relative name begins in the working folder', async t => {
  const { byHand } = await places(await temporaryFolder(t), ['machine']);
  const path = await configFile(t, 'log: {level: debug}');
  const { settings, file } = await loadSettings({
    configFile: relative(process.cwd(), path),
    environment: byHand,
  });
  assert.deepEqual([settings.node.id, settings.log.level, file], [undefined, 'debug', path]);
});

test('a --config that does not exist, is a folder or is not text is a fault', async t => {
  const folder = await temporaryFolder(t);
  const load = (configFile: string) => faultsOf(loadSettings({ configFile, environment: surroundings() }));
  assert.deepEqual(await load(`${folder}/none.yaml`), [`${folder}/none.yaml: there is no such file`]);
  assert.deepEqual(await load(folder), [`${folder}: cannot be read: not a regular file`]);
  await writeFile(join(folder, 'latin1'), Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
  assert.deepEqual(await load(join(folder, 'latin1')), [`${folder}/latin1: is not text in UTF-8`]);
});

test('a read error of the system is not a bad configuration, so that a service is started again', async t => {
  // Reading this file is an input/output error.
  const path = '/proc/self/mem';
  if (!existsSync(path)) return t.skip('there is no file here that cannot be read');
  await assert.rejects(loadSettings({ configFile: path }), (error: MusterError) => {
    assert.deepEqual([error.code, error.exitCode], ['failed', 1]);
    assert.match(error.message, /^\/proc\/self\/mem: cannot be read: /);
    return true;
  });
});

test('a file of 1 MiB is read, and one with one byte more is refused', async t => {
  const fitting = 'log: {level: debug}\n'.padEnd(1024 * 1024, '#');
  const { settings } = await loadSettings({
    configFile: await configFile(t, fitting),
    environment: surroundings(),
  });
  assert.equal(settings.log.level, 'debug');
  const path = await configFile(t, `${fitting}#`);
  assert.deepEqual(await faultsOf(loadSettings({ configFile: path, environment: surroundings() })), [
    `${path}: cannot be read: larger than 1048576 bytes`,
  ]);
});

test('relative paths begin in the folder of the file, and ~/ is the home folder', async t => {
  const path = await configFile(t, 'dataDir: data\nnats: {tokenFile: ../t, tls: {caFile: ~/ca}}');
  const folder = join(path, '..');
  const environment = surroundings({ HOME: '/home/me', MUSTER_BROKER_BINARY: './nats-server' });
  const { settings } = await loadSettings({ configFile: path, environment });
  assert.equal(settings.dataDir, join(folder, 'data'));
  assert.equal(settings.nats.tokenFile, join(folder, '../t'));
  assert.equal(settings.nats.tls.caFile, '/home/me/ca');
  assert.equal(settings.broker.binary, join(process.cwd(), 'nats-server'));
});

test('a secret in a file that every user can read gives a warning', async t => {
  const path = await configFile(t, 'nats: {token: s3cret}');
  const load = async () => (await loadSettings({ configFile: path, environment: surroundings() })).warnings;
  await chmod(path, 0o640);
  assert.deepEqual(await load(), []);
  await chmod(path, 0o644);
  assert.deepEqual(await load(), [
    `${path}: every user of this machine can read it, and it holds nats.token; run chmod 640 on it`,
  ]);
  await writeFile(path, 'nats: {tokenFile: /t}');
  assert.deepEqual(await load(), []);
});

test('a warning for the file of a service says to move the secret, because an unreadable file would stop the service', {
  skip: process.platform !== 'linux' && 'only systemd has users that exist while a service runs',
}, async t => {
  const path = await configFile(t, 'nats: {token: s3cret}', 0o644);
  const config = dirname(path);
  const machine = { config, data: config, cache: config };
  for (const configFile of [path, undefined]) {
    const { warnings } = await loadSettings({ configFile, environment: surroundings({}, { machine }) });
    assert.deepEqual(warnings, [
      `${path}: every user of this machine can read it, and it holds nats.token; a service must be able to read it too: move the secret to /etc/credstore/muster-ROLE.nats.token, or, if there is no service, run chmod 640 on it`,
    ]);
  }
});

test('a broken file hides no fault elsewhere, and causes none that depends on its content', async t => {
  const path = await configFile(t, 'nats: {user: me');
  const environment = surroundings({ MUSTER_NATS_PASSWORD: 's3cret', MUSTER_API_PORT: 'x' });
  assert.deepEqual(await faultsOf(loadSettings({ configFile: path, environment })), [
    `${path}:1: not valid YAML: the indentation does not fit the lines around it, or a bracket is not closed`,
    'environment MUSTER_API_PORT: api.port: "x" is not a port; allowed: 0 to 65535',
  ]);
});

test('a file in a usual place that may not be read is a fault, or a warning for commands that can do without it', async t => {
  const folder = await temporaryFolder(t);
  await places(folder, ['closed', 'user']);
  for (const open of [folder, join(folder, 'closed'), join(folder, 'user')]) await chmod(open, 0o755);
  await chmod(join(folder, 'user', 'config.yaml'), 0o644);
  await chmod(join(folder, 'closed', 'config.yaml'), 0o000);
  // Root may read everything, so another process becomes an ordinary user and tries.
  const program = `
    const { loadSettings } = await import(${moduleOf('load.ts')});
    await import(${moduleOf('yaml.ts')});
    if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
    const folders = name => ({ config: ${JSON.stringify(folder)} + '/' + name, data: '/x', cache: '/x' });
    const load = async (machine, user, skipUnreadable) => {
      const environment = { variables: {}, pid: 1, root: false, machine: folders(machine), user: async () => folders(user), errorStream: () => undefined };
      const { settings, warnings } = await loadSettings({ environment, skipUnreadable });
      return { id: settings.node.id, warnings };
    };
    console.log(JSON.stringify([
      await load('closed', 'user', false).catch(error => error.message),
      await load('closed', 'user', true),
      await load('none', 'closed', false),
    ]));
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
  const denied = `${join(folder, 'closed', 'config.yaml')}: cannot be read: permission denied`;
  assert.deepEqual(JSON.parse(stdout), [
    denied,
    { id: 'user', warnings: [`${denied}; it is skipped`] },
    { warnings: [`${denied}; it is skipped`] },
  ]);
});

test('a home folder that is a file holds no configuration', async t => {
  const path = await configFile(t, 'log: {level: debug}');
  const folders = { config: join(path, '.config'), data: '/x', cache: '/x' };
  const { file } = await loadSettings({ environment: surroundings({}, { user: async () => folders }) });
  assert.equal(file, undefined);
});

test('without a file to read, the YAML library and env-paths are not loaded', async () => {
  const program = `
    import { registerHooks } from 'node:module';
    const seen = [];
    registerHooks({ resolve(name, context, next) { if (/^(yaml|env-paths)$/.test(name)) seen.push(name); return next(name, context); } });
    const { loadSettings } = await import(${moduleOf('load.ts')});
    await loadSettings();
    console.log(seen.join() || 'none');
  `;
  const environment = { CONFIGURATION_DIRECTORY: '/nonexistent', PATH: process.env.PATH };
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
    env: environment,
  });
  assert.equal(stdout.trim(), 'none');
});
