// Replays the walks of docs/: each command that a page tells a reader to type prints what the page says.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { patternOf, runStep, type Step, stepsOf } from '../../scripts/walk.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, freePortPair } from '../support/listener.ts';
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
    const { code, stderr } = await dev.stop();
    // On a busy machine, the stop of so many processes may take longer than its time.
    if (!/stopping took too long/.test(stderr)) assert.equal(code, 0, stderr);
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

describe('docs/operate.md, on two requesters', () => {
  it('of muster dev prints what the page says', async t => {
    const port = await freePortPair();
    const variables = {
      MUSTER_DATA_DIR: await newFolder(),
      MUSTER_API_PORT: String(port),
      MUSTER_BROKER_PORT: String(await freePort()),
    };
    const dev = new Program(['dev', '--requesters', '2'], { env: variables });
    t.after(() => dev.stop());
    await dev.untilPrinted(/Ctrl-C stops everything/);
    const [step, ...more] = stepsOf(await readPage('docs/operate.md'), 'walk: two');
    assert.ok(step && more.length === 0);
    const env = { MUSTER_API_SERVERS: `127.0.0.1:${port},127.0.0.1:${port + 1}` };
    // Whichever of them was there first watches.
    const expected = patternOf(step.output.replaceAll(/^(\S+ +Requester .*) \S+$/gm, '$1 …'));
    const isAsOnPage = (text: string) => expected.test(text) && text.match(/ watches$/gm)?.length === 1;
    let printed = { code: 0 as number | null, stdout: '', stderr: '' };
    await eventually('the list is that of the page', async () => {
      printed = await runStep(step.command, env);
      return isAsOnPage(printed.stdout);
    }).catch(() => assert.fail(printed.stdout));
    assert.deepEqual([printed.code, printed.stderr], [0, '']);
  });

  it('of which the second one is added step by step prints what the page says', async t => {
    const folder = await newFolder();
    const page = await readPage('docs/operate.md');
    const port = await freePort();
    const keyOnPage = /^U[A-Z2-7]{55}$/m.exec(page)?.[0] ?? assert.fail('the page shows no key');
    let key = keyOnPage;
    /** Returns what stands on the page, with the addresses, the folder and the key of here. */
    const here = (text: string) =>
      text
        .replaceAll('requester-1.example:4222', `localhost:${port}`)
        .replaceAll('requester-1.example', 'localhost')
        .replaceAll('/var/lib/muster/', `${join(folder, 'second')}/`)
        .replaceAll(keyOnPage, key);
    /** Writes the configuration that the page shows for a requester, and returns the file. */
    const configure = async (name: 'first' | 'new') => {
      const shown = new RegExp(`\`\`\`yaml\\n# \\S+ of the ${name} requester\\n([\\s\\S]*?)\`\`\``).exec(
        page,
      )?.[1];
      const file = join(folder, `${name}.yaml`);
      await writeFile(file, here(shown ?? assert.fail(`the page shows no configuration of the ${name} one`)));
      return file;
    };
    const variables = async (name: string, extra = {}) => ({
      MUSTER_DATA_DIR: join(folder, name),
      MUSTER_API_PORT: String(await freePort()),
      ...extra,
    });
    const onFirst = await variables('first', { MUSTER_BROKER_PORT: String(port) });
    const onSecond = await variables('second', { MUSTER_NODE_ID: 'requester-2' });
    const start = async (config: string, env: Record<string, string>) => {
      const program = new Program(['requester', '--config', config], { env });
      t.after(() => program.stop());
      await program.untilPrinted(/the requester is ready/);
      return program;
    };
    /** Follows the walk with this name, and returns what it printed. */
    const follow = async (name: string, env: Record<string, string>, config: string) => {
      const [step, ...more] = stepsOf(page, `walk: ${name}`);
      assert.ok(step && more.length === 0, name);
      const line = step.command.replace(/^muster (?:broker )?\S+/, words => `${words} --config ${config}`);
      const { code, stdout, stderr } = await runStep(`cd ${folder} && ${line}`, env);
      assert.equal(code, 0, stderr);
      key = /^U[A-Z2-7]{55}$/m.exec(stdout)?.[0] ?? key;
      assert.match(stdout, patternOf(here(step.output)), step.command);
    };

    // The broker listens beyond its machine already, and knows no other requester.
    const alone = join(folder, 'alone.yaml');
    await writeFile(alone, 'broker: { host: 0.0.0.0, advertise: [localhost] }\n');
    const empty = join(folder, 'empty.yaml');
    await writeFile(empty, '');
    const first = await start(alone, onFirst);
    await follow('first', onFirst, alone);
    await follow('second', onSecond, empty);
    await first.stop();
    await start(await configure('first'), onFirst);
    const config = await configure('new');
    await start(config, onSecond);
    await follow('beside', onSecond, config);
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
