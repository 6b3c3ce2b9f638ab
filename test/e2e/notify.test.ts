// The address of the service manager: used by the process that it was given to, and handed on to none of its children.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { Cluster } from '../support/cluster.ts';
import { freePort } from '../support/listener.ts';
import { Program } from '../support/program.ts';

const skip =
  process.platform !== 'linux' && 'what a process was started with is seen in /proc, which is Linux';

/** Nobody reads there. */
const manager = { NOTIFY_SOCKET: '/nonexistent/notify', WATCHDOG_USEC: '3000000' };

/** Which variables of a service manager's the processes below `pid` were started with, each with its command line. */
async function inherited(pid: number): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir('/proc')) {
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
    if (Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]) !== pid) continue;
    const environment = (await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '')).split('\0');
    const command = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0').join(' ');
    const kept = environment.filter(entry => /^(NOTIFY_SOCKET|WATCHDOG_)/.test(entry));
    found.push(`${command}: ${kept.join(' ') || 'none'}`, ...(await inherited(Number(name))));
  }
  return found;
}

describe('a service manager that asked to be told', { skip }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.create();
  });

  after(() => cluster.release());

  it('is not known to the broker of a requester, nor to what muster dev starts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'muster-notify-'));
    const ports = ['--api-port', String(await freePort()), '--broker-port', String(await freePort())];
    const dev = new Program(['dev', '--data-dir', folder, ...ports], { env: manager });
    try {
      await dev.untilPrinted(/Ctrl-C stops everything/);
      const below = await inherited(dev.pid);
      assert.ok(below.some(line => line.includes('nats-server')) && below.some(line => / agent /.test(line)));
      assert.deepEqual(
        below.filter(line => !line.endsWith(': none')),
        [],
      );
    } finally {
      await dev.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('and cannot be told, stops nobody, and is in the log', async () => {
    await cluster.requester();
    const agent = await cluster.agent('told', {}, { env: manager });
    await cluster.until('told', 'PENDING HEALTHY');
    const { probe } = loadProbe();
    const said = probe
      ? 'the service manager cannot be told how this goes'
      : 'only the native probe can tell the service manager how this goes: its unit stays "activating" while all works; with Type=exec in a drop-in it counts as started';
    assert.equal(agent.logged(said).length, 1);
    assert.equal((await agent.stop()).code, 0);
  });
});
