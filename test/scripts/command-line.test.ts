// Tests the command line of scripts/test, whose errors say what is right instead.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../scripts/packaging/checkout.ts';
import { newFolder } from '../support/temporary.ts';

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function scriptsTest(...args: string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(join(checkout, 'scripts/test'), args, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('--help shows every way to run it', async () => {
  const { code, stdout } = await scriptsTest('--help');
  assert.equal(code, 0);
  for (const way of ['check', 'unit', 'e2e', 'FOLDER', 'FILE', '--name TEXT', '--seed NUMBER'])
    assert.ok(stdout.includes(`scripts/test ${way} `), way);
});

test('a folder that does not exist is refused with a list of the folders', async () => {
  const { code, stderr } = await scriptsTest('requestr');
  assert.equal(code, 64);
  assert.match(stderr, /^muster: there are no tests in test\/requestr; the folders are:\n/);
  assert.match(stderr, /\brequester\/roll\b/);
});

test('an option that does not exist is refused with the usage, and one without its value too', async () => {
  const unknown = await scriptsTest('--nam', 'x');
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /^muster: there is no option --nam\n +scripts\/test +everything\n/);
  assert.equal((await scriptsTest('--name')).stderr, 'muster: --name needs a value\n');
  assert.equal((await scriptsTest('--seed', 'x')).stderr, "muster: --seed takes a whole number, not 'x'\n");
});

test('an empty text asks for nothing, so it is refused and does not run every test', async () => {
  const ended = await Promise.all(
    [['--name', ''], ['--name='], ['--seed='], ['']].map(args => scriptsTest(...args)),
  );
  assert.deepEqual(
    ended.map(({ code, stderr }) => [code, stderr.split('\n')[0]]),
    [
      [64, 'muster: --name needs a value'],
      [64, 'muster: --name needs a value'],
      [64, 'muster: --seed needs a value'],
      [64, 'muster: the name of the folder or file is empty'],
    ],
  );
});

test('a folder outside test/ is refused', async () => {
  const { code, stderr } = await scriptsTest('../agent');
  assert.equal(code, 64);
  assert.match(stderr, /^muster: there are no tests in test\/\.\.\/agent; the folders are:\n/);
});

test('the checks run no test, so a name or a seed is refused', async () => {
  for (const option of ['--name', '--seed']) {
    const { code, stderr } = await scriptsTest('check', option, '1');
    assert.equal(code, 64);
    assert.equal(stderr, `muster: check runs no test, so it takes neither --name nor --seed\n`);
  }
});

test('checks that a signal interrupts are not reported as done', async () => {
  // The script itself, with a set-up that installs nothing and a compiler that is interrupted.
  const folder = await newFolder();
  await mkdir(join(folder, 'scripts'));
  await copyFile(join(checkout, 'scripts/test'), join(folder, 'scripts/test'));
  const setup = `
    have() { false; }
    setup_node() { :; }
    setup_nats() { :; }
    setup_native() { :; }
    setup_web() { :; }
    setup_test_programs() { :; }
    find_kept() { :; }
    tsc() { kill -TERM $$; }`;
  await writeFile(join(folder, 'scripts/setup.sh'), setup);
  const stdout = await new Promise<string>(resolve =>
    execFile(join(folder, 'scripts/test'), ['check'], (_error, text) => resolve(text)),
  );
  assert.match(stdout, /== types ==/);
  assert.match(stdout, /0 passed, 1 failed/);
});
