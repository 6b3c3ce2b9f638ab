// Tests NVML with many, few and split GPUs, with calls that fail, hang and crash, and with hostile strings.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { NvmlReport } from '../../native/index.d.ts';
import { eventually } from '../support/eventually.ts';
import { newFolder } from '../support/temporary.ts';
import { configureNvml, fakeNvml, newFakeNvml, oldFakeNvml } from './fake-nvml.ts';
import { addonFile, inChild, probe } from './probe.ts';

const gib = 1024 ** 3;
const longMs = 600_000;

function ask(words: string, library = fakeNvml, deadlineMs = longMs): Promise<NvmlReport> {
  configureNvml(words);
  return probe.gpusNvml({ library, deadlineMs });
}

/** Returns the functions that are called in a library with one split GPU. `load` is the opening of the library. */
async function calls(): Promise<string[]> {
  const traced = await trace('gpus=1 mig=0', await newFakeNvml());
  assert.ok(traced.length > 15 && traced[0] === 'load' && traced.at(-1) === 'nvmlShutdown');
  return [...new Set(traced)];
}

/** Returns the calls that one scan makes. */
async function trace(words: string, library = fakeNvml): Promise<string[]> {
  const file = join(await newFolder(), 'trace');
  await ask(`${words} trace=${file}`, library);
  return (await readFile(file, 'utf8')).trim().split('\n');
}

test('without the library NVML is absent', async () => {
  const { tookMs, ...report } = await probe.gpusNvml({ library: '/nowhere/libnvidia-ml.so.1' });
  assert.ok(tookMs >= 0);
  assert.deepEqual(report, {
    state: 'absent',
    reason: '/nowhere/libnvidia-ml.so.1: cannot open shared object file: No such file or directory',
    gpus: [],
    errors: [],
  });
});

test('a file that is no library gives the state failed, with the reason', async () => {
  const file = join(await newFolder(), 'libnvidia-ml.so.1');
  await writeFile(file, 'no library\n');
  const report = await probe.gpusNvml({ library: file });
  assert.equal(report.state, 'failed');
  assert.match(report.reason ?? '', /file too short|invalid ELF header/);
});

test('a library without the functions of NVML gives the state failed', async () => {
  const report = await probe.gpusNvml({ library: addonFile });
  assert.equal(report.state, 'failed');
  assert.equal(report.reason, 'nvmlInit_v2: symbol not found');
});

test('a driver that is not loaded gives the state failed, with the error of NVML', async () => {
  const report = await ask('gpus=8 fail=nvmlInit_v2:9');
  assert.equal(report.state, 'failed');
  assert.equal(report.reason, 'nvmlInit_v2: NVML_ERROR_DRIVER_NOT_LOADED');
});

test('0, 1, 8 and 64 GPUs are reported with all their facts', async () => {
  for (const count of [0, 1, 8, 64]) {
    const report = await ask(`gpus=${count}`);
    assert.equal(report.state, 'answered');
    assert.equal(report.driverVersion, '550.54.15');
    assert.equal(report.cudaVersion, '12.4');
    assert.deepEqual(report.errors, []);
    assert.equal(report.gpus.length, count);
    for (const [index, gpu] of report.gpus.entries()) {
      const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
      assert.deepEqual(gpu, {
        index,
        uuid: `GPU-${hex(index, 8)}-1111-2222-3333-444444444444`,
        name: 'NVIDIA H100 80GB HBM3',
        pciAddress: `${hex(Math.trunc(index / 16), 4)}:${hex(0x10 + (index % 16), 2)}:00.0`,
        memoryTotal: 80 * gib,
        memoryUsed: (index + 1) * gib,
        utilisation: 50 + index,
        temperature: 30 + index,
        power: (123_456 + index) / 1000,
        eccVolatile: index,
        eccAggregate: 1000 + index,
        mig: false,
        migInstances: [],
        errors: [],
      });
    }
  }
});

test('the parts of a split GPU are reported with their indexes', async () => {
  const { gpus } = await ask('gpus=2 mig=1');
  assert.equal(gpus[0]?.mig, false);
  assert.equal(gpus[1]?.mig, true);
  assert.deepEqual(gpus[1]?.errors, []);
  const part = (index: number, name: string, memory: number) => ({
    index,
    uuid: `MIG-00000001-000${index}-2222-3333-444444444444`,
    name: `NVIDIA H100 80GB HBM3 MIG ${name}`,
    memoryTotal: memory * gib,
    memoryUsed: 2 * gib,
  });
  assert.deepEqual(gpus[1]?.migInstances, [part(0, '3g.40gb', 40), part(2, '1g.10gb', 10)]);
});

test('a call that fails costs only its fact', async () => {
  const whole = (await ask('gpus=1')).gpus[0];
  assert.ok(whole);
  for (const [call, facts, code, error] of [
    ['nvmlDeviceGetUUID', ['uuid'], 1, 'NVML_ERROR_UNINITIALIZED'],
    ['nvmlDeviceGetName', ['name'], 999, 'NVML_ERROR_UNKNOWN'],
    ['nvmlDeviceGetPciInfo_v3', ['pciAddress'], 17, 'NVML_ERROR_OPERATING_SYSTEM'],
    ['nvmlDeviceGetMemoryInfo_v2', ['memoryTotal', 'memoryUsed'], 15, 'NVML_ERROR_GPU_IS_LOST'],
    ['nvmlDeviceGetUtilizationRates', ['utilisation'], 3, 'NVML_ERROR_NOT_SUPPORTED'],
    ['nvmlDeviceGetTemperature', ['temperature'], 4, 'NVML_ERROR_NO_PERMISSION'],
    ['nvmlDeviceGetPowerUsage', ['power'], 4711, 'NVML_ERROR_4711'],
    ['nvmlDeviceGetTotalEccErrors', ['eccVolatile', 'eccAggregate'], 3, 'NVML_ERROR_NOT_SUPPORTED'],
    ['nvmlDeviceGetMigMode', ['mig'], 3, 'NVML_ERROR_NOT_SUPPORTED'],
  ] as const) {
    const report = await ask(`gpus=1 fail=${call}:${code}`);
    const expected: Partial<typeof whole> = { ...whole, errors: [{ call, error }] };
    for (const fact of facts) delete expected[fact];
    assert.deepEqual(report.gpus, [expected], call);
    assert.deepEqual(report.errors, []);
  }
});

test('a lost GPU is reported with the error', async () => {
  const { gpus } = await ask('gpus=1 fail=nvmlDeviceGetHandleByIndex_v2:15');
  const errors = [{ call: 'nvmlDeviceGetHandleByIndex_v2', error: 'NVML_ERROR_GPU_IS_LOST' }];
  assert.deepEqual(gpus, [{ index: 0, migInstances: [], errors }]);
});

test('a fact that NVML does not know is absent, and the GPUs are reported', async () => {
  const report = await ask(
    'gpus=3 fail=nvmlSystemGetDriverVersion:3 fail=nvmlSystemGetCudaDriverVersion_v2:12',
  );
  assert.equal(report.gpus.length, 3);
  assert.ok(!('driverVersion' in report) && !('cudaVersion' in report));
  assert.deepEqual(report.errors, [
    { call: 'nvmlSystemGetDriverVersion', error: 'NVML_ERROR_NOT_SUPPORTED' },
    { call: 'nvmlSystemGetCudaDriverVersion_v2', error: 'NVML_ERROR_LIBRARY_NOT_FOUND' },
  ]);
  const uncounted = await ask('gpus=3 fail=nvmlDeviceGetCount_v2:999');
  assert.equal(uncounted.state, 'answered');
  assert.deepEqual(uncounted.gpus, []);
  assert.deepEqual(uncounted.errors, [{ call: 'nvmlDeviceGetCount_v2', error: 'NVML_ERROR_UNKNOWN' }]);
});

test('a part that fails costs only itself', async () => {
  const { gpus } = await ask('gpus=1 mig=0 fail=nvmlDeviceGetMigDeviceHandleByIndex:999');
  assert.deepEqual(gpus[0]?.migInstances, []);
  assert.deepEqual(gpus[0]?.errors, [
    { call: 'nvmlDeviceGetMigDeviceHandleByIndex', error: 'NVML_ERROR_UNKNOWN' },
  ]);
  assert.equal(gpus[0]?.memoryTotal, 80 * gib);
});

test('a driver that is older than its library is asked with the older functions', async () => {
  const report = await ask('gpus=1 fail=nvmlDeviceGetMemoryInfo_v2:13 fail=nvmlInit_v2:13');
  // The older function includes the memory that the driver reserves.
  assert.equal(report.gpus[0]?.memoryUsed, 2 * gib);
  assert.deepEqual(report.gpus[0]?.errors, []);
});

test('a library of 2012 gives what it has, and the missing functions are named', async () => {
  const report = await ask('gpus=2', oldFakeNvml);
  assert.equal(report.state, 'answered');
  assert.deepEqual(report.errors, [{ call: 'nvmlSystemGetCudaDriverVersion_v2', error: 'symbol not found' }]);
  assert.deepEqual(report.gpus[1], {
    index: 1,
    uuid: 'GPU-00000001-1111-2222-3333-444444444444',
    name: 'NVIDIA H100 80GB HBM3',
    pciAddress: '0000:11:00.0',
    memoryTotal: 80 * gib,
    memoryUsed: 3 * gib,
    utilisation: 51,
    temperature: 31,
    power: 123.457,
    migInstances: [],
    errors: [
      { call: 'nvmlDeviceGetTotalEccErrors', error: 'symbol not found' },
      { call: 'nvmlDeviceGetMigMode', error: 'symbol not found' },
    ],
  });
});

test('an impossible count is limited, with an error', async () => {
  const report = await ask('gpus=4294967295');
  assert.equal(report.gpus.length, 256);
  const error = '4294967295 is more than the 256 that are believed';
  assert.deepEqual(report.errors, [{ call: 'nvmlDeviceGetCount_v2', error }]);
});

test('strings are passed on unchanged, as Unicode and with at most 10 kB', async () => {
  const report = await ask('gpus=1 mig=0 hostile');
  assert.equal(report.driverVersion, 'A'.repeat(10 * 1024));
  const [gpu] = report.gpus;
  assert.equal(gpu?.name, '\u001b]0;owned\u0007\u001b[31mGPU\r\n\u202e');
  assert.equal(gpu?.uuid, 'GPU-\ufffd\ufffd\ufffd(\n');
  assert.equal(gpu?.migInstances[0]?.name, gpu?.name);
});

test('each scan initialises NVML once and shuts it down, and only the first one opens the library', async () => {
  const library = await newFakeNvml();
  const ends = async (words: string) => {
    const traced = await trace(words, library);
    return traced.filter(call => /^(load|nvmlInit.*|nvmlShutdown)$/.test(call));
  };
  assert.deepEqual(await ends('gpus=2'), ['load', 'nvmlInit_v2', 'nvmlShutdown']);
  assert.deepEqual(await ends('gpus=2 fail=nvmlDeviceGetHandleByIndex_v2:15'), [
    'nvmlInit_v2',
    'nvmlShutdown',
  ]);
  // After the driver was replaced, the next scan opens the library again.
  assert.deepEqual(await ends('gpus=2 fail=nvmlInit_v2:18'), ['nvmlInit_v2']);
  assert.deepEqual(await ends('gpus=2'), ['load', 'nvmlInit_v2', 'nvmlShutdown']);
});

test('any call that hangs is named, and NVML answers again when the call returns', async () => {
  const until = join(await newFolder(), 'until');
  for (const call of await calls()) {
    // The next test covers the opening of the library.
    if (call === 'load') continue;
    const words = `gpus=1 mig=0 hang=${call} until=${until}`;
    // The deadline may pass before the call is made, and later questions find it hanging.
    let report = await ask(words, fakeNvml, 5);
    await eventually(`${call} hangs`, async () => {
      report = await probe.gpusNvml({ library: fakeNvml });
      return report.call === call;
    });
    assert.equal(report.state, 'hung');
    assert.match(report.reason ?? '', /^nvml\w+ has not returned for \d+ ms$/);
    assert.deepEqual(report.gpus, []);
    await writeFile(until, '');
    await eventually(`${call} comes back`, async () => (await ask('gpus=1')).state === 'answered');
    await rm(until);
  }
});

// Meanwhile the dynamic linker opens no other library, and on some systems no thread can start or end.
test('a library that hangs while it is opened delays neither deadlines nor samples', async () => {
  const until = join(await newFolder(), 'until');
  const result = await inChild(
    `
    const ask = deadlineMs => probe.gpusNvml({ library: process.env.LIBRARY, deadlineMs });
    (async () => {
      const { state, call, reason } = await ask(100);
      const again = (await ask(60000)).state;
      // The disk answers on systems where a thread can start nevertheless.
      const disk = await probe.disk('/', 100).then(() => true, error => error.code === 'ETIMEDOUT');
      const sampled = probe.sample().memoryTotal > 0;
      require('node:fs').writeFileSync(${JSON.stringify(until)}, '');
      let after;
      do after = await ask(60000); while (after.state === 'hung');
      console.log(JSON.stringify({ state, call, reason: reason.replace(/\\d+/, 'some'), again, disk, sampled, after: after.state }));
    })();`,
    { LIBRARY: fakeNvml, FAKE_NVML: `gpus=1 hang=load until=${until}` },
  );
  assert.equal(result.stderr, '');
  assert.deepEqual(JSON.parse(result.stdout), {
    state: 'hung',
    call: '',
    reason: 'opening NVML has not returned for some ms',
    again: 'hung',
    disk: true,
    sampled: true,
    after: 'answered',
  });
});

test('while NVML hangs the event loop runs, questions fail at once, and no threads are added', async () => {
  const threads = () => readdirSync('/proc/self/task').length;
  const until = join(await newFolder(), 'until');
  let turns = 0;
  let turning = setImmediate(function turn() {
    turns++;
    turning = setImmediate(turn);
  });
  const first = ask(`gpus=1 hang=nvmlDeviceGetPowerUsage until=${until}`, fakeNvml, 200);
  assert.equal((await probe.gpusNvml({ library: fakeNvml })).state, 'busy');
  const report = await first;
  clearImmediate(turning);
  assert.equal(report.state, 'hung');
  assert.equal(report.call, 'nvmlDeviceGetPowerUsage');
  assert.ok(turns > 10, `the event loop turned ${turns} times`);
  const before = threads();
  // There are 2880 scans in a day with a scan every 30 s.
  const states = new Set<string>();
  for (let i = 0; i < 2880; i++)
    states.add((await probe.gpusNvml({ library: fakeNvml, deadlineMs: longMs })).state);
  assert.deepEqual([...states], ['hung']);
  assert.ok(threads() <= before, `${threads()} threads, ${before} before`);
  await writeFile(until, '');
  await eventually('NVML comes back', async () => (await ask('gpus=1')).state === 'answered');
});

test('a library that crashes in any call ends the process by a signal', async () => {
  const known = await calls();
  const ended = await Promise.all(
    known.map(call =>
      inChild(`probe.gpusNvml({ library: process.env.LIBRARY }).then(console.log)`, {
        LIBRARY: fakeNvml,
        FAKE_NVML: `gpus=1 mig=0 crash=${call}`,
      }),
    ),
  );
  for (const [index, { signal, stdout }] of ended.entries()) {
    assert.equal(signal, 'SIGABRT', `in ${known[index]}`);
    assert.equal(stdout, '');
  }
});

test('a process can end while NVML hangs, by itself and with process.exit', async () => {
  for (const call of ['nvmlInit_v2', 'nvmlDeviceGetPowerUsage', 'load']) {
    const env = { LIBRARY: fakeNvml, FAKE_NVML: `gpus=1 hang=${call} until=/never` };
    const asked = 'probe.gpusNvml({ library: process.env.LIBRARY, deadlineMs: 100 })';
    const byItself = await inChild(`${asked}.then(({ state }) => console.log(state));`, env);
    assert.deepEqual(byItself, { code: 0, signal: null, stdout: 'hung\n', stderr: '' }, call);
    const byExit = await inChild(`${asked}.then(() => process.exit(7));`, env);
    assert.deepEqual(byExit, { code: 7, signal: null, stdout: '', stderr: '' }, call);
    const sooner = await inChild(`${asked}; setImmediate(() => process.exit(7));`, env);
    assert.deepEqual(sooner, { code: 7, signal: null, stdout: '', stderr: '' }, call);
  }
});

test('an answer for a worker thread that has ended does no harm', async () => {
  const until = join(await newFolder(), 'until');
  configureNvml(`gpus=1 hang=nvmlInit_v2 until=${until}`);
  const script = `
    const { library } = require('node:worker_threads').workerData;
    require(${JSON.stringify(addonFile)}).gpusNvml({ library, deadlineMs: 200 });
    require('node:worker_threads').parentPort.postMessage('asked');`;
  const worker = new Worker(script, { eval: true, workerData: { library: fakeNvml } });
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await worker.terminate();
  const state = async () => (await probe.gpusNvml({ library: fakeNvml })).state;
  await eventually('the deadline passes', async () => (await state()) === 'hung');
  await writeFile(until, '');
  await eventually('NVML comes back', async () => (await ask('gpus=1')).state === 'answered');
});
