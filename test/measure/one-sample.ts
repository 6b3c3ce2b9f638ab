// This worker measures what one resource sample costs, and what the same facts from `systeminformation` cost. Arguments: a
// folder, and what to sample: `machine`, `without-probe`, or the path of a library that replaces NVIDIA's. Only for
// `machine` is `systeminformation` measured.
import { setTimeout as pause } from 'node:timers/promises';
import si from 'systeminformation';
import { Survey } from '../../agent/compute/survey/survey.ts';
import { ownCommand } from '../../agent/roles/own-command.ts';
import { silentLog } from '../../agent/system/log.ts';
import { childrenOf } from './processes.ts';
import { report } from './worker.ts';

/** CPU time, in microseconds. */
export interface Cost {
  /** CPU time of all threads of the process. */
  ownUs: number;
  /** CPU time of the processes that it started, and of their children. */
  childrenUs: number;
}

export interface SampleReport {
  sample: Cost;
  /** The cost of `systeminformation`. */
  library?: Cost;
  /** The number of usable GPUs, which both measure. */
  gpus: number;
}

/** The best of this many windows counts, because other programs on the machine disturbed it least. */
const windowCount = 10;
/** Turns in one window. The CPU of children is counted in steps of 10 ms, so there are enough to know it within a tenth. */
const turns = { sample: 80, library: 10 };
/**
 * Pauses before a turn, in milliseconds. An agent sleeps before a sample, and `currentLoad` repeats an answer for 200 ms.
 */
const restMs = { sample: 5, library: 210 };

const [folder = '', what = ''] = process.argv.slice(2);
const fake = what.startsWith('/') ? what : undefined;

if (fake) process.env.FAKE_NVML = 'gpus=8';
if (what === 'without-probe') {
  process.dlopen = () => {
    throw new Error('this run measures without the native probe');
  };
}
const half = { percent: 50 };
const survey = await Survey.open(
  {
    node: 'bench',
    folder,
    inventoryCommand: ownCommand('inventory-child'),
    nvmlLibrary: fake,
    log: silentLog,
  },
  { allocatedCapacity: { cpu: half, memory: half, disk: half, gpu: { percent: 100 } }, labels: {} },
);
await survey.scanGpus();
const gpus = survey.info().ComputeNodeInfo.MaxCapacity.GPU ?? 0;

// During the pause, other threads read the disk and the GPUs.
const pauseOnly = () => pause(restMs.sample);
const sample = async () => {
  survey.sample();
  await pauseOnly();
};
const library = async () => {
  await Promise.all([si.mem(), si.currentLoad(), si.fsSize(), gpus > 0 ? si.graphics() : undefined]);
};

await cost(turns.sample * windowCount, 0, sample);
const found: Record<'pauseOnly' | 'sample' | 'library', Cost[]> = { pauseOnly: [], sample: [], library: [] };
for (let window = 0; window < windowCount; window++) {
  found.pauseOnly.push(await cost(turns.sample, 0, pauseOnly));
  found.sample.push(await cost(turns.sample, 0, sample));
  if (what === 'machine') found.library.push(await cost(turns.library, restMs.library, library));
}
const [whole, idle] = [best(found.sample), best(found.pauseOnly)];
report({
  sample: { ownUs: whole.ownUs - idle.ownUs, childrenUs: whole.childrenUs - idle.childrenUs },
  ...(what === 'machine' ? { library: best(found.library) } : {}),
  gpus,
} satisfies SampleReport);

/** Measures the cost of each call of `fn`, with a pause before it. */
async function cost(times: number, pauseMs: number, fn: () => Promise<void>): Promise<Cost> {
  const before = childrenOf(process.pid).cpuUs;
  let ownUs = 0;
  for (let turn = 0; turn < times; turn++) {
    if (pauseMs > 0) await pause(pauseMs);
    const start = process.cpuUsage();
    await fn();
    const { user, system } = process.cpuUsage(start);
    ownUs += user + system;
  }
  return { ownUs: ownUs / times, childrenUs: (childrenOf(process.pid).cpuUs - before) / times };
}

function best(costs: Cost[]): Cost {
  return costs.reduce((one, other) =>
    other.ownUs + other.childrenUs < one.ownUs + one.childrenUs ? other : one,
  );
}
