// Runs `muster probe` as a process, and tests what it prints, records and replays, and how it ends.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { flags, run } from '../../../../agent/cli/commands/probe/probe.ts';
import { probeView } from '../../../../agent/host/view.ts';
import { fakeMachine, machinesFolder } from '../../../host/machines.ts';
import { whyNoBareRoot } from '../../../support/bare-root.ts';
import { defaultSettings } from '../../../support/default-settings.ts';
import { eventually } from '../../../support/eventually.ts';
import { isRunning } from '../../../support/processes.ts';
import { muster, Program } from '../../../support/program.ts';
import { newFolder } from '../../../support/temporary.ts';

const module = (path: string) => JSON.stringify(new URL(`../../../../agent/${path}`, import.meta.url).href);

const noMounts = await whyNoBareRoot();

/** Runs the command with these flags in a process of its own, as the command line does. */
async function probe(given: Record<string, unknown>) {
  const data = await newFolder();
  const code = `
    const { run } = await import(${module('cli/commands/probe/probe.ts')});
    const { defaultSettings } = await import(${module('../test/support/default-settings.ts')});
    const settings = { ...defaultSettings(), dataDir: ${JSON.stringify(join(data, 'not', 'yet'))} };
    const flags = ${JSON.stringify({ output: 'text', sources: false, raw: false, ...given })};
    process.exitCode = await run({ flags, load: async () => ({ settings }) });`;
  return new Promise<{ code: number | null; stdout: string; stderr: string }>(resolve => {
    const args = ['--input-type=module', '-e', code];
    const child = execFile(process.execPath, args, { maxBuffer: 2 ** 24 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

test('probe describes this machine for a person', async () => {
  const { code, stdout, stderr } = await probe({ sources: true });
  assert.deepEqual([code, stderr], [/^without an answer$/m.test(stdout) ? 2 : 0, '']);
  assert.match(stdout, /^machine\n {2}hostname /);
  assert.match(stdout, /^offered to the cluster\n {2}CPU +\d/m);
  assert.match(stdout, /^sources\n/m);
  assert.match(stdout, /^ {2}inventory +\d+ ms/m);
});

test('JSON and YAML have the same facts, with their sources and what would be offered', async () => {
  const replay = join(machinesFolder, 'nvidia-8-gpus-mig');
  const [json, yaml] = await Promise.all(['json', 'yaml'].map(output => probe({ output, replay })));
  const view = JSON.parse(json?.stdout ?? '');
  assert.deepEqual(parse(yaml?.stdout ?? ''), view);
  assert.equal(view.Offer.GPUs.length, 8);
  assert.deepEqual(view.GPUs[0].Memory, {
    Value: 40_960,
    Source: 'nvml',
    Took: 231.4,
    ReadAt: '2026-01-15T12:00:00.000Z',
    Others: [
      { Source: 'nvidia-smi', Value: 40_960 },
      { Source: 'PCI BAR', Value: 65_536 },
    ],
  });
  assert.equal(view.Labels['GPU-7-Memory'], '40960-MiB');
  assert.deepEqual([view.Problems, view.ReadAt], [[], '2026-01-15T12:00:00.000Z']);
});

test('the labels include those of the cloud, and configured labels replace them', async () => {
  const machine = fakeMachine({
    answers: {
      'metadata PUT http://169.254.169.254/latest/api/token': 'token',
      'metadata GET http://169.254.169.254/latest/meta-data/instance-id': 'i-1',
      'metadata GET http://169.254.169.254/latest/meta-data/instance-type': 'p5.48xlarge',
      'metadata GET http://169.254.169.254/latest/meta-data/placement/region': 'eu-west-1',
    },
  });
  const { compute, node } = defaultSettings();
  const asked = { ...node, cloudMetadata: true, labels: { 'cloud-region': 'mine' } };
  const { labels } = await probeView(machine, { compute, node: asked });
  assert.deepEqual(
    Object.entries(labels)
      .filter(([key]) => key.startsWith('cloud'))
      .sort(),
    [
      ['cloud', 'aws'],
      ['cloud-instance', 'i-1'],
      ['cloud-region', 'mine'],
      ['cloud-type', 'p5.48xlarge'],
    ],
  );
});

test('a recorded machine is replayed as the same machine, without its name', async () => {
  const folder = join(await newFolder(), 'recorded');
  const recorded = await probe({ record: folder, output: 'json' });
  assert.match(recorded.stderr, /^recorded in .*machine\.yaml; read it before you pass it on\n$/);
  const replayed = await probe({ replay: folder, output: 'json' });
  const [here, there] = [JSON.parse(recorded.stdout), JSON.parse(replayed.stdout)];
  assert.equal(there.Facts.Hostname.Value, 'host-1');
  assert.deepEqual([there.Offer, there.Labels], [here.Offer, here.Labels]);
  const raw = join(await newFolder(), 'raw');
  await probe({ record: raw, raw: true });
  const text = await readFile(join(raw, 'machine.yaml'), 'utf8');
  assert.match(text, new RegExp(`hostname: "?${here.Facts.Hostname.Value}"?\n`));
});

test('the recording is saved although nobody reads the output', async () => {
  const folder = await newFolder();
  const probing = new Program(['probe', '--data-dir', folder, '--record', join(folder, 'recorded')]);
  probing.closeOutput();
  await probing.finished;
  assert.match(await readFile(join(folder, 'recorded', 'machine.yaml'), 'utf8'), /^recordedAt: /m);
});

test('exit code 2 means that something does not answer', async () => {
  const folder = await newFolder();
  const machine = parse(await readFile(join(machinesFolder, 'hybrid-laptop', 'machine.yaml'), 'utf8'));
  delete machine.answers.nvml;
  machine.faults.nvml = { kind: 'late', reason: 'did not answer within 15 s' };
  await writeFile(join(folder, 'machine.yaml'), JSON.stringify(machine));
  const { code, stdout } = await probe({ replay: folder });
  assert.equal(code, 2);
  assert.match(stdout, /^without an answer\n {2}nvml did not answer within 15 s\n/m);
  assert.match(stdout, /^conditions\n {2}GpuDriverUnresponsive +nvml did not answer within 15 s\n/m);
  const failing = { ...machine, faults: { nvml: { kind: 'failed', reason: 'failed: version mismatch' } } };
  await writeFile(join(folder, 'machine.yaml'), JSON.stringify(failing));
  const failed = await probe({ replay: folder });
  assert.equal(failed.code, 2);
  assert.match(
    failed.stdout,
    /^conditions\n {2}GpuMissing +\S.* cannot be used: nvml failed: version mismatch\n/m,
  );
});

test('exit code 2 also stands for a GPU that does not answer', async () => {
  const folder = await newFolder();
  const machine = parse(await readFile(join(machinesFolder, 'nvidia-8-gpus-mig', 'machine.yaml'), 'utf8'));
  machine.answers.nvml.gpus[2].errors = [{ call: 'nvmlDeviceGetName', error: 'NVML_ERROR_GPU_IS_LOST' }];
  await writeFile(join(folder, 'machine.yaml'), JSON.stringify(machine));
  const { code, stdout } = await probe({ replay: folder });
  const said =
    'NVIDIA A100-SXM4-40GB at 0000:47:00.0 cannot be used: the driver lost it: it fell off the bus';
  assert.equal(code, 2);
  assert.match(stdout, new RegExp(`^without an answer\n  ${said}`, 'm'));
  assert.match(stdout, new RegExp(`^conditions\n  GpuMissing +${said}`, 'm'));
});

test('a full memory is shown after a single measurement', async () => {
  const folder = await newFolder();
  const machine = parse(await readFile(join(machinesFolder, 'container-cgroup-v2', 'machine.yaml'), 'utf8'));
  machine.answers['file /sys/fs/cgroup/memory.current'] = machine.answers['file /sys/fs/cgroup/memory.max'];
  machine.answers['file /sys/fs/cgroup/memory.stat'] = 'inactive_file 0';
  await writeFile(join(folder, 'machine.yaml'), JSON.stringify(machine));
  const { code, stdout } = await probe({ replay: folder });
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^conditions\n {2}MemoryPressure +less than a twentieth of 4 GiB of memory is left\n/m,
  );
});

test('the exit code is 0 when a tool fails whose answer nothing needs', async () => {
  assert.equal((await probe({ replay: join(machinesFolder, 'gpu-without-driver') })).code, 0);
});

test('flags that contradict each other are wrong usage', async () => {
  const load = () => assert.fail('the settings were read');
  const given = { output: 'text', sources: false, record: undefined, raw: false, replay: undefined } as const;
  const misused = (more: object) => run({ flags: { ...given, ...more }, load } as never);
  await assert.rejects(misused({ record: '/a', replay: '/b' }), { code: 'usage' });
  await assert.rejects(misused({ raw: true }), { code: 'usage' });
  assert.deepEqual(Object.keys(flags), Object.keys(given));
});

test('a folder without a recording is an error', async () => {
  const { stderr } = await probe({ replay: fileURLToPath(new URL('../..', import.meta.url)) });
  assert.match(stderr, /no recorded machine: .*machine\.yaml does not exist/);
});

test('a tool that hangs ends when the probe is interrupted', { skip: noMounts }, async () => {
  const folder = await newFolder();
  const [tool, started] = [join(folder, 'nvidia-smi'), join(folder, 'started')];
  await writeFile(tool, `#!/bin/sh\necho $$ >${started}\nexec sleep 1000\n`, { mode: 0o755 });
  const place = '/run/nvidia/driver/usr/bin';
  const mounts = `mount -t tmpfs muster-test /run; mkdir -p ${place}; cp ${tool} ${place}; exec "$@"`;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    await writeFile(started, '');
    const launcher = ['unshare', '--mount', 'sh', '-ec', mounts, 'sh'];
    const probing = new Program(['probe', '--data-dir', join(folder, 'data')], { launcher });
    let pid = 0;
    await eventually('the tool runs', async () => {
      pid = Number(await readFile(started, 'utf8'));
      return pid > 0;
    });
    probing.signal(signal);
    assert.equal((await probing.finished).signal, signal);
    await eventually('the tool has ended', async () => !(await isRunning(pid)));
  }
});

test('without /proc, Node cannot find its own file, and no other program takes the inventory instead', {
  skip: noMounts,
}, async () => {
  const node = dirname(process.execPath);
  const without = async (command: string) => {
    const launcher = ['unshare', '--mount', 'sh', '-ec', `mount -t tmpfs muster-test /proc; ${command}`];
    const args = ['probe', '--sources', '--data-dir', join(await newFolder(), 'data')];
    const { stdout } = await muster(args, { launcher });
    return /^ {2}inventory +(.*)$/m.exec(stdout)?.[1];
  };
  assert.match((await without(`cd ${node}; exec ./node "$@"`)) ?? '', /^\d+ ms$/);
  assert.equal(
    await without(`PATH=${node} exec node "$@"`),
    'failed: cannot start node for the inventory: only its name is known, not its place (is /proc mounted?)',
  );
});
