// A worker: what one resource sample costs, and one inventory. Argument: a folder.
import { setTimeout as pause } from 'node:timers/promises';
import { selfCommand } from '../../agent/cli/self.ts';
import { Disk, spaceOf } from '../../agent/host/disk.ts';
import { takeInventory } from '../../agent/host/inventory.ts';
import { loadProbe, type NativeProbe } from '../../agent/host/probe.ts';
import { nodeReader, probeReader } from '../../agent/host/reading.ts';
import { Sampler } from '../../agent/host/sampler.ts';
import { childrenOf } from './processes.ts';
import { report } from './worker.ts';

/** Microseconds of CPU, except `inventoryTime`: milliseconds. */
export interface SampleReport {
  /** As the agent samples where the native probe was built; absent elsewhere. */
  probe?: Cost;
  /** As it does without. */
  node: Cost;
  /** What its children use. */
  inventory: number;
  inventoryTime: number;
}

/** Of one sample, the disk included. */
interface Cost {
  /** One after the other, as fast as they come. */
  warm: number;
  /** With a pause before each, as for an agent that has slept. */
  cold: number;
}

const folder = process.argv[2] ?? '';
const turns = 100;
const rounds = 7;
const inventories = 3;

const { probe } = loadProbe();
const node = sampling(undefined);
const native = probe && sampling(probe);
const measured: { node: Cost[]; probe: Cost[] } = { node: [], probe: [] };
// In turns, so that neither profits from what the other has warmed up, or suffers alone from what else the machine does.
for (let round = 0; round < rounds; round++) {
  if (native) measured.probe.push(await costOf(native));
  measured.node.push(await costOf(node));
}
const before = childrenOf(process.pid).cpu;
const began = performance.now();
for (let turn = 0; turn < inventories; turn++) await takeInventory(selfCommand('inventory-child'));
const inventoryTime = (performance.now() - began) / inventories;
const inventory = (childrenOf(process.pid).cpu - before) / inventories;
report({
  ...(native ? { probe: median(measured.probe) } : {}),
  node: median(measured.node),
  inventory,
  inventoryTime,
} satisfies SampleReport);

function sampling(by: NativeProbe | undefined): () => Promise<void> {
  const disk = new Disk(async () => ({ value: await spaceOf(folder, 1000, by), took: 0 }));
  const sampler = new Sampler(disk, by ? probeReader(by) : nodeReader());
  return async () => {
    sampler.sample();
    // The disk answers from another thread: it belongs to the sample.
    await disk.refresh();
  };
}

async function costOf(sample: () => Promise<void>): Promise<Cost> {
  const cold = (await paused(sample)) - (await paused(async () => undefined));
  return { cold, warm: await cpuOf(10 * turns, sample) };
}

function median(costs: readonly Cost[]): Cost {
  const middle = (key: keyof Cost) =>
    costs.map(cost => cost[key]).sort((a, b) => a - b)[costs.length >> 1] ?? 0;
  return { cold: middle('cold'), warm: middle('warm') };
}

function paused(work: () => Promise<void>): Promise<number> {
  return cpuOf(turns, async () => {
    await pause(5);
    await work();
  });
}

/** Microseconds of CPU that each turn takes, all threads together. */
async function cpuOf(times: number, work: () => Promise<void>): Promise<number> {
  const start = process.cpuUsage();
  for (let turn = 0; turn < times; turn++) await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / times;
}
