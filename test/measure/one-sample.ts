// A worker: what one resource sample costs, and the same facts from `systeminformation`. Arguments: a folder, and what to
// sample: `machine`, `without-probe`, or the path of a fake of NVIDIA's library. Only of the machine is the peer asked.
import { setTimeout as pause } from 'node:timers/promises';
import si from 'systeminformation';
import { Survey } from '../../agent/compute/survey/survey.ts';
import { ownCommand } from '../../agent/roles/own-command.ts';
import { silentLog } from '../../agent/system/log.ts';
import { childrenOf } from './processes.ts';
import { report } from './worker.ts';

/** Microseconds of CPU. */
export interface Cost {
  /** All threads of the process. */
  own: number;
  /** The processes that it started, and theirs. */
  children: number;
}

export interface SampleReport {
  sample: Cost;
  /** The peer's. */
  library?: Cost;
  /** Usable ones, whose figures are in both. */
  gpus: number;
}

/** The best of so many windows counts: the one that other work on the machine disturbed least. */
const windows = 10;
/** In one window. Enough that children, which are counted in steps of 10 ms, are known to a tenth. */
const turns = { sample: 80, library: 10 };
/** Milliseconds: the agent has slept before a sample, and `currentLoad` answers sooner what it answered before. */
const rest = { sample: 5, library: 210 };

const [folder = '', what = ''] = process.argv.slice(2);
const fake = what.startsWith('/') ? what : undefined;

if (fake) process.env.FAKE_NVML = 'gpus=8';
if (what === 'without-probe') {
  process.dlopen = () => {
    throw new Error('it is to be measured without');
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

// The disk and the GPUs answer from other threads, within the rest that follows.
const nothing = () => pause(rest.sample);
const sample = async () => {
  survey.sample();
  await nothing();
};
const library = async () => {
  await Promise.all([si.mem(), si.currentLoad(), si.fsSize(), gpus > 0 ? si.graphics() : undefined]);
};

await cost(turns.sample * windows, 0, sample);
const found: Record<'nothing' | 'sample' | 'library', Cost[]> = { nothing: [], sample: [], library: [] };
for (let window = 0; window < windows; window++) {
  found.nothing.push(await cost(turns.sample, 0, nothing));
  found.sample.push(await cost(turns.sample, 0, sample));
  if (what === 'machine') found.library.push(await cost(turns.library, rest.library, library));
}
const [whole, idle] = [best(found.sample), best(found.nothing)];
report({
  sample: { own: whole.own - idle.own, children: whole.children - idle.children },
  ...(what === 'machine' ? { library: best(found.library) } : {}),
  gpus,
} satisfies SampleReport);

/** What each turn of `work` takes, `rest` milliseconds apart. */
async function cost(times: number, rest: number, work: () => Promise<void>): Promise<Cost> {
  const before = childrenOf(process.pid).cpu;
  let own = 0;
  for (let turn = 0; turn < times; turn++) {
    if (rest > 0) await pause(rest);
    const start = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(start);
    own += user + system;
  }
  return { own: own / times, children: (childrenOf(process.pid).cpu - before) / times };
}

function best(costs: Cost[]): Cost {
  return costs.reduce((one, other) => (other.own + other.children < one.own + one.children ? other : one));
}
