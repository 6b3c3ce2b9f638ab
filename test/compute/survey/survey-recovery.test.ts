// Tests how soon a survey sees that a driver fails or hangs, and how soon it sees that the driver is back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Survey } from '../../../agent/compute/survey/survey.ts';
import type { NativeProbe } from '../../../agent/host/native/native-probe.ts';
import { silentLog } from '../../../agent/system/log.ts';
import type { NvmlReport } from '../../../native/index.d.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { newFolder } from '../../support/temporary.ts';

const share = { percent: 100 };
const offer = { allocatedCapacity: { cpu: share, memory: share, disk: share, gpu: share }, labels: {} };
const answer = { tookMs: 1, gpus: [], errors: [] };
const gpu = { index: 0, name: 'H100', pciAddress: '0000:65:00.0', memoryTotal: 2 ** 36, memoryUsed: 0 };
const healthy: NvmlReport = {
  ...answer,
  state: 'answered',
  gpus: [{ ...gpu, migInstances: [], errors: [] }],
};
const lost: NvmlReport = {
  ...answer,
  state: 'answered',
  gpus: [
    {
      ...gpu,
      migInstances: [],
      errors: [{ call: 'nvmlDeviceGetMemoryInfo_v2', error: 'NVML_ERROR_GPU_IS_LOST' }],
    },
  ],
};
const hung: NvmlReport = { ...answer, state: 'hung', call: 'nvmlInit_v2' };

/** Opens the survey of a machine whose NVIDIA library answers as the test says. */
async function open() {
  let now = healthy;
  const figures = { memoryTotal: 0, swapTotal: 0, swapFree: 0, load1: 0, load5: 0, load15: 0, uptime: 0 };
  const probe: NativeProbe = {
    sample: () => figures,
    cgroup: () => ({}),
    disk: async () => ({
      total: 1000,
      free: 1000,
      available: 1000,
      inodes: 0,
      inodesFree: 0,
      inodesAvailable: 0,
    }),
    gpusNvml: async () => now,
    nvmlFigures: async () => (now === healthy ? [0, 0, 30, 100] : null),
    notify: () => false,
    giveBackFreed: () => undefined,
    giveBackGarbage: () => undefined,
    giveBackProgram: () => undefined,
    exitNow: () => {
      throw new Error('exitNow must not be called');
    },
  };
  const survey = await Survey.open(
    {
      node: 'node-1',
      folder: await newFolder(),
      inventoryCommand: { command: '/nowhere', args: [] },
      probe: { probe, path: 'fake' },
      log: silentLog,
      clock: new FakeClock(),
    },
    offer,
  );
  return {
    survey,
    conditions: () => survey.info().Conditions?.map(({ Type }) => Type) ?? [],
    become: (state: NvmlReport) => {
      now = state;
    },
  };
}

test('a machine whose only GPU failed offers it again soon after it comes back', async () => {
  const { survey, conditions, become } = await open();
  await survey.scanGpus();
  become(lost);
  await survey.scanGpus();
  assert.deepEqual(
    [conditions(), survey.info().ComputeNodeInfo.MaxCapacity.GPU],
    [['GpuMissing'], undefined],
  );
  become(healthy);
  await eventually('the refresh of a sample sees that it is back', () => {
    survey.sample();
    return conditions().length === 0;
  });
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, 1);
  await survey.close();
});

test('a driver that hung is trusted again after two answers, however many samples were taken', async () => {
  const { survey, conditions, become } = await open();
  await survey.scanGpus();
  become(hung);
  await survey.scanGpus();
  become(healthy);
  await survey.scanGpus();
  survey.sample();
  assert.deepEqual(conditions(), ['GpuDriverUnresponsive'], 'it has answered once');
  await eventually('it has answered again', () => {
    survey.sample();
    return conditions().length === 0;
  });
  await survey.close();
});

test('a GPU that has failed is not free, even before the next sample', async () => {
  const { survey, become } = await open();
  await survey.scanGpus();
  survey.sample();
  assert.equal(survey.info().ComputeNodeInfo.AvailableCapacity.GPU, 1);
  become(lost);
  await survey.scanGpus();
  const { MaxCapacity, AvailableCapacity } = survey.info().ComputeNodeInfo;
  assert.deepEqual([MaxCapacity.GPU, AvailableCapacity.GPU], [undefined, undefined]);
  await survey.close();
});

test('an answer that two scans wait for counts once', async () => {
  const { survey, conditions, become } = await open();
  become(hung);
  await survey.scanGpus();
  become(healthy);
  await Promise.all([survey.scanGpus(), survey.scanGpus()]);
  assert.deepEqual(conditions(), ['GpuDriverUnresponsive']);
  await survey.close();
});
