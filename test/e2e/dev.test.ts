// Tests `muster dev`, and the commands of the README with it, word by word.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { runStep, stepsOf } from '../../scripts/walk.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, freePortPair } from '../support/listener.ts';
import { readPage } from '../support/pages.ts';
import { processesNaming } from '../support/processes.ts';
import { muster, Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';

describe('muster dev', () => {
  let folder: string;
  let ports: string[];
  let apiPort: number;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-dev-'));
    // The second of two requesters takes the next one.
    apiPort = await freePortPair();
    ports = ['--data-dir', folder, '--api-port', String(apiPort), '--broker-port', String(await freePort())];
  });

  // A test that failed leaves its cluster running, which the next test would meet.
  afterEach(async () => {
    await Promise.all(programs.splice(0).map(program => program.kill()));
    for (const line of (await processesNaming(folder)).split('\n').filter(Boolean))
      process.kill(Number.parseInt(line, 10), 'SIGKILL');
    await untilNothingRuns();
  });

  after(() => rm(folder, { recursive: true, force: true }));

  const programs: Program[] = [];
  const run = (...args: ConstructorParameters<typeof Program>) => {
    const program = new Program(...args);
    programs.push(program);
    return program;
  };

  const command = (...args: string[]) => muster([...args, '--api-port', String(apiPort)]);
  const list = async () => (await command('node', 'list')).stdout;

  async function start(...args: string[]): Promise<Program> {
    const dev = run(['dev', ...ports, ...args]);
    await dev.untilPrinted(/Ctrl-C stops everything/);
    return dev;
  }

  const untilNothingRuns = () =>
    eventually('nothing runs', async () => (await processesNaming(folder)) === '');

  /** Sends a signal. Expects that muster dev ends as `hasStopped` says. */
  async function stop(dev: Program, signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    dev.signal(signal);
    await hasStopped(dev, 0);
  }

  /**
   * Expects that muster dev ends with `code`, and that no process is left. On a busy machine, a stop may take longer than its
   * 4.8 s; then muster dev says so and ends at once, and its processes end by themselves.
   */
  async function hasStopped(dev: Program, code: number): Promise<void> {
    const finished = await dev.finished;
    if (/stopping took too long/.test(finished.stderr)) await untilNothingRuns();
    else assert.equal(finished.code, code, finished.stderr);
    assert.equal(await processesNaming(folder), '');
  }

  it('runs the walk of the README', async () => {
    const steps = stepsOf(await readPage('README.md'), 'walk');
    assert.equal(steps.length, 5);
    const dev = await start('--nodes', '3');
    await eventually('all are healthy', async () => (await list()).match(/HEALTHY/g)?.length === 3);
    for (const { command, output } of steps) {
      const { code, stdout, stderr } = await runStep(command, { MUSTER_API_PORT: String(apiPort) });
      assert.deepEqual([code, stdout, stderr], [0, output, ''], command);
    }
    await eventually('node-2 knows that it was deleted', async () => {
      const { code, stdout } = await muster(['status', '--data-dir', folder]);
      return code === 1 && /agent node-2\n {2}trouble +an operator deleted this node\n/.test(stdout);
    });
    const back = await muster(['agent', 'register', '--data-dir', join(folder, 'dev', 'node-2')]);
    assert.deepEqual([back.code, back.stdout], [0, 'Ok\n']);
    await eventually('node-2 is back', async () => /node-2 +Compute +PENDING +HEALTHY/.test(await list()));
    await stop(dev);
  });

  it('keeps its state when it is restarted, and removes it with --fresh', async () => {
    const again = await start('--nodes', '3');
    await eventually('all are back', async () => (await list()).match(/HEALTHY/g)?.length === 3);
    assert.match(await list(), /node-1 +Compute +APPROVED/);
    assert.match(await list(), /node-3 +Compute +REJECTED/);
    await stop(again);
    const fresh = await start('--fresh');
    await eventually('one node is healthy', async () =>
      /node-1 +Compute +PENDING +HEALTHY/.test(await list()),
    );
    assert.doesNotMatch(await list(), /node-3/);
    await stop(fresh);
  });

  it('lets an operator rename a node, which keeps its id over a restart', async () => {
    const dev = await start('--fresh', '--nodes', '1');
    await eventually('it waits', async () => /node-1 +Compute +PENDING +HEALTHY/.test(await list()));
    const { code, stderr } = await command('node', 'rename', 'node-1', 'gpu-7');
    assert.equal(code, 0, stderr);
    await eventually('it is renamed', async () => /gpu-7 +Compute +PENDING +HEALTHY/.test(await list()));
    await stop(dev);
    const again = await start('--nodes', '1');
    assert.match(again.stdout, /^gpu-7 {2}agent is up$/m);
    assert.doesNotMatch(await list(), /node-1/);
    // The tests that follow begin with what this one leaves.
    assert.equal((await command('node', 'rename', 'gpu-7', 'node-1')).code, 0);
    await eventually('it is back', async () => /node-1 +Compute +PENDING +HEALTHY/.test(await list()));
    await stop(again);
  });

  it('is refused while another one uses the folder, and the error names the process id of the other', async () => {
    const dev = await start();
    const { code, stderr } = await run(['dev', ...ports]).finished;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`another muster dev holds .*: process ${dev.pid}`));
    await stop(dev);
  });

  it('names the port that is in use, and the setting for it', async () => {
    const dev = await start();
    const other = await mkdtemp(join(tmpdir(), 'muster-dev-'));
    for (const [flag, setting] of [
      ['--api-port', 'api.port'],
      ['--broker-port', 'broker.port'],
    ] as const) {
      const taken = ports[ports.indexOf(flag) + 1] ?? '';
      const free = String(await freePort());
      const args = [
        '--api-port',
        free,
        '--broker-port',
        String(await freePort()),
        '--data-dir',
        other,
        flag,
        taken,
      ];
      const { code, stderr } = await run(['dev', ...args]).finished;
      assert.equal(code, 1, stderr);
      assert.match(stderr, new RegExp(`port ${taken}`));
      assert.match(stderr, new RegExp(setting.replace('.', '\\.')));
    }
    await rm(other, { recursive: true, force: true });
    await stop(dev);
  });

  it('refuses a certificate of its own that is not for the address of its agents', async () => {
    const authority = await makeAuthority(folder, 'authority');
    const { certFile, keyFile } = await makeCertificate(folder, authority, 'own', 'DNS:broker.example');
    const env = { MUSTER_BROKER_TLS_CERT_FILE: certFile, MUSTER_BROKER_TLS_KEY_FILE: keyFile };
    const { code, stderr } = await run(['dev', ...ports], { env }).finished;
    assert.equal(code, 78, stderr);
    assert.match(
      stderr,
      /is not for 127\.0\.0\.1, where the agents of muster dev connect; it is for broker\.example/,
    );
  });

  it('restarts an agent that was killed, and stops everything when the requester was killed', async () => {
    const dev = await start();
    const pidOf = async (role: string) => {
      const { stdout } = await muster(['status', '--data-dir', folder, '-o', 'json']);
      const found = readShown<{ role: string; pid: number }[]>(stdout).find(each => each.role === role);
      return found?.pid ?? assert.fail(`no ${role}`);
    };
    process.kill(await pidOf('agent'), 'SIGKILL');
    await dev.untilPrinted(/node-1 {2}agent ended \(SIGKILL\): starting it again/);
    await eventually('it is back', async () => /node-1 +Compute +\w+ +HEALTHY/.test(await list()));
    process.kill(await pidOf('requester'), 'SIGKILL');
    await hasStopped(dev, 1);
    assert.match(dev.stdout, /node-0 {2}requester ended \(SIGKILL\): stopping the cluster/);
  });

  it('goes on with the other requester when one of two was killed, and so do the commands that know both', async () => {
    const dev = await start('--requesters', '2', '--fresh');
    assert.doesNotMatch(dev.stderr, /stranger/, 'each knows the trial of the other');
    const other = ['--api-port', String(apiPort + 1)];
    const token = {
      MUSTER_API_TOKEN_FILE: join(folder, 'dev', 'requester-2', 'requester', 'operator.token'),
    };
    const approved = await muster(['node', 'approve', 'node-1', ...other], { env: token });
    assert.equal(approved.code, 0, approved.stderr);
    const [, servers = ''] = /export MUSTER_API_SERVERS=(\S+)/.exec(dev.stdout) ?? [];
    assert.equal(servers, `127.0.0.1:${apiPort},127.0.0.1:${apiPort + 1}`);
    const env = { ...token, MUSTER_API_SERVERS: servers };
    const following = run(['events', '--follow', '--node', 'node-1'], { env });
    await following.untilPrinted(/node-1 +approved/);
    const pid = /node-0 {2}requester is up: API \S+, process (\d+)/.exec(dev.stdout)?.[1];
    process.kill(Number(pid), 'SIGKILL');
    await dev.untilPrinted(
      /node-0 {2}requester ended \(SIGKILL\): the cluster goes on; in 15 s it is started again/,
    );
    await eventually('the other one shows the node', async () =>
      /node-1 +Compute +APPROVED +HEALTHY/.test((await muster(['node', 'list'], { env })).stdout),
    );
    for (const action of ['reject', 'approve']) {
      const decided = await muster(['node', action, 'node-1', '-m', 'without the first'], { env });
      assert.deepEqual([decided.code, decided.stdout, decided.stderr], [0, 'Ok\n', '']);
    }
    await following.untilPrinted(
      /node-1 +rejected[\s\S]*node-1 +approved +REJECTED -> APPROVED +"without the first"/,
    );
    following.signal('SIGTERM');
    const { stdout, stderr } = await following.finished;
    const shown = stdout.split('\n').filter(line => line !== '');
    assert.deepEqual([...new Set(shown)], shown);
    assert.match(
      stderr,
      new RegExp(`the requester at http://127.0.0.1:${apiPort + 1} goes on with the events`),
    );
    await stop(dev);
    const alone = await start();
    await eventually('the roll is the same', async () =>
      /node-1 +Compute +APPROVED +HEALTHY/.test(await list()),
    );
    await stop(alone);
  });

  it('leaves no broker behind when the requester is killed before its broker is ready', async () => {
    // This server starts, but never accepts a client, and does not write its process id.
    const binary = join(folder, 'nats-server');
    const script = `#!/bin/sh
case $1 in --version) echo "nats-server: v2.12.0"; exit ;; esac
while :; do sleep 0.1; done
`;
    await writeFile(binary, script, { mode: 0o755 });
    const dev = run(['dev', ...ports], { env: { MUSTER_BROKER_BINARY: binary } });
    await eventually('its broker starts', async () => / -c .*nats\.conf/.test(await processesNaming(folder)));
    const requester = /^ *(\d+) .* requester /m.exec(await processesNaming(folder))?.[1];
    process.kill(Number(requester), 'SIGKILL');
    await hasStopped(dev, 1);
  });

  it('does not touch the broker of a requester that uses the folder already', async () => {
    const own = run(['requester', ...ports, '--data-dir', join(folder, 'dev', 'node-0')]);
    await own.untilPrinted(/the requester is ready/);
    const { code, stderr } = await run(['dev', ...ports]).finished;
    assert.equal(code, 1);
    assert.match(stderr, /another requester holds/);
    assert.match(await processesNaming(folder), /nats\.conf/);
    assert.equal((await own.stop()).code, 0);
  });

  it('ends everything when the broker hangs, also with its requester, and when the terminal is closed', async () => {
    const hung = await start();
    const broker = /^ *(\d+) .*nats-server/m.exec(await processesNaming(folder))?.[1];
    process.kill(Number(broker), 'SIGSTOP');
    await stop(hung);
    await stop(await start(), 'SIGHUP');
    const both = await start('--nodes', '0');
    for (const role of [/nats-server/, / requester /]) {
      const line = (await processesNaming(folder)).split('\n').find(each => role.test(each));
      process.kill(Number.parseInt(line ?? '', 10), 'SIGSTOP');
    }
    await stop(both);
  });

  it('does not claim that an agent is up when it could not start', async () => {
    const other = run(['agent', '--data-dir', join(folder, 'dev', 'node-1')]);
    await other.untilPrinted(/the agent starts/);
    const dev = run(['dev', ...ports]);
    const { code, stdout, stderr } = await dev.finished;
    assert.deepEqual([code, /agent is up|Ctrl-C/.test(stdout)], [1, false]);
    assert.match(stderr, /another agent holds/);
    await other.stop();
  });

  it('leaves no process behind when it is killed', async () => {
    const dev = await start();
    await dev.kill();
    await eventually('all have ended', async () => (await processesNaming(folder)) === '');
  });
});
