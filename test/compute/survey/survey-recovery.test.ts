// A driver that fails or hangs between a survey's samples, and comes back: how soon that is seen, and on what evidence.
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
const well: NvmlReport = {
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

/** A survey of a machine whose NVIDIA library answers as told. */
async function open() {
  let now = well;
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
    nvmlFigures: async () => (now === well ? [0, 0, 30, 100] : null),
    notify: () => false,
    exitNow: () => {
      throw new Error('nobody asked for the end');
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

test('the only GPU of a machine, which failed, is offered again soon after it comes back', async () => {
  const { survey, conditions, become } = await open();
  await survey.look();
  become(lost);
  await survey.look();
  assert.deepEqual(
    [conditions(), survey.info().ComputeNodeInfo.MaxCapacity.GPU],
    [['GpuMissing'], undefined],
  );
  become(well);
  await eventually('samples see that it is back', () => {
    survey.sample();
    return conditions().length === 0;
  });
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, 1);
  await survey.close();
});

test('a driver that hung is trusted again when it has answered twice, however many samples there were', async () => {
  const { survey, conditions, become } = await open();
  await survey.look();
  become(hung);
  await survey.look();
  become(well);
  await survey.look();
  survey.sample();
  assert.deepEqual(conditions(), ['GpuDriverUnresponsive'], 'it has answered once');
  await eventually('it has answered again', () => {
    survey.sample();
    return conditions().length === 0;
  });
  await survey.close();
});

test('a GPU that has failed is not free either, before any sample', async () => {
  const { survey, become } = await open();
  await survey.look();
  survey.sample();
  assert.equal(survey.info().ComputeNodeInfo.AvailableCapacity.GPU, 1);
  become(lost);
  await survey.look();
  const { MaxCapacity, AvailableCapacity } = survey.info().ComputeNodeInfo;
  assert.deepEqual([MaxCapacity.GPU, AvailableCapacity.GPU], [undefined, undefined]);
  await survey.close();
});

test('an answer that two wait for is one', async () => {
  const { survey, conditions, become } = await open();
  become(hung);
  await survey.look();
  become(well);
  await Promise.all([survey.look(), survey.look()]);
  assert.deepEqual(conditions(), ['GpuDriverUnresponsive']);
  await survey.close();
});
