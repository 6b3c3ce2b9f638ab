// Replays the walks of docs/: each command that a page tells a reader to type prints what the page says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { patternOf, runStep, type Step, stepsOf } from '../../scripts/walk.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { readPage } from '../support/pages.ts';
import { Program } from '../support/program.ts';
import { ServiceHost } from '../support/service-host.ts';
import { newFolder } from '../support/temporary.ts';

describe('docs/operate.md, on a cluster of three nodes', () => {
  let dev: Program;
  let variables: Record<string, string>;

  before(async () => {
    variables = {
      MUSTER_DATA_DIR: await newFolder(),
      MUSTER_API_PORT: String(await freePort()),
      MUSTER_BROKER_PORT: String(await freePort()),
    };
    dev = new Program(['dev', '--nodes', '3'], { env: variables });
    await dev.untilPrinted(/Ctrl-C stops everything/);
    await eventually('all are healthy', async () => {
      const { stdout } = await runStep('muster node list --filter-status healthy --hide-header', variables);
      return stdout.trimEnd().split('\n').length === 3;
    });
  });

  after(async () => {
    assert.equal((await dev.stop()).code, 0);
  });

  it('prints what the page says', async () => {
    const steps = stepsOf(await readPage('docs/operate.md'), 'walk: dev');
    assert.ok(steps.length > 10);
    for (const { command, output } of steps) {
      let printed = '';
      // An agent hears of a decision a moment after the command has ended.
      await eventually(`${command} prints what the page says`, async () => {
        const { code, stdout, stderr } = await runStep(command, variables);
        // Before this command the page has rejected and deleted nodes that run here.
        const expected = command === 'muster status' ? 1 : 0;
        assert.deepEqual([code, stderr], [expected, ''], command);
        printed = stdout;
        return patternOf(output).test(stdout) || !/ (list|status|events)/.test(command);
      }).catch(() => undefined);
      assert.match(printed, patternOf(output), command);
    }
  });
});

const booted = await ServiceHost.boot();
const skip = typeof booted === 'string' ? booted : false;

describe('docs/install.md and docs/troubleshooting.md, from a bare machine to an approved node', {
  skip,
}, () => {
  const host = booted as ServiceHost;

  after(() => host.systemd.halt());

  it('prints what the page says', async () => {
    const steps = stepsOf(await readPage('docs/install.md'), 'walk: install');
    assert.ok(steps.length > 8);
    // Here one machine is both the requester and the node.
    await host.systemd.write('/etc/hosts', '127.0.0.1 localhost requester.example\n', 0o644);
    const [doctor, ...more] = stepsOf(await readPage('docs/troubleshooting.md'), 'walk: install');
    assert.ok(doctor && more.length === 0);
    for (const step of [...steps, doctor]) await follow(step);
  });

  async function follow({ command, output }: Step): Promise<void> {
    // A program that runs from source has to be told which file a service can start.
    const executable = host.packaged ? '' : ' --executable /usr/local/bin/muster';
    const line = command
      .replace(/ ID$/, () => ` ${nodeId}`)
      .replace(/(service install .*)$/, `$1${executable}`);
    let printed = '';
    let exitCode: number | null = null;
    await eventually(`${command} prints what the page says`, async () => {
      const { code, stdout } = await host.systemd.run('bash', '-c', `cd / && ${line}`);
      exitCode = code;
      printed = stdout;
      return (code === 0 && patternOf(output).test(stdout)) || !/ (list|status|doctor)/.test(command);
    }).catch(() => undefined);
    assert.match(printed, patternOf(output), command);
    assert.equal(exitCode, 0, command);
    if (command.includes('--role requester')) await host.until('requester', 'ActiveState', /^active$/);
    nodeId = /^(\S+) +Compute/m.exec(printed)?.[1] ?? nodeId;
  }

  let nodeId = '';
});
