// GPUs and conditions between a survey's samples: what is news, and what a look leaves alone.
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
const kept = { Index: 0, Name: 'H100', Vendor: 'NVIDIA', Memory: 81_920, PCIAddress: '0000:65:00.0' };

async function open(folder: string) {
  const inventoryCommand = { command: '/nowhere', args: [] };
  return Survey.open(
    { node: 'node-1', folder, inventoryCommand, log: silentLog, clock: new FakeClock() },
    offer,
  );
}

test('a GPU of the last run is offered at once; that it is gone is news of the next sample', async () => {
  const folder = await newFolder();
  await saveGpus(folder, { gpus: [kept], driver: 'nvidia 550' });
  const survey = await open(folder);
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, 1);
  assert.equal(survey.info().Labels?.['GPU-0'], 'H100');
  await eventually('a sample tells that the look before it found none', () => survey.sample().news === true);
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, undefined);
  assert.equal(survey.sample().news, false, 'told once');
  await survey.close();
});

test('a look takes no sample of its own: the CPU figure covers the time between two reports', async () => {
  const survey = await open(await newFolder());
  const busyUntil = performance.now() + 300;
  while (performance.now() < busyUntil);
  await survey.look();
  // Had the look read the counters, next to nothing would be left between it and this sample.
  const { usage } = survey.sample();
  assert.ok(usage.CPU >= 0.1, `busy CPUs ${usage.CPU}`);
  await survey.close();
});

test('a condition is logged once as it comes up, and once as it is over', async () => {
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
  const said = (condition: string) =>
    lines.filter(({ fields }) => fields.condition === condition).map(({ message }) => message);
  await survey.look();
  await survey.look();
  assert.deepEqual(said('GpuMissing'), ['a condition of this node came up']);
  survey.reload(offer);
  for (let look = 0; look < 5; look++) await survey.look();
  assert.deepEqual(said('GpuMissing'), [
    'a condition of this node came up',
    'a condition of this node is over',
  ]);
  await survey.close();
});

test('a look that a stop cuts off says nothing: neither that GPUs are gone nor that a condition is over', async () => {
  const folder = await newFolder();
  await saveGpus(folder, { gpus: [kept], driver: 'nvidia 550' });
  const { log, lines } = recordLog();
  const options = {
    node: 'node-1',
    inventoryCommand: { command: '/nowhere', args: [] },
    clock: new FakeClock(),
  };
  const survey = await Survey.open({ ...options, folder, log }, offer);
  const look = survey.look();
  survey.close();
  assert.equal(await look, false);
  assert.deepEqual((await loadGpus(folder))?.gpus, [kept]);
  const other = await Survey.open(
    { ...options, folder: await newFolder(), log },
    { ...offer, declared: { gpu: 200 } },
  );
  await other.look();
  other.reload(offer);
  const cutOff = other.look();
  other.close();
  await cutOff;
  assert.deepEqual(
    lines.filter(({ fields }) => fields.condition === 'GpuMissing').map(({ message }) => message),
    ['a condition of this node came up'],
  );
});

test('what is kept of GPUs and cannot be read keeps nothing from starting', async () => {
  const folder = await newFolder();
  await writeFile(join(folder, 'gpus.json'), '{"found":[]');
  const survey = await open(folder);
  assert.equal(survey.info().ComputeNodeInfo.MaxCapacity.GPU, undefined);
  await survey.close();
});
