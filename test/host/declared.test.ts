// Tests how declared hardware is compared with the hardware that was found.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mismatches } from '../../agent/host/declared.ts';
import type { Gpu } from '../../agent/protocol/resources.ts';

const gib = 2 ** 30;
const h100 = (Memory = 81_559): Gpu => ({
  Index: 0,
  Name: 'NVIDIA H100 80GB HBM3',
  Vendor: 'NVIDIA',
  Memory,
  PCIAddress: '',
});
const found = { cpus: 64, memoryBytes: 251.5 * gib, diskBytes: 900 * gib, gpus: [h100(), h100()] };

test('hardware as declared, or more of it, is no mismatch', () => {
  assert.deepEqual(mismatches({}, found), { gpus: [], others: [] });
  const declared = {
    cpu: 64,
    memory: 256 * gib,
    disk: 900 * gib,
    gpu: 2,
    gpuName: 'h100',
    gpuMemory: 80 * gib,
  };
  assert.deepEqual(mismatches(declared, found), { gpus: [], others: [] });
  assert.deepEqual(mismatches({ cpu: 32, memory: gib, gpu: 1 }, found), { gpus: [], others: [] });
});

test('a mismatch names the declared and the found size', () => {
  assert.deepEqual(mismatches({ cpu: 128, memory: 512 * gib, disk: 2000 * gib }, found).others, [
    'CPUs: 128 declared, 64 found',
    'memory: 512 GiB declared, 251.5 GiB found',
    'disk: 2000 GiB declared, 900 GiB found',
  ]);
  const small = { ...found, memoryBytes: 0.46 * gib, diskBytes: 0.01 * gib };
  assert.deepEqual(mismatches({ memory: 0.5 * gib, disk: 0.04 * gib }, small).others, [
    'memory: 512 MiB declared, 471 MiB found',
    'disk: 41 MiB declared, 10 MiB found',
  ]);
});

test('GPUs that are too few, of another kind or too small are mismatches', () => {
  assert.deepEqual(mismatches({ gpu: 8 }, found).gpus, ['8 GPUs declared, 2 found']);
  assert.deepEqual(mismatches({ gpu: 1, gpuName: 'H200' }, found).gpus, ['1 GPU (H200) declared, 0 found']);
  assert.deepEqual(mismatches({ gpu: 2, gpuName: 'H200' }, found).gpus, ['2 GPUs (H200) declared, 0 found']);
  assert.deepEqual(
    mismatches({ gpu: 2, gpuMemory: 80 * gib }, { ...found, gpus: [h100(), h100(40_960)] }).gpus,
    ['2 GPUs (of 80 GiB) declared, 1 found'],
  );
  assert.deepEqual(mismatches({ gpuName: 'A100', gpuMemory: 80 * gib }, found).gpus, [
    '2 of 2 GPUs are not as declared (A100 of 80 GiB)',
  ]);
});

test('a size that is not known is no mismatch', () => {
  assert.deepEqual(
    mismatches({ disk: gib, gpuMemory: 80 * gib }, { ...found, diskBytes: undefined, gpus: [h100(0)] }),
    {
      gpus: [],
      others: [],
    },
  );
});
