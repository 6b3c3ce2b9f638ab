// Checks that `muster dev`, run from a checkout, keeps its state in the checkout, and that the other commands find it there.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/listener.ts';
import { muster, Program } from '../support/program.ts';
import { copyProgram } from '../support/program-copy.ts';
import { newFolder } from '../support/temporary.ts';

test('the state of muster dev is in .tools of the checkout, where status, register and doctor find it', async t => {
  const main = await copyProgram(await newFolder());
  const tools = join(dirname(dirname(main)), '.tools');
  const home = await newFolder();
  const env = { HOME: home };
  const ports = ['--api-port', String(await freePort()), '--broker-port', String(await freePort())];
  const dev = new Program(['dev', ...ports], { main, env });
  t.after(() => dev.stop());
  await dev.untilPrinted(/Ctrl-C stops everything/);
  assert.ok(dev.stdout.startsWith(`state is kept in ${tools}/dev\n`), dev.stdout);
  assert.deepEqual((await readdir(join(tools, 'dev'))).filter(name => name.startsWith('node-')).sort(), [
    'node-0',
    'node-1',
  ]);
  assert.deepEqual(await readdir(home), []);

  const status = await muster(['status'], { main, env });
  assert.match(status.stdout, /^requester node-0\n[\s\S]*\nagent node-1\n/);
  const register = await muster(['agent', 'register'], { main, env });
  assert.equal(register.code, 69);
  assert.ok(register.stderr.includes(`${tools}/dev/node-1`), register.stderr);
  const doctor = await muster(['doctor', '--role', 'agent'], { main, env });
  assert.ok(doctor.stdout.includes(`--data-dir ${tools}/dev/node-1`), doctor.stdout);
});

test('an explicit data folder comes before the checkout', async t => {
  const main = await copyProgram(await newFolder());
  const folder = await newFolder();
  const ports = ['--api-port', String(await freePort()), '--broker-port', String(await freePort())];
  const dev = new Program(['dev', '--nodes', '0', ...ports], { main, env: { MUSTER_DATA_DIR: folder } });
  t.after(() => dev.stop());
  await dev.untilPrinted(/Ctrl-C stops everything/);
  assert.ok(dev.stdout.startsWith(`state is kept in ${folder}/dev\n`), dev.stdout);
  // The folder that status needs is another one than that of the state.
  const [, named = ''] = /status --data-dir (\S+)/.exec(dev.stdout) ?? [];
  assert.match((await muster(['status', '--data-dir', named], { main })).stdout, /^requester node-0\n/);
});
