// `muster service` makes a cluster from a bare machine, and a bare machine again. systemd runs in a container.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { ServiceReport } from '../../agent/cli/commands/service/service-report.ts';
import type { Role } from '../../agent/config/role.ts';
import { eventually } from '../support/eventually.ts';
import { readShown } from '../support/read-shown.ts';
import { ServiceHost } from '../support/service-host.ts';

const booted = await ServiceHost.boot();
const skip = typeof booted === 'string' ? booted : false;
const host = booted as ServiceHost;
const systemd = typeof booted === 'string' ? undefined : booted.systemd;
const program = '/usr/local/bin/muster';

describe('muster service', { skip }, () => {
  after(() => systemd?.halt());

  const service = (command: string, ...args: string[]) => host.muster('service', command, ...args);
  const install = (role: Role, executable = program, ...args: string[]) =>
    service('install', '--role', role, '--executable', executable, ...args);

  async function status(...args: string[]): Promise<{ code: number | null; reports: ServiceReport[] }> {
    const { code, stdout, stderr } = await host.systemd.run(
      program,
      'service',
      'status',
      '-o',
      'json',
      ...args,
    );
    assert.equal(stderr, '');
    return { code, reports: readShown<ServiceReport[]>(stdout) };
  }

  const machine = () => host.files();

  /** Returns all files but those in the broker's store, which change all the time. */
  const still = () => host.files(/\/muster\/broker\//);

  it('makes a cluster of both roles from a bare machine, and a bare machine again', async () => {
    const bare = await machine();
    assert.ok(
      bare.some(line => line.startsWith(program)),
      'it is the machine that is looked at',
    );
    assert.equal((await status()).code, 1);

    // The packaged file knows its own path.
    if (host.packaged) await service('install', '--role', 'requester', '--no-start');
    await install('requester');
    await host.until('requester', 'ActiveState', /^active$/);
    assert.match(
      await install('requester'),
      /^Nothing to do: muster-requester\.service is as it should be\.$/,
    );
    // The requester runs here, so root needs no code: the command makes one, and does not wait for the cluster.
    const installed = await host.systemd.run(
      program,
      'service',
      'install',
      '--role',
      'agent',
      '--executable',
      program,
    );
    assert.equal(installed.code, 0, installed.stderr);
    assert.match(installed.stderr, /a join code was made for its agent/);
    assert.match(installed.stdout, /^write +\/etc\/credstore\/muster-agent\.join\.code$/m);
    assert.doesNotMatch(installed.stdout + installed.stderr, /muster1\./);
    await host.untilStatus('agent', /^pending approval/);
    const { code, reports } = await status();
    assert.equal(code, 0);
    for (const { installed, enabled, state, pid, since, says, status } of reports) {
      assert.deepEqual([installed, enabled, state], ['yes', true, 'running']);
      assert.ok(pid && since && says && status?.pid === pid);
    }
    await host.muster('node', 'approve', await host.node());
    await host.untilStatus('agent', /^approved/);
    const shown = await service('status');
    assert.match(shown, /^ {2}says +approved, last heartbeat acknowledged \d+ s ago$/m);
    assert.match(shown, /^ {2}state +approved$/m);

    await upgrade();

    const other = (await still()).filter(line => !/muster-agent|\/muster\/agent/.test(line));
    await service('uninstall', '--role', 'agent', '--purge');
    assert.deepEqual(await still(), other);
    await newHost();
    assert.equal(await host.show('requester', 'ActiveState'), 'active');
    const left = await status();
    assert.deepEqual([left.code, left.reports.map(each => each.installed)], [0, ['no', 'yes']]);

    // After an uninstallation and an installation, it is the same requester.
    const cluster = left.reports[1]?.status;
    await service('uninstall', '--role', 'requester');
    assert.equal((await status()).code, 1);
    await install('requester');
    await host.until('requester', 'ActiveState', /^active$/);
    const again = (await status('--role', 'requester')).reports[0]?.status;
    assert.deepEqual([again?.role, again?.node], ['requester', cluster?.node]);

    const purged = await service('uninstall', '--role', 'requester', '--purge');
    assert.match(purged, /^remove +\/var\/lib\/private\/muster\/$/m);
    await host.systemd.ok('rm', '-rf', '/etc/credstore');
    assert.deepEqual(await machine(), bare);
    assert.equal((await host.systemd.run('pgrep', '-f', '/opt/muster/|nats-server')).code, 1);
    const units = ['list-units', '--all', '--plain', '--no-legend', 'muster*'];
    assert.equal(await host.systemd.ok('systemctl', ...units), '');
    assert.equal((await host.systemd.run('getent', 'passwd', 'muster')).code, 2);
  });

  /** Upgrades the program: the unit is replaced, and the agent is restarted as the same node. */
  async function upgrade(): Promise<void> {
    const [pid, identity] = [await host.pid('agent'), await host.identity()];
    await host.systemd.ok('ln', '-s', program, '/usr/local/bin/muster-newer');
    await install('agent', '/usr/local/bin/muster-newer');
    await eventually('another process runs', async () => {
      const now = await host.pid('agent');
      return now !== '0' && now !== pid;
    });
    await host.untilStatus('agent', /^approved/);
    assert.equal(await host.identity(), identity);
    assert.equal(await host.registrations(), 1);
    // A unit that somebody has changed is not replaced.
    const unit = '/etc/systemd/system/muster-agent.service';
    await host.systemd.ok('sed', '-i', 's/^RestartSec=.*/RestartSec=9s/', unit);
    const refused = await host.systemd.run(
      program,
      'service',
      'install',
      '--role',
      'agent',
      '--executable',
      program,
    );
    assert.equal(refused.code, 0);
    assert.match(
      refused.stderr,
      /left unchanged: it was changed after it was installed; --force replaces it/,
    );
    await install('agent', program, '--force');
    await host.systemd.ok('rm', '/usr/local/bin/muster-newer');
    await host.untilStatus('agent', /^approved/);
  }

  /** Installs an agent that asks for a code, as on a new machine, and removes it again. */
  async function newHost(): Promise<void> {
    const before = await still();
    const command = `${program} service install --role agent --executable ${program} --join`;
    // A code that is torn is told before anything is changed.
    const torn = await host.systemd.run('sh', '-c', `echo muster1.torn | ${command}`);
    assert.equal(torn.code, 1);
    assert.match(torn.stderr, /a part of the join code is missing or was changed/);
    assert.deepEqual(await still(), before);
    await host.systemd.ok(
      'sh',
      '-c',
      `umask 077; ${program} join-code create --approve >/run/code 2>/dev/null`,
    );
    const shown = await host.systemd.ok('sh', '-c', `${command} </run/code`);
    const code = (await host.systemd.ok('cat', '/run/code')).trim();
    assert.ok(!shown.includes(code));
    await host.untilStatus('agent', /^approved/);
    assert.ok(!(await host.journal('agent')).includes(code));
    await service('uninstall', '--role', 'agent', '--purge');
    await host.systemd.ok('rm', '/run/code');
    assert.deepEqual(await still(), before);
  }

  it('installs an agent of one user, in that user’s systemd', async t => {
    await host.systemd.ok('loginctl', 'enable-linger', 'root');
    const env = ['HOME=/root', 'XDG_RUNTIME_DIR=/run/user/0'];
    const manager = async () =>
      (await host.systemd.run('systemctl', 'is-active', 'user@0.service')).stdout.trim();
    await eventually('the user’s systemd is up, or cannot be', async () =>
      /^(active|failed)$/.test(await manager()),
    );
    if ((await manager()) !== 'active') return t.skip('users have no systemd in this container');
    const muster = (...args: string[]) => host.systemd.ok('env', ...env, program, ...args);
    const active = async () =>
      (
        await host.systemd.run('env', ...env, 'systemctl', '--user', 'is-active', 'muster-requester')
      ).stdout.trim();
    await muster('service', 'install', '--user', '--role', 'requester', '--executable', program);
    await eventually('it runs', async () => (await active()) === 'active');
    const shown = await muster('service', 'status', '--user', '--role', 'requester');
    assert.match(shown, /^ {2}installed +\/root\/\.config\/systemd\/user\/muster-requester\.service$/m);
    assert.match(shown, /^ {2}says +ready/m);
    await muster('service', 'uninstall', '--user', '--role', 'requester', '--purge');
    assert.equal(await active(), 'inactive');
    for (const path of [
      '.config/muster',
      '.local/share/muster',
      '.config/systemd/user/muster-requester.service',
    ])
      assert.equal((await host.systemd.run('test', '-e', `/root/${path}`)).code, 1, path);
  });

  it('lets the agent of one user read that user’s configuration, which doctor reads too', async () => {
    const home = '/srv/somebody';
    const doctor = async () => {
      const { stdout } = await host.systemd.run(
        ...(['setpriv', '--reuid=4711', '--regid=4711', '--clear-groups', 'env', `HOME=${home}`] as const),
        ...[program, 'doctor', '--role', 'agent', '-o', 'json'],
      );
      const { checks } = readShown<{ checks: { check: string; findings: { text: string }[] }[] }>(stdout);
      return checks.find(({ check }) => check === 'configuration')?.findings[0]?.text;
    };
    await host.systemd.write('/etc/muster/config.yaml', 'node: {id: of-the-machine}\n');
    await host.systemd.write(`${home}/.config/muster/config.yaml`, 'node: {id: of-somebody}\n');
    assert.equal(await doctor(), '/etc/muster/config.yaml');
    await host.systemd.write(`${home}/.config/systemd/user/muster-agent.service`, '[Unit]\n');
    assert.equal(await doctor(), `${home}/.config/muster/config.yaml`);
    await host.systemd.ok('rm', '-r', home, '/etc/muster');
  });
});
