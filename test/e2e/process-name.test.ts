// Checks that every process of the program is called "muster" in ps, top and systemctl status, and keeps its command line.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { main } from '../cli/program.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { Program } from '../support/program.ts';
import { newFolder } from '../support/temporary.ts';

interface Process {
  readonly pid: string;
  readonly parent: string;
  readonly name: string;
  readonly args: string;
}

async function processes(): Promise<Process[]> {
  const { stdout } = await promisify(execFile)('/bin/ps', ['-eo', 'pid=,ppid=,comm=,args=']);
  const lines = stdout.split('\n').map(line => /^ *(\d+) +(\d+) +(\S+) +(.*)$/.exec(line) ?? []);
  return lines.map(([, pid = '', parent = '', name = '', args = '']) => ({ pid, parent, name, args }));
}

const skip = process.platform !== 'linux' && 'only Linux calls a process node-MainThread';

test('dev, the requester and the agent are called muster', { skip }, async t => {
  const folder = await newFolder();
  const ports = ['--api-port', String(await freePort()), '--broker-port', String(await freePort())];
  const dev = new Program(['dev', '--data-dir', folder, ...ports]);
  t.after(() => dev.stop());
  const missing = new Set([`dev --data-dir ${folder}`, 'requester', 'agent']);
  await eventually('all are called muster', async () => {
    const all = await processes();
    const named = all.filter(
      ({ pid, parent, name }) => name === 'muster' && [pid, parent].includes(String(dev.pid)),
    );
    for (const { args } of named)
      for (const words of missing)
        if (/ \S*\/main\.c?[jt]s (.*)/.exec(args)?.[1]?.startsWith(words)) missing.delete(words);
    return missing.size === 0;
  }).catch(error => assert.fail(`${error}; still missing: ${[...missing]}`));
});

test('the child that takes the inventory of an agent is called muster', { skip }, async () => {
  // It runs for too short a time to be caught by ps for sure, so it prints its own name at its end.
  const hook = `import { readFileSync, writeSync } from 'node:fs';
    process.on('exit', () => writeSync(2, readFileSync('/proc/self/comm', 'utf8')));`;
  const args = [`--import=data:text/javascript,${encodeURIComponent(hook)}`, main, 'inventory-child'];
  const { stderr } = await promisify(execFile)(process.execPath, args);
  assert.equal(stderr, 'muster\n');
});
