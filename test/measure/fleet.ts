// A requester under the load of a whole fleet at default intervals: what it costs, and how soon it notices silence.
import { setTimeout as pause } from 'node:timers/promises';
import { fillStore } from './fill-store.ts';
import type { LoadReport } from './fleet-load.ts';
import { cpuOf, type Memory, memoryOf } from './processes.ts';
import { RequesterProcess, startBroker } from './roles.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';
import { progress } from './workplace.ts';

interface FleetRun {
  /** Milliseconds from exec to ready, all records read. */
  startUp: number;
  /** Share of one core. */
  cpu: number;
  /** Bytes; `heap` is what is in use, garbage included. */
  memory: Memory & { heap: number };
  /** A second. */
  heartbeats: number;
  requests: number;
  /** Milliseconds beyond requester.nodeDisconnectedAfter until silence was announced, in order. */
  late: number[];
}

/** Defaults of the settings, in milliseconds. */
const nodeDisconnectedAfter = 45_000;
const checkEvery = 5_000;

const silentNodes = 25;
const window = 30_000;

export const smallFleet = once(() => run(1_000));
const largeFleet = once(() => run(100_000));

export async function fleetCost(): Promise<Figure[]> {
  const { cpu, memory, startUp, heartbeats, requests } = await largeFleet();
  const [resident, heap] = [memory.resident, memory.heap].map(bytes => Math.round(bytes / 1e6));
  return [
    {
      what: 'requester: CPU with 100 000 nodes at default intervals',
      measured: cpu,
      unit: 'cores',
      budget: { atMost: 0.3 },
      beside: `${Math.round(heartbeats)} heartbeats and ${Math.round(requests)} requests a second; no MAC yet`,
    },
    {
      what: 'requester: anonymous memory with 100 000 nodes',
      measured: memory.anonymous,
      unit: 'bytes',
      budget: { atMost: 600e6 },
      beside: `${resident} MB resident, ${heap} MB of heap in use, garbage included`,
    },
    {
      what: 'requester: exec to ready with 100 000 records',
      measured: startUp,
      unit: 'milliseconds',
      beside: `${Math.round((startUp * 1000) / 100_000)} µs a record, its newest event included`,
    },
  ];
}

export async function silenceNoticed(): Promise<Figure[]> {
  const late = async (nodes: string, run: Promise<FleetRun>): Promise<Figure> => {
    const { late } = await run;
    return {
      what: `requester: silence noticed beyond the timeout, ${nodes} nodes`,
      measured: late.at(-1) ?? Number.NaN,
      unit: 'milliseconds',
      budget: { atMost: checkEvery },
      beside: `the latest of ${late.length}; median ${Math.round(late[late.length >> 1] ?? 0)} ms; budget: one check`,
    };
  };
  return [await late('1 000', smallFleet()), await late('100 000', largeFleet())];
}

/** Takes about 80 s, and what the store takes to fill. */
async function run(nodes: number): Promise<FleetRun> {
  const broker = await startBroker();
  progress(`${nodes} nodes: filling the store`);
  await fillStore(broker.url, nodes);
  const began = performance.now();
  const requester = await RequesterProcess.start(broker);
  await requester.ready();
  const startUp = performance.now() - began;
  progress(`${nodes} nodes: the requester was ready after ${Math.round(startUp)} ms; 80 s of load`);
  const { clusterId = '' } = await requester.status();
  const load = new Worker<LoadReport>(
    new URL('./fleet-load.ts', import.meta.url),
    broker.url,
    clusterId,
    nodes,
    silentNodes,
  );
  // Before it has listened for so long, a requester judges nobody, and does less than it will.
  await pause(nodeDisconnectedAfter + 3_000);
  const before = await look(requester);
  await pause(window);
  const after = await look(requester);
  const memory = { ...memoryOf(requester.program.pid), heap: await requester.heap() };
  const { refused, refusal, noticed } = await load.next();
  await load.end();
  await requester.program.stop();
  await broker.release();
  if (refused > 0) throw new Error(`${refused} requests of the simulated nodes were refused: ${refusal}`);
  if (noticed.length !== silentNodes) throw new Error(`${noticed.length} of ${silentNodes} were noticed`);
  const seconds = (after.at - before.at) / 1000;
  return {
    startUp,
    memory,
    cpu: (after.cpu - before.cpu) / 1e6 / seconds,
    heartbeats: (after.heartbeats - before.heartbeats) / seconds,
    requests: (after.requests - before.requests) / seconds,
    late: noticed.map(silence => silence - nodeDisconnectedAfter).sort((a, b) => a - b),
  };
}

async function look(requester: RequesterProcess) {
  const { heartbeats, requests } = (await requester.status()).counters;
  return { at: performance.now(), cpu: cpuOf(requester.program.pid), heartbeats, requests };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}
