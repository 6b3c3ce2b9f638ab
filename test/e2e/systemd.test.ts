// Tests both roles as services of a booted systemd: readiness and status, restarts, the watchdog, credentials and the
// sandbox.
import assert from 'node:assert/strict';
import { after, beforeEach, describe, it } from 'node:test';
import type { Role } from '../../agent/config/role.ts';
import { unitFile } from '../../agent/service/systemd-units.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceHost } from '../support/service-host.ts';

const booted = await ServiceHost.boot();
const skip = typeof booted === 'string' ? booted : false;
const host = booted as ServiceHost;
const systemd = typeof booted === 'string' ? undefined : booted.systemd;
/** Lets `find` go on when a file goes while it looks: a broker makes and removes some all the time. */
const andChanges = ['-ignore_readdir_race'];

describe('as a service of systemd', { skip }, () => {
  const ok = (program: string, ...args: string[]) => host.systemd.ok(program, ...args);

  beforeEach(() => host.reset());
  after(() => systemd?.halt());

  it('is active when it is ready, shows its status, and changes it with an approval', async () => {
    const node = await host.cluster();
    assert.match(await host.show('requester', 'StatusText'), /^ready, \d+ nodes?/);
    assert.equal(await host.show('agent', 'ActiveState'), 'active');
    assert.match(
      await host.show('agent', 'StatusText'),
      /^pending approval, fingerprint [A-Z2-7]{4}(-[A-Z2-7]{4}){3}$/,
    );
    for (const role of ['agent', 'requester'] as const) {
      const pid = await host.show(role, 'MainPID');
      assert.equal((await ok('cat', `/proc/${pid}/comm`)).trim(), 'muster', 'what systemctl status calls it');
    }
    await host.untilStatus('requester', /^ready, 2 nodes, 1 pending approval$/);
    await host.muster('node', 'approve', node);
    await host.untilStatus('agent', /^approved, last heartbeat acknowledged \d+ s ago$/);
    await host.muster('node', 'reject', node, '-m', 'not ours');
    await host.untilStatus('agent', /^an operator rejected this node: not ours; to let it take part/);
    await host.muster('node', 'approve', node);
    await host.untilStatus('agent', /^approved/);
    await host.muster('node', 'delete', node);
    await host.untilStatus('agent', /^an operator deleted this node; .*: muster agent register$/);
    await host.muster('agent', 'register');
    await host.untilStatus('agent', /^pending approval/);
    assert.equal(await host.show('agent', 'NRestarts'), '0');
  });

  it('is found by muster status, and a second one started by hand cannot use its state', async () => {
    const node = await host.cluster();
    // By the short intervals of the tests, a busy machine is late for a moment, which is a trouble.
    const { stdout: status } = await host.systemd.run(host.program, 'status');
    assert.match(status, /^requester [\s\S]*\nagent /);
    assert.ok(status.includes(node));
    // A role that root starts by hand may not write to the state of the service, which could not read root's files later.
    const byHand = async (role: string) => {
      const { code, stderr } = await host.systemd.run('muster', role);
      assert.equal(code, 77, stderr);
      assert.match(stderr, /\/var\/lib\/muster belongs to services of systemd/);
    };
    await byHand('agent');
    await ok('systemctl', 'stop', 'muster-agent');
    await byHand('agent');
    await byHand('requester');
    await host.start('agent');
    // Root makes a backup, and hands out the keys, of which one is made for that: the service must be able to read it.
    await ok('muster', 'backup', '/run/muster.backup');
    await ok('muster', 'broker', 'share-keys', '--save', '/run/keys.json');
    await ok('test', '-s', '/var/lib/muster/requester/callout.xk');
    const before = await ok('find', '/var/lib/muster/', ...andChanges, '!', '-user', 'muster');
    assert.equal(before, '');
    const other = await host.systemd.run('setpriv', '--reuid=65534', '--clear-groups', 'muster', 'status');
    assert.equal(other.code, 77, other.stderr);
    assert.match(other.stderr, /not allowed to ask .*\/var\/lib\/muster/);
  });

  it('reloads its configuration for systemd, and a bad one changes only its status text', async () => {
    await host.cluster();
    const before = new Date();
    await ok('systemctl', 'log-level', 'debug');
    await host.configure({ 'node.labels': { rack: 'r1' }, 'node.id': 'another' });
    await ok('systemctl', 'reload', 'muster-agent');
    await eventually('the label is in the list of nodes', async () =>
      /Compute/.test(await host.muster('node', 'list', '--labels', 'rack=r1')),
    );
    await ok('systemctl', 'log-level', 'info');
    const reloads = (await host.systemd.journal(before, '_PID=1')).flatMap(entry => {
      const at = /message from PID \d+ \(RELOADING=1, MONOTONIC_USEC=(\d+)\)/.exec(
        String(entry.MESSAGE),
      )?.[1];
      return at === undefined ? [] : [{ at: Number(at), received: Number(entry.__MONOTONIC_TIMESTAMP) }];
    });
    assert.equal(reloads.length, 1);
    // systemd and the role use the same clock, so the time in the message is earlier than when systemd received it.
    for (const { at, received } of reloads)
      assert.ok(at <= received && received - at < 60_000_000, `${at} ${received}`);
    assert.match(
      await host.journal('agent'),
      /"changed":\["node\.id"\],"msg":"these settings change only with a restart"/,
    );
    await host.until('agent', 'SubState', /^running$/);

    await host.configure({ 'node.labels': { rack: 'r2' }, 'compute.heartbeatFrequenc': '5s' });
    await ok('systemctl', 'reload', 'muster-agent');
    await host.untilStatus(
      'agent',
      /^pending approval, .*; the new configuration is refused, the old one stays in use: .*heartbeatFrequenc is not a setting/,
    );
    await host.systemd.write('/etc/empty.yaml', '');
    const listed = await host.muster('node', 'list', '--labels', 'rack=r1', '--config', '/etc/empty.yaml');
    assert.match(listed, /Compute/);
    assert.equal(await host.show('agent', 'SubState'), 'running');

    await host.configure({ 'node.labels': { rack: 'r3' } });
    await ok('systemctl', 'reload', 'muster-agent');
    await host.untilStatus('agent', /^pending approval, fingerprint [A-Z2-7-]+$/);

    // The scheduler writes into the /tmp of the machine, and the service has another one: it must not look idle.
    await host.systemd.write('/tmp/busy', '2');
    await host.configure({ 'node.labels': { rack: 'r1' }, 'compute.busyFile': '/tmp/busy' });
    await ok('systemctl', 'reload', 'muster-agent');
    await eventually('it says that nobody can tell', async () => {
      const { stdout } = await host.systemd.run('muster', 'status');
      return /whether this machine is\s+busy:\s+this\s+service\s+has\s+a\s+\/tmp\s+of\s+its\s+own/.test(
        stdout,
      );
    });
  });

  it('cannot be reloaded by systemd while the broker is away, but by a signal', async () => {
    await host.configure({});
    await host.dropIn('agent', 'short', '[Unit]\nJobRunningTimeoutSec=1s');
    // systemctl does not wait any longer, and the unit is still "activating".
    assert.notEqual((await host.systemd.run('systemctl', 'start', 'muster-agent')).code, 0);
    await host.untilStatus('agent', /^broker unreachable/);
    await host.configure({ 'log.level': 'debug' });
    const { stderr } = await host.systemd.run('systemctl', 'reload', 'muster-agent');
    assert.match(stderr, /not active, cannot reload/);
    await ok('systemctl', 'kill', '--kill-whom=main', '--signal=HUP', 'muster-agent');
    await eventually('the configuration is read again', async () =>
      /"changed":\["log\.level"\],"msg":"configuration read again"/.test(await host.journal('agent')),
    );
    assert.equal(await host.show('agent', 'ActiveState'), 'activating');
  });

  it('is killed by the watchdog when its event loop hangs, and restarts as the same node', async () => {
    await host.dropIn('agent', 'watchdog', '[Service]\nWatchdogSec=6s');
    await host.cluster();
    const [pid, identity] = [await host.pid('agent'), await host.identity()];
    await ok('kill', '-STOP', pid);
    await host.until('agent', 'MainPID', new RegExp(`^(?!(0|${pid})$)`));
    await host.until('agent', 'ActiveState', /^active$/);
    assert.match(await host.journal('agent'), /Watchdog timeout[\s\S]*status=6\/ABRT/);
    assert.equal(await host.identity(), identity);
    assert.equal(await host.registrations(), 1);
  });

  it('restarts when it is killed: a requester with its broker, and an agent without a new registration', async () => {
    await host.cluster();
    const identity = await host.identity();
    await ok('systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'muster-requester');
    await host.until('requester', 'NRestarts', /^1$/);
    await host.until('requester', 'ActiveState', /^active$/);
    await ok('systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'muster-agent');
    await host.until('agent', 'NRestarts', /^1$/);
    await host.until('agent', 'ActiveState', /^active$/);
    assert.equal(await host.identity(), identity);
    assert.equal(await host.registrations(), 1);
    assert.equal((await ok('pgrep', '-c', 'nats-server')).trim(), '1');
  });

  it('does not delay a boot while the broker is down, and is ready when the broker comes', async () => {
    await host.cluster();
    const identity = await host.identity();
    await host.stop();
    await ok('systemctl', 'enable', 'muster-agent');
    await host.dropIn('agent', 'hurry', '[Unit]\nJobRunningTimeoutSec=1s');
    await host.systemd.reboot();
    await eventually('the boot is over', async () =>
      /^running$/m.test((await host.systemd.run('systemctl', 'is-system-running')).stdout),
    );
    await host.untilStatus('agent', /^broker unreachable for \d+ s, retrying \(.*\)$/);
    assert.equal(await host.show('agent', 'ActiveState'), 'activating');
    await host.start('requester');
    await host.until('agent', 'ActiveState', /^active$/);
    await host.untilStatus('agent', /^pending approval/);
    assert.equal(await host.identity(), identity);
    // In a later outage it stays active, and still notifies its watchdog.
    await ok('systemctl', 'stop', 'muster-requester');
    await host.untilStatus('agent', /^broker unreachable for \d+ s, retrying/);
    assert.equal(await host.show('agent', 'ActiveState'), 'active');
    await host.start('requester');
    await host.untilStatus('agent', /^pending approval/);
    assert.equal(await host.show('agent', 'NRestarts'), '0');
    await ok('systemctl', 'disable', 'muster-agent');
  });

  it('gets its secrets as credentials, which nobody else can read and which are shown nowhere', async () => {
    await host.cluster();
    const code = (await ok('cat', '/etc/credstore/muster-agent.join.code')).trim();
    const pid = await host.pid('agent');
    const file = '/run/credentials/muster-agent.service/join.code';
    assert.equal((await ok('cat', file)).trim(), code);
    const other = await host.systemd.run('setpriv', '--reuid=65534', '--clear-groups', 'cat', file);
    assert.notEqual(other.code, 0);
    for (const shown of [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]) {
      assert.ok(!(await ok('cat', shown)).includes(code), shown);
    }
    assert.ok(!(await host.journal('agent')).includes(code));
    assert.ok(!(await host.show('agent', 'StatusText')).includes(code));
    // The agent is in its cluster, so it needs the code no more, whatever becomes of it.
    await host.systemd.write('/etc/credstore/muster-agent.join.code', 'torn', 0o600);
    await ok('systemctl', 'restart', 'muster-agent');
    await host.untilStatus('agent', /^pending approval/);
    // A wrong secret is treated like an outage, and the status shows it.
    await host.systemd.write('/etc/credstore/muster-agent.nats.token', 'wrong', 0o600);
    await ok('systemctl', 'restart', '--no-block', 'muster-agent');
    await host.untilStatus('agent', /^no connection to the broker for \d+ s, retrying/);
  });

  it('gets encrypted secrets with a drop-in', async () => {
    await host.configure({});
    await host.start('requester');
    const encrypted = '/etc/credstore.encrypted/muster-agent.join.code';
    await ok('mkdir', '-p', '/etc/credstore.encrypted');
    await ok('sh', '-c', 'umask 077; muster join-code create >/run/code 2>/dev/null');
    await ok('systemd-creds', 'encrypt', '--name=join.code', '/run/code', encrypted);
    await host.dropIn('agent', 'secrets', `[Service]\nLoadCredentialEncrypted=join.code:${encrypted}`);
    await host.start('agent');
    await host.untilStatus('agent', /^pending approval/);
  });

  it('takes over the state of an earlier run by hand, with its identity', async () => {
    await host.configure({});
    const byHand = (role: string, file: string) =>
      ok(
        'sh',
        '-c',
        `umask 077; muster ${role} 2>/dev/null & while kill -0 $! && ! test -s /var/lib/muster/${file}; do sleep 0.1; done; kill $!; wait`,
      );
    await byHand('requester', 'requester/node.yaml');
    await byHand('agent', 'agent/identity.nk');
    const key = await ok('cat', '/var/lib/muster/agent/identity.nk');
    await host.start('requester');
    await host.handOverCode();
    await host.start('agent');
    assert.equal(await ok('cat', '/var/lib/muster/agent/identity.nk'), key);
    assert.match(await ok('stat', '--format=%U', '/var/lib/muster/agent/identity.nk'), /^muster$/);
  });

  it('is restored by root where it has run, beside its agent, and nobody registers again', async () => {
    const node = await host.cluster();
    await host.muster('node', 'approve', node);
    const identity = await host.identity();
    await ok('muster', 'backup', '/run/lost.backup');
    const running = await host.systemd.run('muster', 'restore', '/run/lost.backup');
    assert.equal(running.code, 1, running.stderr);
    assert.match(running.stderr, /systemctl stop muster-requester/);
    await ok('systemctl', 'stop', 'muster-requester');
    const refused = await host.systemd.run('muster', 'restore', '/run/lost.backup');
    const [, cluster = ''] = /--replace (\S+)/.exec(refused.stderr) ?? [];
    await ok('muster', 'restore', '/run/lost.backup', '--replace', cluster);
    await host.start('requester');
    await host.untilStatus('requester', /^ready, 2 nodes, 0 pending approval$/);
    // The same on a disk that has lost the folders of the requester.
    await ok('systemctl', 'stop', 'muster-requester');
    await ok('sh', '-c', 'rm -r /var/lib/muster/requester* /var/lib/muster/broker*');
    await ok('muster', 'restore', '/run/lost.backup');
    await host.start('requester');
    await host.untilStatus('agent', /^approved, last heartbeat acknowledged/);
    assert.deepEqual([await host.identity(), await host.registrations()], [identity, 1]);
    assert.equal(await ok('find', '/var/lib/muster/', ...andChanges, '!', '-user', 'muster'), '');
    assert.equal((await ok('ls', '/var/lib/private')).trim(), 'muster');
    await ok('rm', '/run/lost.backup');
  });

  it('keeps one roll with a second requester, which has a user and keys of its own', async () => {
    const network = { 'broker.host': '0.0.0.0', 'broker.advertise': 'requester.example' };
    await host.systemd.write('/etc/hosts', '127.0.0.1 localhost requester.example\n', 0o644);
    await host.configure(network);
    await host.start('requester');
    await ok('muster', 'broker', 'share-keys', '--save', '/run/second.json');
    const folder = '/var/lib/muster-b';
    const key = await ok('muster', 'broker', 'take-keys', '/run/second.json', '--data-dir', folder);
    await host.configure({ ...network, 'broker.requesters': key });
    await ok('systemctl', 'restart', 'muster-requester');
    const unit = await host.secondRequester({
      'node.id': 'second',
      'api.port': 1235,
      'nats.servers': 'tls://requester.example:4222',
      'nats.tls.caFile': `${folder}/requester/broker-ca.pem`,
    });
    await ok('systemctl', 'start', unit);
    for (const [path, user] of [
      ['/var/lib/muster/', 'muster'],
      [`${folder}/`, 'muster-b'],
    ] as const)
      assert.equal(
        await ok('find', path, ...andChanges, '!', '-user', user),
        '',
        `all of ${path} belongs to its service`,
      );

    await host.handOverCode();
    await host.start('agent');
    const node = await host.node();
    const atSecond = (...args: string[]) => host.systemd.run('muster', ...args, '--api-port', '1235');
    const decided = (what: string) => async () => /^Ok$/m.test((await atSecond('node', what, node)).stdout);
    await eventually('the second one knows it, and approves it', decided('approve'));
    await host.untilStatus('agent', /^approved/);
    // Systemd ends the broker with the first requester, and starts both again.
    await ok('systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'muster-requester');
    await host.until('requester', 'NRestarts', /^1$/);
    await host.until('requester', 'ActiveState', /^active$/);
    await eventually('the second one decides again', decided('reject'));
    await host.untilStatus('agent', /^an operator rejected this node/);
    // Root takes keys again, as after another CA, and also for the first time where the state belongs to a service already.
    const take = ['muster', 'broker', 'take-keys', '/run/second.json', '--data-dir', folder] as const;
    assert.equal(await ok(...take), key);
    await ok('systemctl', 'stop', 'muster-requester', unit);
    await ok('rm', '-r', '/var/lib/private/muster-b/requester');
    // A link that the service has planted leads root nowhere.
    const owner = await ok('stat', '--format=%u', `${folder}/`);
    await ok('ln', '-s', '/run', '/var/lib/private/muster-b/requester');
    await ok('chown', '-h', owner, '/var/lib/private/muster-b/requester');
    const led = await host.systemd.run(...take);
    assert.notEqual(led.code, 0);
    assert.match(led.stderr, /link/);
    assert.notEqual((await host.systemd.run('test', '-e', '/run/issuer.nk')).code, 0);
    await ok('rm', '/var/lib/private/muster-b/requester');
    assert.notEqual(await ok(...take), key);
    assert.equal(await ok('find', `${folder}/`, ...andChanges, '!', '-uid', owner), '');
    await ok('rm', '/run/second.json');
  });

  it('runs as a dynamic user without a home, who can write only the state', async () => {
    for (const role of ['agent', 'requester'] as const) {
      await host.dropIn(role, 'homeless', '[Service]\nUnsetEnvironment=HOME USER LOGNAME SHELL');
    }
    await host.cluster();
    for (const role of ['agent', 'requester'] as const) {
      const pid = await host.pid(role);
      const status = await ok('cat', `/proc/${pid}/status`);
      assert.doesNotMatch(status, /^Uid:\t0\b/m);
      assert.match(status, /^CapBnd:\t0+$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.doesNotMatch((await ok('cat', `/proc/${pid}/environ`)).replaceAll('\0', '\n'), /^(HOME|USER)=/m);
      const inside = (...command: string[]) => host.systemd.run('nsenter', '-t', pid, '-m', ...command);
      for (const folder of ['/', '/etc', '/usr', '/var/lib', '/opt']) {
        assert.match((await inside('touch', `${folder}/mark`)).stderr, /Read-only file system/, folder);
      }
      assert.notEqual((await inside('cat', '/proc/meminfo')).stdout, '');
    }
    assert.match(await ok('stat', '--format=%a %U', '/var/lib/private/muster'), /^700 muster$/);
    // The inventory's child ran in the same sandbox.
    const node = await host.node();
    await eventually('the inventory is sent', async () =>
      /"CPUModel": *"\S/.test(await host.muster('node', 'describe', node, '-o', 'json')),
    );
  });

  it('can open the device files of GPUs as an agent, but not as a requester', async () => {
    for (const name of ['/dev/nvidia0', '/dev/dri/renderD128']) {
      await ok('mkdir', '-p', '/dev/dri');
      await host.systemd.run('mknod', name, 'c', '1', '3');
    }
    await host.cluster();
    const seen = async (role: Role, file: string) =>
      (await host.systemd.run('nsenter', '-t', await host.pid(role), '-m', 'test', '-e', file)).code === 0;
    for (const file of ['/dev/nvidia0', '/dev/dri/renderD128']) {
      assert.equal(await seen('agent', file), true, file);
      assert.equal(await seen('requester', file), false, file);
    }
    assert.match(await host.show('agent', 'DeviceAllow'), /^char-drm rw$[\s\S]*^char-nvidia\* rw$/m);
  });

  it('is not restarted again and again with a bad configuration', async () => {
    await host.configure({ 'compute.heartbeatFrequency': 'often' });
    for (const role of ['agent', 'requester'] as const) {
      const started = await host.systemd.run('systemctl', 'start', `muster-${role}`);
      assert.notEqual(started.code, 0);
      assert.equal(await host.show(role, 'ActiveState'), 'failed');
      assert.equal(await host.show(role, 'ExecMainStatus'), '78');
      assert.equal(await host.show(role, 'NRestarts'), '0');
      assert.match(await host.journal(role), /config\.yaml:\d+: compute\.heartbeatFrequency: \\?"often/);
    }
    await host.configure({});
    await host.start('requester');
    assert.equal(await host.show('requester', 'ActiveState'), 'active');
  });

  it('does not start when a disk is mounted for its state; doctor and status say why, and where to mount it', async t => {
    const [folder, hidden] = ['/var/lib/muster', '/var/lib/private/muster'];
    const unmount = (at: string) => host.systemd.run('umount', at);
    t.after(async () => {
      await host.stop();
      for (const at of [folder, hidden]) await unmount(at);
    });
    // doctor and status run between two attempts to start.
    await host.dropIn('requester', 'slow', '[Service]\nRestartSec=1h');
    await ok('mkdir', folder);
    await ok('mount', '-t', 'tmpfs', 'muster-test', folder);
    assert.notEqual((await host.systemd.run('systemctl', 'start', 'muster-requester')).code, 0);
    const why = /\/var\/lib\/muster must be a link to \/var\/lib\/private\/muster.* a disk is mounted there/;
    const remedy = /mount it at \/var\/lib\/private\/muster/;
    const showsAll = async (...texts: RegExp[]) => {
      for (const args of [['doctor'], ['service', 'status']]) {
        const { stdout } = await host.systemd.run(host.program, ...args, '--role', 'requester');
        for (const text of texts) assert.match(stdout, text);
      }
    };
    await showsAll(why, remedy);
    await host.stop();
    await unmount(folder);
    await ok('install', '-d', '-m', '700', '/var/lib/private', hidden);
    await ok('mount', '-t', 'tmpfs', 'muster-test', hidden);
    assert.notEqual((await host.systemd.run('systemctl', 'start', 'muster-requester')).code, 0);
    await showsAll(/it is a folder, and \/var\/lib\/private\/muster exists too/);
    await host.stop();
    await ok('rmdir', folder);
    await host.start('requester');
    assert.match(await host.muster('service', 'status', '--role', 'requester'), /^ {2}state +running/m);
  });

  it('says which drop-in its sandbox needs for another dataDir, and works with it', async t => {
    const data = '/srv/muster-data';
    t.after(async () => {
      await host.stop();
      await host.systemd.run('userdel', 'muster');
    });
    await host.systemd.write('/etc/muster/config.yaml', `dataDir: ${data}\n`);
    for (const there of [false, true]) {
      if (there) await ok('mkdir', '-p', data);
      for (const role of ['agent', 'requester'] as const) {
        assert.notEqual((await host.systemd.run('systemctl', 'start', `muster-${role}`)).code, 0);
        await host.stop();
        const said = await host.journal(role);
        assert.match(said, /cannot write \/srv\/muster-data\S*: the file system is read-only/);
        assert.match(
          said,
          /systemctl edit muster-(agent|requester)\.service.* ReadWritePaths=\/srv\/muster-data/,
        );
      }
    }
    await ok('useradd', '--system', 'muster');
    await ok('install', '-d', '-m', '700', '-o', 'muster', data);
    await host.dropIn('requester', 'data', `[Service]\nReadWritePaths=${data}`);
    await host.start('requester');
    assert.match(await ok('stat', '--format=%U', `${data}/requester`), /^muster$/);
  });

  it('stops within 5 s with exit code 0', async () => {
    const node = await host.cluster();
    await ok('systemctl', 'stop', 'muster-agent');
    assert.equal(await host.show('agent', 'Result'), 'success');
    assert.equal(await host.show('agent', 'ExecMainStatus'), '0');
    // The agent has sent Leave. Otherwise the node would still be HEALTHY for a while.
    assert.match(await host.muster('node', 'list'), new RegExp(`^${node} +Compute +PENDING +UNKNOWN`, 'm'));
    await ok('systemctl', 'stop', 'muster-requester');
    assert.equal(await host.show('requester', 'Result'), 'success');
    assert.equal(await host.show('requester', 'ExecMainStatus'), '0');
    for (const role of ['agent', 'requester'] as const) {
      const [from, to] = await Promise.all(
        ['ActiveExitTimestampMonotonic', 'InactiveEnterTimestampMonotonic'].map(name =>
          host.show(role, name),
        ),
      );
      assert.ok(Number(to) - Number(from) < 5_000_000, `${role} took ${Number(to) - Number(from)} µs`);
    }
    assert.doesNotMatch(await host.journal('requester'), /starting it again|SIGKILL/);
    assert.equal((await host.systemd.run('pgrep', 'nats-server')).code, 1);
  });

  it('works without the native probe, and logs what systemd is not told', {
    skip: booted instanceof ServiceHost && booted.packaged && 'the packaged file has its probe inside',
  }, async () => {
    await host.configure({});
    await host.dropIn('requester', 'no-probe', '[Service]\nInaccessiblePaths=/opt/source/native');
    await ok('systemctl', 'start', '--no-block', 'muster-requester');
    await eventually('it serves', async () => (await host.systemd.run('muster', 'node', 'list')).code === 0);
    assert.equal(await host.show('requester', 'ActiveState'), 'activating');
    assert.match(await host.journal('requester'), /only the native probe can notify the service manager/);
    await host.dropIn('requester', 'exec', '[Service]\nType=exec');
    await ok('systemctl', 'restart', 'muster-requester');
    assert.equal(await host.show('requester', 'ActiveState'), 'active');
  });

  it('runs for one user, with the state in that user’s home', async t => {
    const id = '4217';
    const home = '/home/tester';
    await ok('useradd', '--create-home', '--uid', id, 'tester');
    const lingers = await host.systemd.run('loginctl', 'enable-linger', 'tester');
    if (lingers.code !== 0)
      return t.skip(`a user has no service manager here without libpam-systemd and dbus: ${lingers.stderr}`);
    const environment = [`XDG_RUNTIME_DIR=/run/user/${id}`, `HOME=${home}`];
    const user = ['--reuid', id, '--regid', id, '--init-groups', '--reset-env', 'env', ...environment];
    const asUser = (...command: string[]) => ok('setpriv', ...user, ...command);
    const manager = (...args: string[]) => asUser('systemctl', '--user', ...args);
    for (const role of ['agent', 'requester'] as const) {
      const text = unitFile(role, { executable: '/usr/local/bin/muster', scope: 'user' });
      await host.systemd.write(`${home}/.config/systemd/user/muster-${role}.service`, text);
    }
    await ok('chown', '-R', 'tester:', home);
    await eventually('the user’s service manager is up', async () => {
      const { code } = await host.systemd.run('setpriv', ...user, 'systemctl', '--user', 'daemon-reload');
      return code === 0;
    });
    await manager('start', 'muster-requester');
    await asUser('sh', '-c', 'muster join-code create 2>/dev/null | muster agent join 2>/dev/null');
    await manager('start', 'muster-agent');
    assert.match(
      await manager('show', '--property=StatusText', 'muster-agent'),
      /^StatusText=pending approval, fingerprint /,
    );
    assert.match(await asUser('/usr/local/bin/muster', 'status'), /^requester [\s\S]*\nagent /);
    assert.match(await asUser('ls', `${home}/.local/share/muster`), /agent[\s\S]*broker[\s\S]*requester/);
    await manager('stop', 'muster-agent', 'muster-requester');
    for (const role of ['agent', 'requester'])
      assert.equal(await manager('show', '--property=Result', '--value', `muster-${role}`), 'success');
    await ok('loginctl', 'disable-linger', 'tester');
  });

  it('leaves no process when its units are removed, and keeps its state', async () => {
    await host.cluster();
    await host.removeUnits();
    assert.equal((await host.systemd.run('pgrep', '-f', 'muster|nats-server')).code, 1);
    assert.equal((await host.systemd.run('systemctl', 'cat', 'muster-agent')).code, 1);
    assert.equal(await ok('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'muster*'), '');
    assert.match(await ok('ls', '/var/lib/muster'), /agent[\s\S]*broker[\s\S]*requester/);
    assert.equal((await host.systemd.run('getent', 'passwd', 'muster')).code, 2);
  });

  it('can be installed, shown and uninstalled by muster service, and a purge leaves nothing', async () => {
    await host.removeUnits();
    const service = (command: string, role: string, ...flags: string[]) =>
      host.muster('service', command, '--role', role, ...flags);
    const install = async () => {
      for (const role of ['requester', 'agent'] as const) {
        await service('install', role, '--executable', '/usr/local/bin/muster');
        if (role === 'requester') {
          await host.until(role, 'ActiveState', /^active$/);
          await host.handOverCode();
        }
      }
      await host.untilStatus('agent', /^pending approval/);
    };
    await install();
    const identity = await host.identity();
    assert.match(await service('status', 'agent'), /running[\s\S]*says +pending approval, fingerprint/);
    assert.equal(await host.show('agent', 'UnitFileState'), 'enabled');
    assert.match(
      await service('install', 'agent', '--executable', '/usr/local/bin/muster'),
      /^Nothing to do/,
    );

    for (const role of ['agent', 'requester']) await service('uninstall', role);
    assert.equal((await host.systemd.run('pgrep', '-f', 'muster|nats-server')).code, 1);
    await install();
    assert.equal(await host.identity(), identity);

    for (const role of ['agent', 'requester']) await service('uninstall', role, '--purge');
    assert.equal((await host.systemd.run('pgrep', '-f', 'muster|nats-server')).code, 1);
    const left = await ok(
      'find',
      '/etc',
      '/var',
      '/run',
      ...andChanges,
      '-path',
      '*muster*',
      '!',
      '-path',
      '/etc/credstore/*',
    );
    assert.equal(left, '');
  });
});
