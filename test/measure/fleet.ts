// Measures what a requester costs with a whole fleet at default intervals, and how soon it notices silence.
import { setTimeout as pause } from 'node:timers/promises';
import { fillStore } from './fill-store.ts';
import type { LoadReport } from './fleet-load.ts';
import { cpuOf, type Memory, memoryOf } from './processes.ts';
import { RequesterProcess, startBroker } from './roles.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';
import { progress } from './workplace.ts';

interface FleetRun {
  /** Time from exec to ready, when all records are read, in milliseconds. */
  startUpMs: number;
  /** CPU time, as a share of one core. */
  cpu: number;
  /** Memory in bytes. `heapBytes` is the heap in use, including garbage. */
  memory: Memory & { heapBytes: number };
  /** Number of heartbeats and of requests per second. */
  heartbeats: number;
  requests: number;
  /** Times from the end of requester.nodeDisconnectedAfter to the announcement of the silence, in milliseconds, sorted. */
  lateMs: number[];
}

/** The defaults of the settings. */
const nodeDisconnectedAfterMs = 45_000;
const checkIntervalMs = 5_000;

const silentNodes = 25;
const windowMs = 30_000;

export const smallFleet = once(() => run(1_000));
const middleFleet = once(() => run(20_000));
const largeFleet = once(() => run(100_000));

/** Measures CPU, memory and start of a requester with 20 000 and with 100 000 nodes. */
export async function fleetCost(): Promise<Figure[]> {
  const middle = costOf('20 000', await middleFleet(), { cores: 0.12, bytes: 120e6 });
  return [...middle, ...costOf('100 000', await largeFleet(), { cores: 0.25, bytes: 300e6, startMs: 3_000 })];
}

interface Budgets {
  cores: number;
  bytes: number;
  startMs?: number;
}

function costOf(nodes: string, run: FleetRun, { cores, bytes, startMs }: Budgets): Figure[] {
  const { cpu, memory, startUpMs, heartbeats, requests } = run;
  const [resident, heap] = [memory.residentBytes, memory.heapBytes].map(bytes => Math.round(bytes / 1e6));
  return [
    {
      what: `requester: CPU with ${nodes} nodes at default intervals`,
      measured: cpu,
      unit: 'cores',
      budget: { atMost: cores },
      beside: `${Math.round(heartbeats)} heartbeats and ${Math.round(requests)} requests a second; no MAC yet`,
    },
    {
      what: `requester: anonymous memory with ${nodes} nodes`,
      measured: memory.anonymousBytes,
      unit: 'bytes',
      budget: { atMost: bytes },
      beside: `${resident} MB resident, ${heap} MB of heap in use, with garbage`,
    },
    {
      what: `requester: exec to ready with ${nodes} records`,
      measured: startUpMs,
      unit: 'milliseconds',
      ...(startMs === undefined ? {} : { budget: { atMost: startMs } }),
      beside: 'with the newest event of each',
    },
  ];
}

/** Measures how long after the timeout a requester announces that nodes fell silent. */
export async function silenceNoticed(): Promise<Figure[]> {
  const late = async (nodes: string, run: Promise<FleetRun>): Promise<Figure> => {
    const { lateMs } = await run;
    return {
      what: `requester: silence noticed beyond the timeout, ${nodes} nodes`,
      measured: lateMs.at(-1) ?? Number.NaN,
      unit: 'milliseconds',
      budget: { atMost: checkIntervalMs },
      beside: `the latest of ${lateMs.length}; median ${Math.round(lateMs[lateMs.length >> 1] ?? 0)} ms; budget: one check`,
    };
  };
  return [await late('1 000', smallFleet()), await late('100 000', largeFleet())];
}

/** Runs a requester with `nodes` simulated nodes. It takes about 80 s and the time to fill the store. */
async function run(nodes: number): Promise<FleetRun> {
  const broker = await startBroker();
  progress(`${nodes} nodes: filling the store`);
  await fillStore(broker.url, nodes);
  await RequesterProcess.translated();
  const began = performance.now();
  const requester = await RequesterProcess.start(broker);
  await requester.ready();
  const startUpMs = performance.now() - began;
  progress(`${nodes} nodes: the requester was ready after ${Math.round(startUpMs)} ms; 80 s of load`);
  const { clusterId = '' } = await requester.status();
  const load = new Worker<LoadReport>(
    new URL('./fleet-load.ts', import.meta.url),
    broker.url,
    clusterId,
    nodes,
    silentNodes,
  );
  // A requester announces nothing before it has listened for this time. Until then it has less to do than later.
  await pause(nodeDisconnectedAfterMs + 3_000);
  const before = await readUse(requester);
  await pause(windowMs);
  const after = await readUse(requester);
  const memory = { ...memoryOf(requester.program.pid), heapBytes: await requester.heapBytes() };
  const { refused, refusal, noticedMs } = await load.next();
  await load.end();
  await requester.program.stop();
  await broker.release();
  if (refused > 0) throw new Error(`${refused} requests of the simulated nodes were refused: ${refusal}`);
  if (noticedMs.length !== silentNodes) throw new Error(`${noticedMs.length} of ${silentNodes} were noticed`);
  const seconds = (after.at - before.at) / 1000;
  return {
    startUpMs,
    memory,
    cpu: (after.cpu - before.cpu) / 1e6 / seconds,
    heartbeats: (after.heartbeats - before.heartbeats) / seconds,
    requests: (after.requests - before.requests) / seconds,
    lateMs: noticedMs.map(silence => silence - nodeDisconnectedAfterMs).sort((a, b) => a - b),
  };
}

async function readUse(requester: RequesterProcess) {
  const { heartbeats, requests } = (await requester.status()).counters;
  return { at: performance.now(), cpu: cpuOf(requester.program.pid), heartbeats, requests };
}

function once<T>(fn: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= fn();
    return result;
  };
}
