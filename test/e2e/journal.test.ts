// The log in a real journal has priorities and survives a restart of the journal. `muster doctor` reports on services and
// puts the journal's lines into its archive.
import assert from 'node:assert/strict';
import { after, beforeEach, describe, it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { readShown } from '../support/read-shown.ts';
import { ServiceHost } from '../support/service-host.ts';

const booted = await ServiceHost.boot();
const skip = typeof booted === 'string' ? booted : false;
const host = booted as ServiceHost;
const systemd = typeof booted === 'string' ? undefined : booted.systemd;

describe('in the journal', { skip }, () => {
  beforeEach(() => host.reset());
  after(() => systemd?.halt());

  /** Returns the lines that the role itself has logged since `since`, with their priorities. */
  async function logged(role: string, since: Date) {
    const entries = await host.systemd.journal(
      since,
      `--unit=muster-${role}.service`,
      `_COMM=${await comm(role)}`,
    );
    return entries.map(({ MESSAGE, PRIORITY }) => ({
      priority: Number(PRIORITY),
      ...JSON.parse(String(MESSAGE)),
    }));
  }

  // The journal records the name of the thread that wrote a line. The role's main thread writes all of them.
  const comm = async (role: string) =>
    (await host.systemd.ok('cat', `/proc/${await host.pid(role as 'agent')}/comm`)).trim();

  it('each line is JSON with the priority of its level', async () => {
    const since = new Date();
    await host.configure({ 'log.level': 'debug' });
    await host.start('requester');
    // Without its token the agent is refused, which it logs as a warning.
    await host.systemd.run('systemctl', 'start', '--no-block', 'muster-agent');
    await host.untilStatus('agent', /no connection to the broker/);
    const priorities: Record<string, number> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3 };
    let lines: Awaited<ReturnType<typeof logged>> = [];
    await eventually('there is a line of each level', async () => {
      lines = [...(await logged('agent', since)), ...(await logged('requester', since))];
      return ['debug', 'info', 'warn'].every(level => lines.some(line => line.level === level));
    });
    for (const { level, priority, role } of lines) {
      assert.equal(priority, priorities[level], `${role} ${level}`);
    }
  });

  it('the reason why a role cannot start is a line of JSON with the priority of an error', async () => {
    const since = new Date();
    await host.configure({ 'compute.heartbeatFrequency': 'often' });
    assert.notEqual((await host.systemd.run('systemctl', 'start', 'muster-agent')).code, 0);
    const entries = await host.systemd.journal(since, '--unit=muster-agent.service', '--priority=err');
    const own = entries.filter(({ MESSAGE }) => String(MESSAGE).startsWith('{'));
    assert.equal(own.length, 1, JSON.stringify(entries));
    const { level, code, msg } = JSON.parse(String(own[0]?.MESSAGE));
    assert.deepEqual([level, code, own[0]?.PRIORITY], ['error', 'bad_config', '3']);
    assert.match(
      msg,
      /^\/etc\/muster\/config\.yaml:\d+: compute\.heartbeatFrequency: "often" is not a duration/,
    );
  });

  it('both roles survive a kill of the journal, and continue to log', async () => {
    await host.cluster();
    const pids = await Promise.all((['agent', 'requester'] as const).map(role => host.pid(role)));
    await host.systemd.ok('systemctl', 'kill', '--signal=KILL', 'systemd-journald');
    await eventually(
      'the journal runs again',
      async () =>
        (await host.systemd.show('systemd-journald', 'ActiveState')) === 'active' &&
        (await host.systemd.run('journalctl', '--sync')).code === 0,
    );
    const since = new Date();
    await host.systemd.ok('systemctl', 'reload', 'muster-agent', 'muster-requester');
    for (const role of ['agent', 'requester'] as const) {
      await eventually(`${role} logs again`, async () =>
        /configuration read again/.test(await host.journal(role)),
      );
      assert.ok((await logged(role, since)).some(({ msg }) => msg === 'configuration read again'));
    }
    assert.deepEqual(await Promise.all((['agent', 'requester'] as const).map(role => host.pid(role))), pids);
  });

  it('doctor reports on the services, and puts their lines into its archive', async () => {
    // By the short intervals of other tests, what a busy machine does late is a fault that the doctor reports.
    const node = await host.cluster({
      'compute.infoUpdateFrequency': '5s',
      'compute.resourceUpdateFrequency': '5s',
      'requester.heartbeatFrequency': '5s',
    });
    await host.muster('node', 'approve', node);
    await host.untilStatus('agent', /^approved/);
    const report = async (...before: string[]) => {
      const [program = 'muster', ...words] = [...before, 'muster', 'doctor', '-o', 'json'];
      const { stdout } = await host.systemd.run(program, ...words);
      const { checks } = readShown<{
        checks: { check: string; findings: { status: string; text: string }[] }[];
      }>(stdout);
      return (check: string) =>
        checks
          .filter(each => each.check === check)
          .flatMap(({ findings }) => findings.map(({ status, text }) => `${status} ${text}`));
    };
    // The services are started, but not enabled for the next boot.
    assert.deepEqual((await report())('service'), [
      'warning muster-agent.service is active (running), but does not start by itself',
      'warning muster-requester.service is active (running), but does not start by itself',
    ]);
    await host.systemd.ok('systemctl', 'enable', 'muster-agent', 'muster-requester');
    const well = await report();
    assert.deepEqual(well('service'), [
      'ok muster-agent.service is active (running)',
      'ok muster-requester.service is active (running)',
    ]);
    assert.match(well('agent')[0] ?? '', /^ok approved by requester/);
    // systemd gives the agent its credentials, and the command line does not have them.
    assert.match(well('broker (agent)')[0] ?? '', /^ok .*, accepts our credentials, /);
    // An ordinary user may read little, which is a warning and not a failure.
    const nobody = ['setpriv', '--reuid=65534', '--clear-groups', 'env', 'HOME=/nonexistent'];
    const seen = await report(...nobody);
    for (const check of ['folders', 'disk', 'identity', 'sentinel', 'broker', 'requester', 'agent'])
      assert.match(seen(check).join('\n'), /^warning .*this user may not/, check);
    assert.match(well('requester (requester)')[0] ?? '', /^ok ready, 2 nodes/);
    await host.systemd.ok('muster', 'doctor', '--bundle', '/tmp/bundle.tar.gz');
    await host.systemd.ok('tar', '-xzf', '/tmp/bundle.tar.gz', '-C', '/tmp');
    const journal = await host.systemd.ok('cat', '/tmp/muster-doctor/journal-agent.txt');
    assert.match(journal, /"msg":"approved"/);
    const token = await host.systemd.ok('cat', '/var/lib/muster/requester/operator.token');
    assert.equal((await host.systemd.run('grep', '-r', token, '/tmp/muster-doctor')).code, 1);
    await host.systemd.ok('systemctl', 'stop', 'muster-agent');
    const stopped = await report();
    assert.deepEqual(stopped('agent'), ['failed it does not run']);
    assert.match(
      stopped('service')[0] ?? '',
      /^failed muster-agent\.service is inactive \(dead\), although it should start by itself$/,
    );
    await host.systemd.ok('systemctl', 'disable', 'muster-agent', 'muster-requester');
  });
});
