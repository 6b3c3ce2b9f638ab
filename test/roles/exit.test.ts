// Checks how a process ends while its threads hang: with its exit code, once its output was read.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { eventually } from '../support/eventually.ts';
import { isRunning } from '../support/processes.ts';
import { newFolder } from '../support/temporary.ts';

const module = (path: string) => JSON.stringify(new URL(`../../agent/${path}`, import.meta.url).href);

// Opening a named pipe waits until another process opens its other end.
const pipe = join(await newFolder(), 'pipe');
await promisify(execFile)('mkfifo', [pipe]);
const hang = `
  const { open } = await import('node:fs');
  for (let i = 0; i < 8; i++) open(${JSON.stringify(pipe)}, () => {});
  process.on('exit', () => process.stderr.write('by itself'));`;

/** Returns the expected end of a process with threads that hang. Only the native probe can end it with its exit code. */
const forced = (code: number) => (loadProbe().probe ? [code, null] : [null, 'SIGKILL']);

async function run(script: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const ended = once(child, 'close');
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  return { child, ended, stderr: () => stderr };
}

test('a process with threads that hang ends with its exit code when its output was read', async () => {
  const { child, ended, stderr } = await run(`${hang}
    const { exitWithoutWaiting } = await import(${module('roles/exit.ts')});
    const { standardOutput } = await import(${module('output/standard-output.ts')});
    standardOutput().write('x'.repeat(1_000_000));
    process.stderr.write('written ');
    process.exitCode = 7;
    exitWithoutWaiting();`);
  await once(child.stderr, 'data');
  let length = 0;
  // The reader is slower than the writer, and slower than anything that is not waited for.
  for await (const chunk of child.stdout) {
    length += chunk.length;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  const [code, signal] = await ended;
  assert.deepEqual([code, signal], forced(7));
  assert.equal(length, 1_000_000);
  assert.equal(stderr(), 'written ');
});

test('a process with threads that hang ends also when nobody reads its standard error', async () => {
  const { child } = await run(`${hang}
    const { exitWithoutWaiting } = await import(${module('roles/exit.ts')});
    process.stderr.write('x'.repeat(1_000_000));
    process.exitCode = 7;
    exitWithoutWaiting();`);
  child.stderr.pause();
  // Node does not close the pipes before they are read.
  const [code, signal] = await once(child, 'exit');
  assert.deepEqual([code, signal], forced(7));
  child.stderr.resume();
});

test('a process without anything left to do ends by itself', async () => {
  const { child, ended, stderr } = await run(`
    const { exitWithoutWaiting } = await import(${module('roles/exit.ts')});
    process.on('exit', () => process.stderr.write('by itself'));
    process.exitCode = 7;
    exitWithoutWaiting();`);
  child.stdout.resume();
  assert.deepEqual(await ended, [7, null]);
  assert.equal(stderr(), 'by itself');
});

test('a stop that takes too long ends with exit code 1, and a second signal ends it by that signal', async () => {
  const script = `${hang}
    const { lifetime } = await import(${module('roles/lifetime.ts')});
    const { onProcessEnd } = await import(${module('system/process-end.ts')});
    const { writeSync } = await import('node:fs');
    onProcessEnd(() => writeSync(2, 'its last act\\n'));
    const error = (_, message) => console.error(message);
    const life = lifetime({ error, info: error });
    setInterval(() => {}, 1000);
    console.log('ready');`;
  const late = await run(script);
  const twice = await run(script);
  for (const { child } of [late, twice]) {
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    await once(child.stderr, 'data');
  }
  twice.child.kill('SIGINT');
  assert.deepEqual(await twice.ended, [null, 'SIGINT']);
  assert.equal(twice.stderr(), 'stopping\nits last act\n');
  assert.deepEqual(await late.ended, forced(1));
  assert.equal(late.stderr(), 'stopping\nstopping took too long; the process ends now\nits last act\n');
});

for (const [how, end] of [
  ['by a second signal', `(await import(${module('roles/interruption.ts')})).endBySignal('SIGINT');`],
  ['in the middle of a stop', `await (await import(${module('roles/exit.ts')})).exitNow(1);`],
  ['by its last line', 'process.exit(1);'],
] as const) {
  test(`a running tool and its children end with a process that ends ${how}`, async t => {
    const folder = await newFolder();
    const pids = async () =>
      (await readFile(join(folder, 'pids'), 'utf8').catch(() => '')).match(/\d+(?=\n)/g);
    const tool = `sleep 1000 & echo "$$\n$!" >${join(folder, 'pids')}; wait`;
    const { child, ended } = await run(`
      const { startChild } = await import(${module('system/child.ts')});
      startChild('/bin/sh', ['-c', ${JSON.stringify(tool)}], { timeoutMs: 1_000_000, outputLimitBytes: 1 });
      process.stdin.once('data', async () => { ${end} });`);
    t.after(async () => {
      for (const pid of (await pids()) ?? [])
        if (await isRunning(Number(pid))) process.kill(Number(pid), 'SIGKILL');
    });
    await eventually('the tool runs', async () => (await pids())?.length === 2);
    child.stdin.write('end');
    await ended;
    for (const pid of (await pids()) ?? [])
      await eventually(`${pid} has ended`, async () => !(await isRunning(Number(pid))));
  });
}
