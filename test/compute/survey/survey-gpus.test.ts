// Tests the GPUs and conditions of a survey: what changes the node's information, and what a scan leaves alone.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Survey } from '../../../agent/compute/survey/survey.ts';
import { loadGpus, saveGpus } from '../../../agent/host/gpu/saved-gpus.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordLog } from '../../support/log-lines.ts';
import { newFolder } from '../../support/temporary.ts';

const share = { percent: 100 };
const offer = { allocatedCapacity: { cpu: share, memory: share, disk: share, gpu: share }, labels: {} };
const saved = { Index: 0, Name: 'H100', Vendor: 'NVIDIA', Memory: 81_920, PCIAddress: '0000:65:00.0' };

async function open(folder: string) {
  const inventoryCommand = { command: '/nowhere', args: [] };
  return Survey.open(
    { node: 'node-1', folder, inventoryCommand, log: silentLog, clock: new FakeClock() },
    offer,
  );
}

test('a GPU of the last run is offered at once, and a scan that does not find it changes the information', async () => {
  const folder = await newFolder();
  await saveGpus(folder, { gpus: [saved], driver: 'nvidia 550' });
  const survey = await open(folder);
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, 1);
  assert.equal(survey.info().Labels?.['GPU-0'], 'H100');
  const before = survey.infoChanges;
  await eventually('the scan that a sample starts finds none', () => {
    survey.sample();
    return survey.infoChanges > before;
  });
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, undefined);
  const after = survey.infoChanges;
  survey.sample();
  assert.equal(survey.infoChanges, after, 'it counts once');
  await survey.close();
});

test('a scan takes no sample of its own: the CPU figure covers the time between two reports', async () => {
  const survey = await open(await newFolder());
  const busyUntil = performance.now() + 300;
  while (performance.now() < busyUntil);
  await survey.scanGpus();
  // If the scan had read the counters, almost no time would lie between them and this sample.
  const { usage } = survey.sample();
  assert.ok(usage.CPU >= 0.1, `busy CPUs ${usage.CPU}`);
  await survey.close();
});

test('a condition is logged once when it comes up, and once when it is over', async () => {
  const { log, lines } = recordLog();
  const survey = await Survey.open(
    {
      node: 'node-1',
      folder: await newFolder(),
      inventoryCommand: { command: '/nowhere', args: [] },
      log,
      clock: new FakeClock(),
    },
    { ...offer, declared: { gpu: 200 } },
  );
  const messagesOf = (condition: string) =>
    lines.filter(({ fields }) => fields.condition === condition).map(({ message }) => message);
  await survey.scanGpus();
  await survey.scanGpus();
  assert.deepEqual(messagesOf('GpuMissing'), ['a condition of this node came up']);
  survey.reload(offer);
  for (let scan = 0; scan < 5; scan++) await survey.scanGpus();
  assert.deepEqual(messagesOf('GpuMissing'), [
    'a condition of this node came up',
    'a condition of this node is over',
  ]);
  await survey.close();
});

test('a scan that a stop cuts off changes nothing: no GPU is gone and no condition is over', async () => {
  const folder = await newFolder();
  await saveGpus(folder, { gpus: [saved], driver: 'nvidia 550' });
  const { log, lines } = recordLog();
  const options = {
    node: 'node-1',
    inventoryCommand: { command: '/nowhere', args: [] },
    clock: new FakeClock(),
  };
  const survey = await Survey.open({ ...options, folder, log }, offer);
  const before = survey.infoChanges;
  const scan = survey.scanGpus();
  survey.close();
  await scan;
  assert.equal(survey.infoChanges, before);
  assert.deepEqual((await loadGpus(folder))?.gpus, [saved]);
  const other = await Survey.open(
    { ...options, folder: await newFolder(), log },
    { ...offer, declared: { gpu: 200 } },
  );
  await other.scanGpus();
  other.reload(offer);
  const cutOff = other.scanGpus();
  other.close();
  await cutOff;
  assert.deepEqual(
    lines.filter(({ fields }) => fields.condition === 'GpuMissing').map(({ message }) => message),
    ['a condition of this node came up'],
  );
});

test('saved GPUs that cannot be read do not stop a start', async () => {
  const folder = await newFolder();
  await writeFile(join(folder, 'gpus.json'), '{"found":[]');
  const survey = await open(folder);
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, undefined);
  await survey.close();
});
