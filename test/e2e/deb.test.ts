// The Debian package in a container with a booted systemd is installed, run, upgraded, removed, installed again and purged.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { ServiceReport } from '../../agent/cli/commands/service/service-report.ts';
import type { Role } from '../../agent/config/role.ts';
import { sampleConfig } from '../../agent/config/sample.ts';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { companions } from '../../scripts/packaging/companions.ts';
import { debName, whyNoDeb, writeDeb } from '../../scripts/packaging/deb.ts';
import { ownTarget, type Target } from '../../scripts/packaging/target.ts';
import { cannotPackage, packaged } from '../support/packaged.ts';
import { readShown } from '../support/read-shown.ts';
import { ServiceHost } from '../support/service-host.ts';
import { newFolder } from '../support/temporary.ts';

const target = ownTarget() as Target;
const folder = await newFolder();
const config = '/etc/muster/config.yaml';
const roles: readonly Role[] = ['agent', 'requester'];

const noProbe =
  loadProbe().probe === undefined &&
  'there is no native probe, and only the probe can tell systemd that a role is ready';
const why = cannotPackage || noProbe || (await whyNoDeb(target)) || (await whyNotInstalled());
const booted = why || (await ServiceHost.bare({ '/opt/packages': folder }, '/usr/bin/muster'));
const skip = typeof booted === 'string' ? booted : false;
const host = booted as ServiceHost;

describe('the Debian package', { skip }, () => {
  /** The files before the package was installed. */
  let bare: string[];

  before(async () => {
    const built = await packaged();
    const texts = await companions(built);
    const probe = built.parts['probe.node'];
    const options = {
      target,
      executable: built.file,
      carried: probe ? [probe] : [],
      date: new Date('2026-11-24'),
      fast: true,
    };
    for (const version of [older, newer]) {
      const changelog = `# Changelog\n\n## ${version}\n\n- Something.\n`;
      await writeDeb({ ...options, version, companions: { ...texts, changelog } }, folder);
    }
    // Images for containers forbid packages to start services. In this container, they must be able to.
    await host.systemd.ok('rm', '-f', '/usr/sbin/policy-rc.d');
    // man-db would read every manual page of the machine again after each step of dpkg, for three seconds.
    await host.systemd.ok('rm', '-f', '/var/lib/man-db/auto-update');
    // Every Debian with udev has these groups.
    for (const group of ['render', 'video']) await host.systemd.ok('groupadd', '--force', '--system', group);
    // This folder gets its own file system, as on a disk. On an overlay, newer versions of systemd could not mount the
    // state as strictly.
    await host.systemd.ok('install', '-d', '-m', '700', '/var/lib/private');
    await host.systemd.ok('mount', '-t', 'tmpfs', '-o', 'mode=700', 'muster-test', '/var/lib/private');
    bare = await files();
  });

  after(() => (typeof booted === 'string' ? undefined : booted.systemd.halt()));

  const ok = (program: string, ...args: string[]) => host.systemd.ok(program, ...args);
  // dpkg must ask nothing. Some images leave out documentation, which is needed here.
  const dpkg = (...args: string[]) =>
    ok('sh', '-c', 'exec dpkg --path-include="/usr/share/*" "$@" 2>&1 </dev/null', 'dpkg', ...args);
  const install = (version: string) => dpkg('--install', `/opt/packages/${debName(version, target)}`);
  // dpkg's own records and the index of manual pages are left out.
  const files = () => host.files(/^\/var\/(lib\/dpkg|cache\/man)(\/|$)/);
  const word = async (command: string, role: Role) =>
    (await host.systemd.run('systemctl', command, `muster-${role}`)).stdout.trim();
  const node = async () => (await host.muster('node', 'list')).match(/^\S+ +Requester/m)?.[0];

  it('installs its files, and starts nothing', async () => {
    await install(older);
    const listed = (await ok('dpkg', '--listfiles', 'muster')).split('\n').filter(path => path !== '/.');
    const stats = await ok('stat', '--format=%n %a %U:%G', ...listed);
    for (const line of stats.split('\n')) assert.match(line, /^\S+ (755|644) root:root$/);
    assert.match(stats, /^\/usr\/bin\/muster 755 /m);
    assert.match(stats, /^\/etc\/muster\/config\.yaml 644 /m);
    assert.equal(await ok('dpkg', '--verify', 'muster'), '');
    for (const role of roles) {
      assert.equal(await word('is-enabled', role), 'disabled');
      assert.equal(await word('is-active', role), 'inactive');
      // Older systemd names the unit by the link /lib.
      const unit = await host.show(role, 'FragmentPath');
      assert.equal(unit.replace(/^\/lib\//, '/usr/lib/'), `/usr/lib/systemd/system/muster-${role}.service`);
    }
    assert.equal((await host.systemd.run('pgrep', '-x', 'muster|nats-server')).code, 1);
    assert.equal(await ok('systemctl', 'list-units', '--failed', '--plain', '--no-legend'), '');
    // No earlier file has changed: every other path is one of the package's.
    const paths = (await files())
      .filter(line => !bare.includes(line))
      .map(line => line.split(' ', 1)[0] ?? '');
    for (const path of paths) assert.ok(listed.includes(path), path);
  });

  it('has a correct configuration, and completions and a manual page that can be read', async () => {
    const text = `${await ok('cat', config)}\n`;
    assert.equal(text, sampleConfig('both'));
    const schema = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text)?.[1] ?? '';
    assert.equal((JSON.parse(await ok('cat', schema)) as { title: string }).title, 'muster configuration');
    await host.muster('config', 'check');
    assert.match(await ok('systemd-analyze', 'cat-config', 'systemd/system-preset'), /disable muster-agent/);
    await ok('bash', '-n', '/usr/share/bash-completion/completions/muster');
    assert.match(await ok('sh', '-c', 'zcat /usr/share/man/man1/muster.1.gz'), /^\.TH "?MUSTER"? /im);
    assert.match(await ok('sh', '-c', 'zcat /usr/share/doc/muster/THIRD-PARTY-NOTICES.gz'), /Node\.js 26/);
  });

  it('becomes a requester and a node with its own units', async () => {
    await ok('sed', '-i', 's/^  #heartbeatFrequency: 15s$/  heartbeatFrequency: 1s/', config);
    await ok('grep', '-q', '^  heartbeatFrequency: 1s$', config);
    await ok('systemctl', 'enable', '--now', 'muster-requester');
    const said = await host.muster('service', 'install', '--role', 'agent');
    assert.match(said, /\/usr\/lib\/systemd\/system\/muster-agent\.service comes from a package and is used/);
    // The requester runs here, so the command makes a join code by itself.
    assert.match(said, /^write +\/etc\/credstore\/muster-agent\.join\.code$/m);
    await host.untilStatus('agent', /^pending approval/);
    await host.muster('node', 'approve', await host.node());
    await host.untilStatus('agent', /^approved/);
    const reports = readShown<ServiceReport[]>(await host.muster('service', 'status', '-o', 'json'));
    for (const { installed, enabled, state } of reports)
      assert.deepEqual([installed, enabled, state], ['package', true, 'running']);
    const groups = await ok('ps', '-o', 'supgrp=', '-p', await host.pid('agent'));
    assert.match(groups, /render.*video|video.*render/);
  });

  it('restarts running roles with an upgrade, with the same state, and keeps a changed configuration', async () => {
    await ok('sh', '-c', `echo '# by hand' >>${config}`);
    const text = await ok('cat', config);
    const [identity, requester] = [await host.identity(), await node()];
    const pids = await Promise.all(roles.map(role => host.pid(role)));
    await install(newer);
    assert.match(await ok('dpkg', '--status', 'muster'), new RegExp(`^Version: ${newer}$`, 'm'));
    assert.equal(await ok('cat', config), text);
    assert.deepEqual((await ok('ls', '/etc/muster')).split('\n'), ['config.yaml']);
    for (const [index, role] of roles.entries()) {
      await host.until(role, 'ActiveState', /^active$/);
      const pid = await host.pid(role);
      assert.notEqual(pid, pids[index]);
      assert.equal(await ok('readlink', `/proc/${pid}/exe`), '/usr/bin/muster');
      assert.equal(await word('is-enabled', role), 'enabled');
    }
    await host.untilStatus('agent', /^approved/);
    assert.deepEqual([await host.identity(), await node()], [identity, requester]);
    assert.equal(await host.registrations(), 1);
  });

  it('leaves a role running when the configuration is bad at an upgrade, and restarts it once that is corrected', async () => {
    const pids = await Promise.all(roles.map(role => host.pid(role)));
    const text = `${await ok('cat', config)}\n`;
    // The requester refuses this setting, and the agent ignores it.
    await host.systemd.write(config, text.replace(/^api:$/m, 'api:\n  port: 4222'));
    const said = await install(newer);
    assert.match(said, /muster-requester\.service still runs the old version/);
    assert.match(said, /^Error: \/etc\/muster\/config\.yaml:\d+: api\.port: 4222 is also broker\.port/m);
    assert.match(said, /systemctl restart muster-requester/);
    assert.doesNotMatch(said, /muster-agent\.service still runs/);
    assert.equal(await host.pid('requester'), pids[1]);
    assert.notEqual(await host.pid('agent'), pids[0]);
    // The file is correct again, but the user of the roles cannot read it.
    await host.systemd.write(config, text, 0o600);
    const closed = await install(newer);
    assert.match(
      closed,
      /muster-agent\.service still runs .*\n.*config\.yaml: cannot be read: permission denied/,
    );
    assert.match(closed, /muster-requester\.service still runs/);
    await ok('chmod', '644', config);
    assert.doesNotMatch(await install(newer), /still runs/);
    await host.until('requester', 'ActiveState', /^active$/);
    assert.notEqual(await host.pid('requester'), pids[1]);
    await host.untilStatus('agent', /^approved/);
  });

  it('does not start a stopped role when it is installed again', async () => {
    await ok('systemctl', 'stop', 'muster-agent');
    await install(newer);
    assert.equal(await word('is-active', 'agent'), 'inactive');
    await host.until('requester', 'ActiveState', /^active$/);
    await ok('systemctl', 'start', 'muster-agent');
  });

  it('keeps configuration, keys and state when it is removed, and is the same node when it is installed again', async () => {
    const identity = await host.identity();
    await dpkg('--remove', 'muster');
    for (const path of [
      '/usr/bin/muster',
      '/usr/share/muster',
      '/usr/lib/systemd/system/muster-agent.service',
    ])
      assert.equal((await host.systemd.run('test', '-e', path)).code, 1, path);
    assert.equal((await host.systemd.run('pgrep', '-x', 'muster|nats-server')).code, 1);
    assert.match(await ok('cat', config), /# by hand/);
    await ok('test', '-s', '/var/lib/private/muster/agent/identity.nk');
    await install(newer);
    assert.match(await ok('cat', config), /# by hand/);
    // The roles are still enabled for the next boot, but an installation starts nothing.
    for (const role of roles) {
      assert.equal(await word('is-enabled', role), 'enabled');
      assert.equal(await word('is-active', role), 'inactive');
    }
    await ok('systemctl', 'start', 'muster-requester', 'muster-agent');
    await host.untilStatus('agent', /^approved/);
    assert.equal(await host.identity(), identity);
    assert.equal(await host.registrations(), 1);
  });

  it('keeps its unit when muster service uninstalls the role, also while the role waits for its restart', async () => {
    await host.dropIn('agent', 'slow', '[Service]\nRestartSec=1h');
    await ok('systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'muster-agent');
    await host.until('agent', 'SubState', /^auto-restart/);
    const said = await host.muster('service', 'uninstall', '--role', 'agent');
    assert.match(said, /muster-agent\.service belongs to a package, which removes it/);
    assert.deepEqual(
      [await word('is-enabled', 'agent'), await word('is-active', 'agent')],
      ['disabled', 'inactive'],
    );
    await host.muster('service', 'install', '--role', 'agent');
    await host.untilStatus('agent', /^approved/);
    assert.equal(await host.registrations(), 1);
  });

  it('leaves nothing when it is purged', async () => {
    await host.dropIn('agent', 'by-hand', '[Service]\nRestartSec=1s');
    await host.systemd.write('/etc/muster/token', 'secret', 0o600);
    const said = await dpkg('--purge', 'muster');
    // If /lib is a link, dpkg warns about a folder that other packages use too.
    assert.doesNotMatch(said, /warning(?!: while removing muster, directory '\/usr\/lib\/)/);
    // A secret in /etc/credstore is the operator's.
    await ok('rm', '-r', '/etc/credstore');
    assert.equal((await host.systemd.run('pgrep', '-x', 'muster|nats-server')).code, 1);
    assert.deepEqual(await files(), bare);
    assert.equal(await ok('ls', '-A', '/var/lib/private'), '');
    assert.equal((await host.systemd.run('dpkg', '--status', 'muster')).code, 1);
    assert.equal(await ok('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'muster*'), '');
    assert.equal((await host.systemd.run('getent', 'passwd', 'muster')).code, 2);
  });
});

const older = '0.1.0';
const newer = '0.1.1';

/** Returns why dpkg would refuse the package on this machine, whose files the container has; undefined when it would not. */
async function whyNotInstalled(): Promise<string | undefined> {
  for (const name of ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1']) {
    const { stdout } = await promisify(execFile)('dpkg', ['--status', name]).catch(() => ({ stdout: '' }));
    if (!/^Status: install ok installed$/m.test(stdout))
      return `${name}, which the package depends on, is not installed here as a Debian package`;
  }
  return undefined;
}
