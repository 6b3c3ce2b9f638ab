// Measures what an agent costs its machine in steady state, and the time from exec to registered.
import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { nodeBucket } from '../../agent/requester/roll/store.ts';
import { giveBackPausesMs } from '../../agent/roles/give-back-memory.ts';
import { eventually } from '../support/eventually.ts';
import { openConnection } from '../support/open-connection.ts';
import { bareNodeMs, childrenOf, cpuOf, memoryOf } from './processes.ts';
import { RequesterProcess, startAgent, startBroker } from './roles.ts';
import { median } from './statistics.ts';
import type { Figure } from './table.ts';
import { newFolder } from './workplace.ts';

/** By then an agent has given back what its start needed, which costs as much as a minute in steady state. */
const settlingMs = giveBackPausesMs.first + 10_000;
/** The measured time, in milliseconds. Each report is due at least once in it, at the default intervals. */
const windowMs = 60_000;
const startCount = 11;

/** Measures memory, CPU and child processes of an agent at the default intervals, after its inventory. */
export async function steadyAgent(): Promise<Figure[]> {
  const broker = await startBroker();
  const requester = await RequesterProcess.start(broker);
  await requester.ready();
  const folder = await newFolder();
  const agent = await startAgent('bench-1', folder, broker);
  await agent.untilPrinted(/pending approval/);
  await eventually('the inventory is taken', () => exists(join(folder, 'data', 'agent', 'inventory.json')));
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await pause(settlingMs);
  const readUse = () => ({ at: performance.now(), cpu: cpuOf(agent.pid), children: childrenOf(agent.pid) });
  const before = readUse();
  await pause(windowMs);
  const after = readUse();
  const { anonymousBytes, residentBytes } = memoryOf(agent.pid);
  const ofBareNode = memoryOf(bare.pid ?? 0).anonymousBytes;
  bare.kill();
  await agent.stop();
  await requester.program.stop();
  await broker.release();
  const children = after.children.running + (after.children.trace === before.children.trace ? 0 : 1);
  return [
    {
      what: 'agent: anonymous memory, steady',
      measured: anonymousBytes,
      unit: 'bytes',
      budget: { atMost: 20e6 },
      beside: `from source, not packaged; ${(anonymousBytes / ofBareNode).toFixed(1)}× bare Node, ${Math.round(residentBytes / 1e6)} MB resident`,
    },
    {
      what: 'agent: CPU, steady',
      measured: (after.cpu - before.cpu) / 1000 / (after.at - before.at),
      unit: 'cores',
      beside: "default intervals, with the broker's pings",
    },
    {
      what: 'agent: child processes in steady state',
      measured: children,
      unit: 'processes',
      budget: { atMost: 0 },
    },
  ];
}

/** Measures the time from exec of a new agent to its record in the store. */
export async function agentStart(): Promise<Figure[]> {
  const broker = await startBroker();
  const requester = await RequesterProcess.start(broker);
  await requester.ready();
  const connection = await openConnection(broker.url, 'bench');
  const bucket = await (await connection.storage()).bucket(nodeBucket);
  let stored: (id: string) => void = () => undefined;
  const watch = await bucket.watch(entry => stored(entry.key));
  await watch.ready;
  const times: number[] = [];
  const loading: number[] = [];
  const ofBareNode: number[] = [];
  for (let number = 1; number <= startCount; number++) {
    const id = `bench-${number}`;
    const folder = await newFolder();
    const registered = new Promise<void>(resolve => {
      stored = key => {
        if (key === id) resolve();
      };
    });
    ofBareNode.push(await bareNodeMs());
    const began = Date.now();
    const agent = await startAgent(id, folder, broker);
    await registered;
    times.push(Date.now() - began);
    const [firstLine] = agent.logged('the agent starts');
    loading.push(Date.parse(String(firstLine?.time)) - began);
    await agent.stop();
  }
  await connection.close();
  await requester.program.stop();
  await broker.release();
  return [
    {
      what: 'agent: exec to registered, loopback',
      measured: median(times) / median(ofBareNode),
      unit: 'times',
      budget: { atMost: 3.5 },
      beside: `Node alone: ${median(times)} of ${Math.round(median(ofBareNode))} ms, from source, not packaged; ${median(loading)} ms of it load the program and connect; median of ${startCount}`,
    },
  ];
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
