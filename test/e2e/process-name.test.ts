// Checks that every process of the program is called "muster" in ps, top and systemctl status, and keeps its command line.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
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

test('dev, the requester, the agent and the child of the agent are called muster', { skip }, async t => {
  const folder = await newFolder();
  const ports = ['--api-port', String(await freePort()), '--broker-port', String(await freePort())];
  const dev = new Program(['dev', '--data-dir', folder, ...ports]);
  t.after(() => dev.stop());
  const missing = new Set([
    `main.ts dev --data-dir ${folder}`,
    'main.ts requester',
    'main.ts agent',
    'inventory-child',
  ]);
  // The inventory is taken after the first heartbeat, and takes a second.
  await eventually('all are called muster', async () => {
    const all = await processes();
    const children = (parents: string[]) => all.filter(({ parent }) => parents.includes(parent));
    const own = children([String(dev.pid)]);
    const named = [
      ...all.filter(({ pid }) => pid === String(dev.pid)),
      ...own,
      ...children(own.map(({ pid }) => pid)),
    ];
    for (const { args } of named.filter(each => each.name === 'muster'))
      for (const words of missing) if (args.includes(words)) missing.delete(words);
    return missing.size === 0;
  }).catch(error => assert.fail(`${error}; still missing: ${[...missing]}`));
});
