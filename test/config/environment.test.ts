// Tests what is read from the environment: PATH, the service manager, colours, and the folders of a real user.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  findOnPath,
  mayColour,
  namedFolders,
  notifyRequest,
  scratchFolders,
  startedByService,
  writesToJournal,
} from '../../agent/config/environment.ts';
import { surroundings, temporaryFolder } from './surroundings.ts';

const run = promisify(execFile);

test('findOnPath finds a program in the first folder of PATH that has it as an executable file', async t => {
  const folder = await temporaryFolder(t);
  for (const name of ['one', 'two', 'three', 'four/tool'])
    await mkdir(join(folder, name), { recursive: true });
  for (const name of ['two', 'three']) await writeFile(join(folder, name, 'tool'), '');
  await chmod(join(folder, 'three/tool'), 0o755);
  const find = (path: string) => findOnPath('tool', surroundings({ PATH: path }));
  const path = ['', '.', 'three', 'one', 'two', 'four', 'three'].map((name, index) =>
    index < 3 ? name : join(folder, name),
  );
  assert.equal(await find(path.join(':')), join(folder, 'three/tool'));
  assert.equal(await find(folder), undefined);
  assert.equal(await findOnPath('tool', surroundings()), undefined);
});

test('scratch folders begin with those of the service manager, and name none twice', () => {
  assert.deepEqual(scratchFolders(surroundings()), ['/dev/shm', '/tmp', '/var/tmp']);
  const variables = {
    STATE_DIRECTORY: '/var/lib/muster',
    RUNTIME_DIRECTORY: '/run/muster:/run/other',
    XDG_RUNTIME_DIR: 'relative',
    TMPDIR: '/tmp',
  };
  assert.deepEqual(scratchFolders(surroundings(variables)), [
    '/run/muster',
    '/run/other',
    '/var/lib/muster',
    '/tmp',
    '/dev/shm',
    '/var/tmp',
  ]);
});

test('variables of a service manager count only when they name this process', () => {
  const started = (variables: Record<string, string>) =>
    startedByService(surroundings(variables, { pid: 100, errorStream: () => '8:42' }));
  assert.equal(started({}), false);
  assert.equal(started({ NOTIFY_SOCKET: '/run/systemd/notify' }), true);
  assert.equal(started({ SYSTEMD_EXEC_PID: '100' }), true);
  assert.equal(started({ JOURNAL_STREAM: '8:42' }), true);
  // A shell in a terminal that systemd started passes these on.
  assert.equal(started({ SYSTEMD_EXEC_PID: '99', JOURNAL_STREAM: '8:41', INVOCATION_ID: 'x' }), false);
  assert.equal(startedByService(surroundings({ JOURNAL_STREAM: '8:42' })), false);
});

test('standard error is the journal only when the service manager named this stream', () => {
  const journal = (variables: Record<string, string>, stream: string | undefined = '8:42') =>
    writesToJournal(surroundings(variables, { errorStream: () => stream }));
  assert.equal(journal({ JOURNAL_STREAM: '8:42' }), true);
  assert.equal(journal({ JOURNAL_STREAM: '8:41' }), false);
  assert.equal(journal({ NOTIFY_SOCKET: '/run/systemd/notify' }), false);
  assert.equal(journal({ JOURNAL_STREAM: '8:42' }, ''), false);
});

test('notifyRequest returns what the service manager asks for, and how often', () => {
  const asked = (variables: Record<string, string>) => notifyRequest(surroundings(variables, { pid: 100 }));
  const socket = '/run/systemd/notify';
  assert.equal(asked({}), undefined);
  assert.equal(asked({ NOTIFY_SOCKET: '', WATCHDOG_USEC: '30000000' }), undefined);
  assert.deepEqual(asked({ NOTIFY_SOCKET: socket }), { socket, watchdogMs: undefined });
  const every = (usec: string, pid?: string) =>
    asked({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, ...(pid === undefined ? {} : { WATCHDOG_PID: pid }) })
      ?.watchdogMs;
  assert.equal(every('30000000'), 30_000);
  assert.equal(every('30000000', '100'), 30_000);
  // This watchdog is for the shell that started this process.
  assert.equal(every('30000000', '99'), undefined);
  for (const none of ['', '0', '-1', 'x', '1e9', '9'.repeat(40)])
    assert.equal(every(none, '100'), undefined, none);
});

test('colours are used only on a terminal that has them, and without NO_COLOR', () => {
  assert.equal(mayColour(surroundings({ TERM: 'xterm' }), true), true);
  assert.equal(mayColour(surroundings({ NO_COLOR: '' }), true), true);
  assert.equal(mayColour(surroundings({ NO_COLOR: '1' }), true), false);
  assert.equal(mayColour(surroundings({ TERM: 'dumb' }), true), false);
  assert.equal(mayColour(surroundings(), false), false);
});

test('the folders that a service manager names are a list, without relative and empty ones', () => {
  assert.deepEqual(namedFolders(surroundings({ STATE_DIRECTORY: '/a:/b' }), 'STATE_DIRECTORY'), ['/a', '/b']);
  assert.deepEqual(namedFolders(surroundings({ STATE_DIRECTORY: ':a:' }), 'STATE_DIRECTORY'), []);
  assert.deepEqual(namedFolders(surroundings(), 'STATE_DIRECTORY'), []);
});

test('the real environment has folders below HOME or XDG, and none without a home', async t => {
  const folder = await temporaryFolder(t);
  const module = JSON.stringify(new URL('../../agent/config/environment.ts', import.meta.url).href);
  const show = `const { systemEnvironment: e } = await import(${module}); console.log(JSON.stringify([await e.user(), e.errorStream(), e.variables.MARK]))`;
  const ask = async (env: Record<string, string>, before = '') => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', before + show], { env });
    return JSON.parse(stdout);
  };
  const [user, stream, mark] = await ask({ HOME: folder, MARK: 'here' });
  assert.ok(
    [user.config, user.data, user.cache].every(path => path.startsWith(folder) && path.endsWith('muster')),
  );
  assert.match(stream, /^\d+:\d+$/);
  assert.equal(mark, 'here');
  // Under DynamicUser without HOME the lookup of a home folder fails.
  const homeless = `import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module'; os.homedir = () => { throw new Error('ENOENT'); }; syncBuiltinESMExports();`;
  assert.deepEqual((await ask({}, homeless))[0], null);
});
