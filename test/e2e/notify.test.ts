// The address of the service manager is used by the role that got it, and not passed to its children.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { Program } from '../support/program.ts';

const skip = process.platform !== 'linux' && 'only Linux shows the environment of a process, in /proc';

/** An address at which nobody reads. */
const manager = { NOTIFY_SOCKET: '/nonexistent/notify', WATCHDOG_USEC: '3000000' };

/** Returns each process below `pid` with the variables of a service manager that are in its environment. */
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

describe('the address of a service manager', { skip }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.create();
  });

  after(() => cluster.release());

  it("is not passed to the requester's broker, nor to the processes of muster dev", async () => {
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

  it('that cannot be reached is logged, and stops no role', async () => {
    await cluster.requester();
    const agent = await cluster.agent('notified', {}, { env: manager });
    await cluster.until('notified', 'PENDING HEALTHY');
    const { probe } = loadProbe();
    const said = probe
      ? 'the service manager cannot be notified'
      : 'only the native probe can notify the service manager: the unit stays "activating" although the role works; with Type=exec in a drop-in it counts as started';
    await eventually('that is logged', () => agent.logged(said).length > 0);
    assert.equal(agent.logged(said).length, 1);
    assert.equal((await agent.stop()).code, 0);
  });
});
