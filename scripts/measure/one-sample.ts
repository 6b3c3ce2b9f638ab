// A worker: what one resource sample costs, and one inventory. Argument: a folder.
import { setTimeout as pause } from 'node:timers/promises';
import { selfCommand } from '../../agent/cli/self.ts';
import { Disk } from '../../agent/host/disk.ts';
import { takeInventory } from '../../agent/host/inventory.ts';
import { Sampler } from '../../agent/host/sampler.ts';
import { childrenOf } from './processes.ts';
import { report } from './worker.ts';

/** Microseconds of CPU, except `inventoryTime`: milliseconds. */
export interface SampleReport {
  /** One after the other, as fast as they come. */
  warm: number;
  /** With a pause before each, as for an agent that has slept. */
  cold: number;
  /** What its children use. */
  inventory: number;
  inventoryTime: number;
}

const disk = new Disk(process.argv[2] ?? '');
const sampler = new Sampler(disk);
// The disk answers from another thread: it belongs to the sample.
const sample = async () => {
  sampler.sample();
  await disk.refresh();
};

const turns = 400;
const paused = async (work: () => Promise<void>) =>
  cpuOf(turns, async () => {
    await pause(5);
    await work();
  });
const inventories = 3;

await cpuOf(turns, sample);
const warm = await cpuOf(4_000, sample);
const cold = (await paused(sample)) - (await paused(async () => undefined));
const before = childrenOf(process.pid).cpu;
const began = performance.now();
for (let turn = 0; turn < inventories; turn++) await takeInventory(selfCommand('inventory-child'));
const inventoryTime = (performance.now() - began) / inventories;
const inventory = (childrenOf(process.pid).cpu - before) / inventories;
report({ warm, cold, inventory, inventoryTime } satisfies SampleReport);

/** Microseconds of CPU that each turn takes, all threads together. */
async function cpuOf(times: number, work: () => Promise<void>): Promise<number> {
  const start = process.cpuUsage();
  for (let turn = 0; turn < times; turn++) await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / times;
}
