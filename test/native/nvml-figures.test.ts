// Tests that figures of NVIDIA GPUs are read between two scans, with handles that stay open, on one thread and with a mark.
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
import { configureNvml, fakeNvml } from './fake-nvml.ts';
import { addonFile, inChild, probe } from './probe.ts';

const gib = 1024 ** 3;
const longMs = 600_000;

/** Scans with NVML kept initialised, and returns the path of the mark. */
async function scanAndHold(words: string): Promise<string> {
  configureNvml(words);
  const path = join(await newFolder(), 'nvml-called');
  const report = await probe.gpusNvml({
    library: fakeNvml,
    deadlineMs: longMs,
    hold: { path, text: 'boot 1\n1\n' },
  });
  assert.equal(report.state, 'answered');
  return path;
}

const readFigures = () => probe.nvmlFigures(longMs);

/** Returns the calls of the library that `work` makes. */
async function calls(words: string, work: () => Promise<unknown>): Promise<string[]> {
  const file = join(await newFolder(), 'trace');
  await writeFile(file, '');
  configureNvml(`${words} trace=${file}`);
  await work();
  configureNvml(words);
  return (await readFile(file, 'utf8')).split('\n').filter(call => call !== '');
}

const figureCalls = [
  'nvmlDeviceGetMemoryInfo_v2',
  'nvmlDeviceGetUtilizationRates',
  'nvmlDeviceGetTemperature',
  'nvmlDeviceGetPowerUsage',
];

test('reading figures makes exactly four calls for each GPU', async () => {
  await scanAndHold('gpus=2');
  let figures: number[] | null = null;
  const made = await calls('gpus=2', async () => {
    figures = await readFigures();
  });
  assert.deepEqual(made, [...figureCalls, ...figureCalls]);
  assert.deepEqual(figures, [gib, 50, 30, 123.456, 2 * gib, 51, 31, 123.457]);
});

test('a figure that a GPU does not have is NaN and needs no scan', async () => {
  await scanAndHold('gpus=1 fail=nvmlDeviceGetPowerUsage:3');
  assert.deepEqual(await readFigures(), [gib, 50, 30, Number.NaN]);
});

test('a GPU that does not answer as before is released, so that it can be reset', async () => {
  for (const call of figureCalls) {
    for (const code of [15, 16, 999]) {
      await scanAndHold('gpus=2');
      let figures: number[] | null = [];
      const made = await calls(`gpus=2 fail=${call}:${code}`, async () => {
        figures = await readFigures();
      });
      assert.equal(figures, null, `${call} ${code}`);
      assert.deepEqual([made.includes(call), made.at(-1)], [true, 'nvmlShutdown']);
      configureNvml('gpus=2');
      assert.equal(await readFigures(), null, 'a scan is needed');
    }
  }
});

test('a new figure of a GPU needs a scan, which reads the other facts about it too', async () => {
  for (const call of figureCalls) {
    await scanAndHold(`gpus=1 fail=${call}:999`);
    assert.equal((await readFigures())?.length, 4, call);
    configureNvml('gpus=1');
    assert.equal(await readFigures(), null, call);
  }
});

test('a lost GPU is noticed even by a figure that it never gave', async () => {
  await scanAndHold('gpus=1 fail=nvmlDeviceGetPowerUsage:3');
  configureNvml('gpus=1 fail=nvmlDeviceGetPowerUsage:15');
  assert.equal(await readFigures(), null);
});

test('NVML is shut down after a scan without GPUs or with a fatal error', async () => {
  for (const words of [
    'gpus=0',
    'gpus=2 fail=nvmlDeviceGetHandleByIndex_v2:15',
    'gpus=2 fail=nvmlDeviceGetName:16',
  ]) {
    const made = await calls(words, async () => {
      await probe.gpusNvml({
        library: fakeNvml,
        deadlineMs: longMs,
        hold: { path: '/nowhere/mark', text: 'x' },
      });
    });
    assert.equal(made.at(-1), 'nvmlShutdown', words);
    assert.equal(await readFigures(), null);
  }
});

test('each scan shuts NVML down and initialises it again', async () => {
  await scanAndHold('gpus=1');
  const ends = (made: string[]) => made.filter(call => /^nvml(?:Init.*|Shutdown)$/.test(call));
  const held = await calls('gpus=1', () => scanAndHold(process.env.FAKE_NVML ?? ''));
  assert.deepEqual(ends(held), ['nvmlShutdown', 'nvmlInit_v2']);
  const last = await calls('gpus=1', () => probe.gpusNvml({ library: fakeNvml, deadlineMs: longMs }));
  assert.deepEqual(ends(last), ['nvmlShutdown', 'nvmlInit_v2', 'nvmlShutdown']);
  assert.equal(await readFigures(), null);
});

test('while a reading hangs no other one starts, scans name the call, and both answer when it returns', async () => {
  const threads = () => readdirSync('/proc/self/task').length;
  const until = join(await newFolder(), 'until');
  const mark = await scanAndHold('gpus=1');
  configureNvml(`gpus=1 hang=nvmlDeviceGetPowerUsage until=${until}`);
  const first = probe.nvmlFigures(1);
  await eventually('the mark', () => existsSync(mark) && readFileSync(mark, 'utf8') === 'boot 1\n1\n');
  let call: string | undefined;
  await eventually('a scan says where it hangs', async () => {
    ({ call } = await probe.gpusNvml({ library: fakeNvml, deadlineMs: 50 }));
    return call === 'nvmlDeviceGetPowerUsage';
  });
  assert.equal(await first, null);
  const before = threads();
  for (let scan = 0; scan < 1000; scan++) {
    assert.equal(await readFigures(), null);
    assert.equal((await probe.gpusNvml({ library: fakeNvml, deadlineMs: longMs })).state, 'hung');
  }
  assert.ok(threads() <= before);
  await writeFile(until, '');
  await eventually('the reading ends', () => readFileSync(mark, 'utf8').trim() === '');
  await eventually('scans answer', async () => {
    configureNvml('gpus=1');
    return (await probe.gpusNvml({ library: fakeNvml, deadlineMs: longMs })).state === 'answered';
  });
  await scanAndHold('gpus=1');
  assert.equal((await readFigures())?.length, 4);
});

test('reading figures adds no threads', async () => {
  await scanAndHold('gpus=1');
  await readFigures();
  const threads = () => readdirSync('/proc/self/task').length;
  const before = threads();
  for (let turn = 0; turn < 100; turn++) await readFigures();
  assert.ok(threads() <= before);
});

test('a library that crashes in a reading leaves its mark, and is not called after two crashes', async () => {
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

test('a reading that returns leaves an empty mark, and works without a mark on a full disk', async () => {
  const mark = await scanAndHold('gpus=1');
  await readFigures();
  assert.equal(readFileSync(mark, 'utf8').trim(), '');
  configureNvml('gpus=1');
  await probe.gpusNvml({
    library: fakeNvml,
    deadlineMs: longMs,
    hold: { path: '/nowhere/mark', text: 'x' },
  });
  assert.equal((await readFigures())?.length, 4);
});

test('a process can end while a reading hangs, by itself and with process.exit', async () => {
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

test('the scanner reads figures, notices a GPU that fails, and one that is back', async () => {
  configureNvml('gpus=2');
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'boot 1');
  const scanner = new GpuScanner(
    new SystemInputs({
      folder,
      inventoryCommand: { command: '/nonexistent', args: [] },
      nvmlLibrary: fakeNvml,
      probe: loadProbeFrom([addonFile]),
      driverTimeoutMs: longMs,
      guard: guard.around,
      hold: () => guard.mark,
    }),
  );
  await scanner.scan();
  const made = await calls('gpus=2', () => scanner.refresh());
  assert.deepEqual(made, [...figureCalls, ...figureCalls]);
  const second = () => scanner.latest?.devices.find(({ index }) => index?.value === 1);
  assert.deepEqual([second()?.memoryUsed?.value, second()?.power?.value], [2048, 123.5]);

  configureNvml('gpus=2 fail=nvmlDeviceGetMemoryInfo_v2:15');
  assert.equal(await scanner.refresh(), true);
  assert.equal(second()?.usable, false);
  assert.equal(scanner.latest?.missing.length, 2);

  configureNvml('gpus=2');
  assert.equal(await scanner.refresh(), true);
  assert.deepEqual([second()?.usable, scanner.latest?.missing], [true, []]);
  assert.equal(await scanner.refresh(), false);
});
