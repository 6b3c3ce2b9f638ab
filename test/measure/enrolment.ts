// Measures how long it takes until many new machines are in a cluster, over TLS and by a join code, and until they are back
// after the broker died.
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { Program } from '../support/program.ts';
import type { KeyedNodesReport } from './keyed-nodes.ts';
import { cpuOf, memoryOf } from './processes.ts';
import { median } from './statistics.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';

const timeoutMs = 240_000;
const startCount = 11;
const settlingMs = 15_000;

/** Measures the enrolment of 10 000 machines at once. */
export async function coldNodes(): Promise<Figure[]> {
  return await withNodes(10_000, async ({ requester, broker, began, cluster }) => {
    const tookMs = performance.now() - began.at;
    const nodes = (await cluster.nodes()).filter(({ Info }) => Info.NodeType === 'Compute').length;
    const perNode = (pid: number, before: number) => (cpuOf(pid) - before) / nodes / 1000;
    const ofRequester = perNode(requester.pid, began.requesterCpu).toFixed(2);
    const ofBroker = perNode(broker, began.brokerCpu).toFixed(2);
    return [
      {
        what: '10 000 new nodes at once, TLS and a join code: until the last is registered',
        measured: tookMs,
        unit: 'milliseconds',
        beside: `${nodes} on the roll; CPU of a node: requester ${ofRequester} ms, broker ${ofBroker} ms; the nodes run beside`,
      },
      {
        what: 'requester: anonymous memory with these nodes connected',
        measured: memoryOf(requester.pid).anonymousBytes,
        unit: 'bytes',
      },
    ];
  });
}

/** Measures the return of 1 000 nodes after their broker was killed. */
export async function returnOfNodes(): Promise<Figure[]> {
  return await withNodes(1_000, async ({ broker, cluster, connected }) => {
    const before = await cluster.events();
    const killedAt = performance.now();
    process.kill(broker, 'SIGKILL');
    await eventually('the nodes have lost their broker', () => connected() < 1_000, timeoutMs);
    await eventually('the nodes are back', () => connected() === 1_000, timeoutMs);
    const tookMs = performance.now() - killedAt;
    const changed = (await cluster.events())
      .slice(before.length)
      .filter(({ type }) => /un(healthy|known)$/.test(type));
    return [
      {
        what: '1 000 nodes after their broker was killed, TLS: until the last is back',
        measured: tookMs,
        unit: 'milliseconds',
        beside: `${changed.length} of them changed their health`,
      },
    ];
  });
}

/** Compares an agent that comes in by a key and TLS with one on a NATS without either: its start, and its memory. */
export async function keyedStart(): Promise<Figure[]> {
  const server = await startNatsServer();
  const shared = await Cluster.create({ servers: server.url });
  const keyed = await Cluster.create();
  try {
    await shared.requester();
    await keyed.requester({ 'broker.host': '0.0.0.0', 'broker.advertise': '127.0.0.1' });
    await keyed.joinCode();
    const times: Record<'keyed' | 'shared', number[]> = { keyed: [], shared: [] };
    for (let number = 1; number <= startCount; number++) {
      times.shared.push(await startOf(shared, `bench-${number}`));
      times.keyed.push(await startOf(keyed, `bench-${number}`));
    }
    const [one, other] = [await keyed.agent('steady'), await shared.agent('steady')];
    await pause(settlingMs);
    const more = memoryOf(one.pid).anonymousBytes - memoryOf(other.pid).anonymousBytes;
    return [
      {
        what: 'agent: exec to registered with TLS, a key and a join code, compared with neither',
        measured: median(times.keyed) / median(times.shared),
        unit: 'times',
        budget: { atMost: 1.3 },
        beside: `${median(times.keyed)} and ${median(times.shared)} ms, from source; medians of ${startCount}`,
      },
      {
        what: 'agent: more anonymous memory with TLS and a key',
        measured: more,
        unit: 'bytes',
        budget: { atMost: 1e6 },
      },
    ];
  } finally {
    await Promise.all([keyed.release(), shared.release()]);
    await server.release();
  }
}

/** Starts an agent, stops it, and returns the time from exec to registered, in milliseconds. */
async function startOf(cluster: Cluster, id: string): Promise<number> {
  const began = Date.now();
  const agent = await cluster.agent(id);
  const [line] = agent.logged('pending approval');
  await agent.stop();
  return Date.parse(String(line?.time)) - began;
}

interface Scene {
  cluster: Cluster;
  requester: Program;
  /** The id of the broker's process. */
  broker: number;
  /** When the nodes began to connect, and the CPU time of the two processes then, in microseconds. */
  began: { at: number; requesterCpu: number; brokerCpu: number };
  /** Returns how many nodes are connected. */
  connected(): number;
}

/** Runs `fn` when `count` nodes of two processes are registered. */
async function withNodes(count: number, fn: (scene: Scene) => Promise<Figure[]>): Promise<Figure[]> {
  const cluster = await Cluster.create({
    settings: {
      'requester.nodeDisconnectedAfter': '45s',
      'requester.nodeUnknownAfter': '90s',
      'requester.heartbeatFrequency': '5s',
      'requester.maxPending': 20_000,
    },
  });
  const workers: Worker<KeyedNodesReport>[] = [];
  try {
    const requester = await cluster.requester({ 'broker.host': '0.0.0.0', 'broker.advertise': '127.0.0.1' });
    const code = await cluster.joinCode();
    const broker = brokerPid(requester.stderr);
    const began = { at: performance.now(), requesterCpu: cpuOf(requester.pid), brokerCpu: cpuOf(broker) };
    const states: KeyedNodesReport[] = [];
    const half = count / 2;
    for (const index of [0, 1]) {
      const worker = new Worker<KeyedNodesReport>(
        new URL('./keyed-nodes.ts', import.meta.url),
        index * half,
        half,
        code,
      );
      workers.push(worker);
      void follow(worker, state => {
        states[index] = state;
      });
    }
    const sum = (member: keyof KeyedNodesReport) =>
      states.reduce((all, state) => all + (state?.[member] ?? 0), 0);
    await eventually(`${count} nodes are registered`, () => sum('registered') === count, timeoutMs);
    return await fn({ cluster, requester, broker, began, connected: () => sum('connected') });
  } finally {
    await Promise.all(workers.map(worker => worker.end()));
    await cluster.release();
  }
}

async function follow(
  worker: Worker<KeyedNodesReport>,
  onReport: (state: KeyedNodesReport) => void,
): Promise<void> {
  // It ends when the worker does.
  for (;;) onReport(await worker.next().catch(() => new Promise<never>(() => undefined)));
}

/** Returns the id of the broker's process, which the requester logs at its start. */
function brokerPid(log: string): number {
  const line = log.split('\n').find(each => each.includes('"msg":"the broker runs"')) ?? '{}';
  return (JSON.parse(line) as { pid?: number }).pid ?? 0;
}
