// Checks that signals which come while a role still loads neither kill it nor get lost.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { main, start, temporaryFolder } from '../cli/program.ts';
import { eventually } from '../support/eventually.ts';
import { isRunning, processesNaming } from '../support/processes.ts';

const hook = fileURLToPath(new URL('./signalled-while-loading.ts', import.meta.url));

const roles = {
  agent: ['--nats-servers', 'nats://127.0.0.1:1'],
  requester: ['--broker-port', '0', '--api-port', '0'],
  dev: ['--broker-port', '0', '--api-port', '0'],
};

async function signalled(t: TestContext, role: keyof typeof roles, signals: string, ...more: string[]) {
  const folder = await temporaryFolder(t);
  const args = [role, '--data-dir', join(folder, 'data'), ...roles[role], ...more];
  const env = { SIGNALS: signals, AT: `/agent/roles/run-${role}.ts` };
  return { ...(await start(t, args, { nodeOptions: ['--import', hook], env })), folder };
}

for (const role of ['agent', 'requester'] as const) {
  test(`the ${role} reads its settings again after its start when SIGHUP came before`, async t => {
    const { child, outcome, ended } = await signalled(t, role, 'SIGHUP');
    await eventually('they are read again', () => {
      assert.equal(child.exitCode ?? child.signalCode, null, outcome.stderr);
      return outcome.stderr.includes('"msg":"configuration read again"');
    });
    child.kill('SIGTERM');
    assert.equal((await ended).code, 0);
  });

  test(`the ${role} stops in order when SIGTERM came before it ran`, async t => {
    const { outcome, ended } = await signalled(t, role, 'SIGTERM');
    assert.equal((await ended).code, 0, outcome.stderr);
    assert.match(outcome.stderr, /"signal":"SIGTERM","msg":"stopping"[\s\S]*"msg":"stopped"/);
  });
}

for (const [asked, script] of [
  ['takes no clients yet', 'case $1 in --version) echo "nats-server: v2.12.0"; exit ;; esac'],
  ['has not told its version yet', ''],
] as const) {
  test(`the requester stops in order at once when its broker ${asked}`, async t => {
    const folder = await temporaryFolder(t);
    const [binary, pidFile] = [join(folder, 'nats-server'), join(folder, 'pid')];
    const mark = `echo $$ >${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 1000`;
    await writeFile(binary, `#!/bin/sh\n${script}\n${mark}\n`, { mode: 0o755 });
    const args = ['--data-dir', join(folder, 'data'), ...roles.requester, '--broker-binary', binary];
    const { child, outcome, ended } = await start(t, ['requester', ...args]);
    const readPid = async () => Number(await readFile(pidFile, 'utf8').catch(() => ''));
    await eventually('its broker starts', async () => (await readPid()) > 0);
    child.kill('SIGTERM');
    // If it waited for the broker, the stop would time out with exit code 1.
    assert.equal((await ended).code, 0, outcome.stderr);
    assert.match(outcome.stderr, /"signal":"SIGTERM","msg":"stopping"[\s\S]*"msg":"stopped"/);
    const pid = await readPid();
    await eventually('its broker has ended', async () => !(await isRunning(pid)));
  });
}

test('a requester that stops before it is ready does not tell its parent that it is ready', async t => {
  const folder = await temporaryFolder(t);
  const nowhere = ['--nats-servers', 'nats://127.0.0.1:1'];
  const args = ['requester', '--data-dir', folder, ...roles.requester, ...nowhere];
  const child = fork(main, args, { silent: true, env: { PATH: process.env.PATH, HOME: folder } });
  t.after(() => child.kill('SIGKILL'));
  const messages: unknown[] = [];
  child.on('message', message => messages.push(message));
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', text => {
    log += text;
  });
  await eventually('it waits for the broker', () => log.includes('cannot connect'));
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'close'), [0, null], log);
  assert.deepEqual(messages, []);
});

test('muster dev ends in order when its terminal was closed before it ran', async t => {
  const { ended, folder } = await signalled(t, 'dev', 'SIGHUP');
  const { code, stderr } = await ended;
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(await processesNaming(folder), '');
});

test('a second signal ends a role at once', async t => {
  const { child, ended } = await signalled(t, 'agent', 'SIGTERM,SIGINT');
  await ended;
  assert.equal(child.signalCode, 'SIGINT');
});

test('a role that cannot start says why, although a signal came before', async t => {
  const { ended } = await signalled(t, 'agent', 'SIGHUP', '--log-level', 'loud');
  const { code, stderr } = await ended;
  assert.deepEqual([code, stderr.split('\n').length], [78, 2], stderr);
});
