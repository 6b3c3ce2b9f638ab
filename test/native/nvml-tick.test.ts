// What changes on NVIDIA's GPUs between two looks: by handles that are held, on one thread, with a mark while it calls.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crashGuard } from '../../agent/host/gpu/crash-guard.ts';
import { GpuScanner } from '../../agent/host/gpu/scanner.ts';
import { SystemInputs } from '../../agent/host/inputs/system-inputs.ts';
import { loadProbeFrom } from '../../agent/host/native/native-probe.ts';
import { eventually } from '../support/eventually.ts';
import { newFolder } from '../support/temporary.ts';
import { fakeNvml, pretend } from './fake-nvml.ts';
import { addonFile, inChild, probe } from './probe.ts';

const gib = 1024 ** 3;
const patient = 600_000;

/** A look that holds the library, and the path of its mark. */
async function hold(words: string): Promise<string> {
  pretend(words);
  const path = join(await newFolder(), 'nvml-called');
  const report = await probe.gpusNvml({
    library: fakeNvml,
    deadlineMs: patient,
    hold: { path, text: 'boot 1\n1\n' },
  });
  assert.equal(report.state, 'answered');
  return path;
}

const tick = () => probe.nvmlFigures(patient);

/** The calls of the library that `work` makes. */
async function calls(words: string, work: () => Promise<unknown>): Promise<string[]> {
  const file = join(await newFolder(), 'trace');
  await writeFile(file, '');
  pretend(`${words} trace=${file}`);
  await work();
  pretend(words);
  return (await readFile(file, 'utf8')).split('\n').filter(call => call !== '');
}

const changing = [
  'nvmlDeviceGetMemoryInfo_v2',
  'nvmlDeviceGetUtilizationRates',
  'nvmlDeviceGetTemperature',
  'nvmlDeviceGetPowerUsage',
];

test('a tick makes four calls for each GPU and no other, and tells what they say', async () => {
  await hold('gpus=2');
  let figures: number[] | null = null;
  const made = await calls('gpus=2', async () => {
    figures = await tick();
  });
  assert.deepEqual(made, [...changing, ...changing]);
  assert.deepEqual(figures, [gib, 50, 30, 123.456, 2 * gib, 51, 31, 123.457]);
});

test('a figure that a GPU never gave is none, and asks for no look', async () => {
  await hold('gpus=1 fail=nvmlDeviceGetPowerUsage:3');
  assert.deepEqual(await tick(), [gib, 50, 30, Number.NaN]);
});

test('a GPU that does not answer as it did ends the tick and is let go, so that it can be reset', async () => {
  for (const call of changing) {
    for (const code of [15, 16, 999]) {
      await hold('gpus=2');
      let figures: number[] | null = [];
      const made = await calls(`gpus=2 fail=${call}:${code}`, async () => {
        figures = await tick();
      });
      assert.equal(figures, null, `${call} ${code}`);
      assert.deepEqual([made.includes(call), made.at(-1)], [true, 'nvmlShutdown']);
      pretend('gpus=2');
      assert.equal(await tick(), null, 'it takes a look');
    }
  }
});

test('a GPU that gives what it did not takes a look: its whole memory is asked by nothing else', async () => {
  for (const call of changing) {
    await hold(`gpus=1 fail=${call}:999`);
    assert.equal((await tick())?.length, 4, call);
    pretend('gpus=1');
    assert.equal(await tick(), null, call);
  }
});

test('a GPU that is lost is noticed by a figure that it never gave', async () => {
  await hold('gpus=1 fail=nvmlDeviceGetPowerUsage:3');
  pretend('gpus=1 fail=nvmlDeviceGetPowerUsage:15');
  assert.equal(await tick(), null);
});

test('nothing is held of a machine where a GPU is not well, or none is there', async () => {
  for (const words of [
    'gpus=0',
    'gpus=2 fail=nvmlDeviceGetHandleByIndex_v2:15',
    'gpus=2 fail=nvmlDeviceGetName:16',
  ]) {
    const made = await calls(words, async () => {
      await probe.gpusNvml({
        library: fakeNvml,
        deadlineMs: patient,
        hold: { path: '/nowhere/mark', text: 'x' },
      });
    });
    assert.equal(made.at(-1), 'nvmlShutdown', words);
    assert.equal(await tick(), null);
  }
});

test('each look shuts down what is held, and starts anew', async () => {
  await hold('gpus=1');
  const ends = (made: string[]) => made.filter(call => /^nvml(?:Init.*|Shutdown)$/.test(call));
  const held = await calls('gpus=1', () => hold(process.env.FAKE_NVML ?? ''));
  assert.deepEqual(ends(held), ['nvmlShutdown', 'nvmlInit_v2']);
  const last = await calls('gpus=1', () => probe.gpusNvml({ library: fakeNvml, deadlineMs: patient }));
  assert.deepEqual(ends(last), ['nvmlShutdown', 'nvmlInit_v2', 'nvmlShutdown']);
  assert.equal(await tick(), null);
});

test('one that hangs stays the only one; looks name the call, nothing piles up, and both answer once it comes back', async () => {
  const threads = () => readdirSync('/proc/self/task').length;
  const until = join(await newFolder(), 'until');
  const mark = await hold('gpus=1');
  pretend(`gpus=1 hang=nvmlDeviceGetPowerUsage until=${until}`);
  const first = probe.nvmlFigures(1);
  await eventually('the mark', () => existsSync(mark) && readFileSync(mark, 'utf8') === 'boot 1\n1\n');
  let call: string | undefined;
  await eventually('a look says where it hangs', async () => {
    ({ call } = await probe.gpusNvml({ library: fakeNvml, deadlineMs: 50 }));
    return call === 'nvmlDeviceGetPowerUsage';
  });
  assert.equal(await first, null);
  const before = threads();
  for (let look = 0; look < 1000; look++) {
    assert.equal(await tick(), null);
    assert.equal((await probe.gpusNvml({ library: fakeNvml, deadlineMs: patient })).state, 'hung');
  }
  assert.ok(threads() <= before);
  await writeFile(until, '');
  await eventually('the tick ends', () => readFileSync(mark, 'utf8').trim() === '');
  await eventually('looks answer', async () => {
    pretend('gpus=1');
    return (await probe.gpusNvml({ library: fakeNvml, deadlineMs: patient })).state === 'answered';
  });
  await hold('gpus=1');
  assert.equal((await tick())?.length, 4);
});

test('ticks add no threads', async () => {
  await hold('gpus=1');
  await tick();
  const threads = () => readdirSync('/proc/self/task').length;
  const before = threads();
  for (let turn = 0; turn < 100; turn++) await tick();
  assert.ok(threads() <= before);
});

test('a library that ends the process in a tick leaves its mark, and two in a row are the last', async () => {
  const folder = await newFolder();
  for (const _ of ['the first might be no fault of the library', 'the second']) {
    const { fault, mark } = await crashGuard(folder, 'boot 1');
    assert.equal(fault, undefined);
    const { signal } = await inChild(
      `const hold = ${JSON.stringify(mark)};
       probe.gpusNvml({ library: process.env.LIBRARY, hold }).then(() => {
         process.env.FAKE_NVML = 'gpus=1 crash=nvmlDeviceGetPowerUsage';
         probe.nvmlFigures(60000);
         setInterval(() => {}, 1000);
       });`,
      { LIBRARY: fakeNvml, FAKE_NVML: 'gpus=1' },
    );
    assert.equal(signal, 'SIGABRT');
  }
  assert.match((await crashGuard(folder, 'boot 1')).fault ?? '', /the last 2 processes/);
});

test('a tick that returns leaves no mark that counts, and a disk without room for one takes no GPUs away', async () => {
  const mark = await hold('gpus=1');
  await tick();
  assert.equal(readFileSync(mark, 'utf8').trim(), '');
  pretend('gpus=1');
  await probe.gpusNvml({
    library: fakeNvml,
    deadlineMs: patient,
    hold: { path: '/nowhere/mark', text: 'x' },
  });
  assert.equal((await tick())?.length, 4);
});

test('a process ends while a tick hangs, by itself and when it is told to', async () => {
  const asked = `
    probe.gpusNvml({ library: process.env.LIBRARY, hold: { path: '/nowhere/mark', text: 'x' } }).then(() => {
      process.env.FAKE_NVML = 'gpus=1 hang=nvmlDeviceGetPowerUsage until=/never';
      probe.nvmlFigures(100);
      END
    });`;
  const env = { LIBRARY: fakeNvml, FAKE_NVML: 'gpus=1' };
  const ended = { signal: null, stdout: '', stderr: '' };
  assert.deepEqual(await inChild(asked.replace('END', ''), env), { code: 0, ...ended });
  assert.deepEqual(await inChild(asked.replace('END', 'process.exit(7)'), env), { code: 7, ...ended });
});

test('by the scanner: figures, one that fails in a tick, and one that comes back', async () => {
  pretend('gpus=2');
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'boot 1');
  const scanner = new GpuScanner(
    new SystemInputs({
      folder,
      inventoryCommand: { command: '/nonexistent', args: [] },
      nvmlLibrary: fakeNvml,
      probe: loadProbeFrom([addonFile]),
      driverTimeoutMs: patient,
      guard: guard.around,
      hold: () => guard.mark,
    }),
  );
  await scanner.scan();
  const made = await calls('gpus=2', () => scanner.refresh());
  assert.deepEqual(made, [...changing, ...changing]);
  const second = () => scanner.latest?.devices.find(({ index }) => index?.value === 1);
  assert.deepEqual([second()?.memoryUsed?.value, second()?.power?.value], [2048, 123.5]);

  pretend('gpus=2 fail=nvmlDeviceGetMemoryInfo_v2:15');
  assert.equal(await scanner.refresh(), true);
  assert.equal(second()?.usable, false);
  assert.equal(scanner.latest?.missing.length, 2);

  pretend('gpus=2');
  assert.equal(await scanner.refresh(), true);
  assert.deepEqual([second()?.usable, scanner.latest?.missing], [true, []]);
  assert.equal(await scanner.refresh(), false);
});
