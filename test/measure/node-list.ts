// Measures how soon `node list` prints its first row, and its memory, with a thousand nodes and with ten thousand; and how soon the
// requester answers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeStreamType } from '../../agent/protocol/http-node-stream.ts';
import { Cluster } from '../support/cluster.ts';
import { fillStore } from './fill-store.ts';
import { cpuOf } from './processes.ts';
import { startBroker } from './roles.ts';
import { median } from './statistics.ts';
import type { Figure } from './table.ts';
import { newFolder } from './workplace.ts';

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const peakMemory = new URL('./peak-memory.ts', import.meta.url).href;
const runs = 5;
/** An answer takes little time, so there can be many of them: of a few, most may fall into a moment in which others have the cores. */
const answerRuns = 25;

interface Listed {
  /** Time from the first byte of the answer to the first row, in milliseconds. */
  firstRowMs: number;
  peakBytes: number;
}

interface Answered {
  /** Times from the request to the first byte of the answer's body, and to the last, in milliseconds. */
  firstByteMs: number;
  allMs: number;
  /** CPU time of the requester, in milliseconds. */
  cpuMs: number;
}

/** Lists a thousand nodes and ten thousand as a table, each several times. */
export async function nodeList(): Promise<Figure[]> {
  const few = await listWith(1_000);
  const many = await listWith(10_000);
  return [
    {
      what: 'command: first byte to first row of a list of 10 000 nodes',
      measured: many.firstRowMs,
      unit: 'milliseconds',
      budget: { atMost: 100 },
      beside: `${Math.round(few.firstRowMs)} ms with 1 000`,
    },
    {
      what: 'command: memory for a list of 10 000 nodes, against 1 000',
      measured: many.peakBytes / few.peakBytes,
      unit: 'times',
      budget: { atMost: 1.3 },
      beside: `${Math.round(many.peakBytes / 1e6)} MB at most, and ${Math.round(few.peakBytes / 1e6)} MB`,
    },
    {
      what: 'requester: first byte of a list of 10 000 nodes',
      measured: many.answer.firstByteMs,
      unit: 'milliseconds',
      budget: { atMost: 20 },
      beside: `the soonest of ${answerRuns} after ${many.answer.soonestMs.toFixed(1)} ms; ${Math.round(few.answer.firstByteMs)} ms with 1 000`,
    },
    {
      what: 'requester: all of a list of 10 000 nodes',
      measured: many.answer.allMs,
      unit: 'milliseconds',
      budget: { atMost: 300 },
      beside: `${Math.round(many.answer.cpuMs)} ms of CPU`,
    },
  ];
}

async function listWith(nodes: number): Promise<Listed & { answer: Answered & { soonestMs: number } }> {
  const broker = await startBroker();
  await fillStore(broker.url, nodes);
  const cluster = await Cluster.create({ servers: broker.url });
  try {
    const requester = await cluster.requester();
    const listed: Listed[] = [];
    for (let run = 0; run < runs; run++) listed.push(await list(cluster.apiPort, nodes));
    const answers: Answered[] = [];
    for (let run = 0; run < answerRuns; run++) answers.push(await answerOf(cluster.apiPort, requester.pid));
    const middle = (member: keyof Answered) => median(answers.map(answer => answer[member]));
    return {
      answer: {
        firstByteMs: middle('firstByteMs'),
        allMs: middle('allMs'),
        cpuMs: middle('cpuMs'),
        soonestMs: Math.min(...answers.map(({ firstByteMs }) => firstByteMs)),
      },
      firstRowMs: median(listed.map(({ firstRowMs }) => firstRowMs)),
      peakBytes: median(listed.map(({ peakBytes }) => peakBytes)),
    };
  } finally {
    await cluster.release();
    await broker.release();
  }
}

/** Asks the requester as the command does, and reads the answer without looking at it. */
async function answerOf(apiPort: number, pid: number): Promise<Answered> {
  const cpuBefore = cpuOf(pid);
  const askedAt = performance.now();
  const url = `http://127.0.0.1:${apiPort}/api/v1/orchestrator/nodes`;
  const { body } = await fetch(url, { headers: { accept: nodeStreamType } });
  let firstByteAt: number | undefined;
  for await (const _ of body ?? []) firstByteAt ??= performance.now();
  const allMs = performance.now() - askedAt;
  return {
    firstByteMs: (firstByteAt ?? Number.NaN) - askedAt,
    allMs,
    cpuMs: (cpuOf(pid) - cpuBefore) / 1000,
  };
}

/** Lists the nodes by way of a proxy, which sees when the answer begins. */
async function list(apiPort: number, nodes: number): Promise<Listed> {
  let firstByteAt: number | undefined;
  const proxy = createServer(near => pass(near, apiPort, () => (firstByteAt ??= performance.now())));
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  const address = proxy.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const file = join(await newFolder(), 'peak');
  const args = ['--import', peakMemory, main, 'node', 'list', '--hide-header', '--api-port', String(port)];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, HOME: await newFolder(), PEAK_MEMORY: file },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let firstRowAt: number | undefined;
  let rows = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    firstRowAt ??= performance.now();
    rows += text.split('\n').length - 1;
  });
  await once(child, 'close');
  proxy.close();
  if (rows < nodes || firstRowAt === undefined || firstByteAt === undefined)
    throw new Error(`node list printed ${rows} of ${nodes} rows`);
  return { firstRowMs: firstRowAt - firstByteAt, peakBytes: Number(await readFile(file, 'latin1')) };
}

function pass(near: Socket, port: number, onAnswer: () => void): void {
  const far = connect(port, '127.0.0.1');
  far.on('data', onAnswer);
  near.pipe(far).pipe(near);
  for (const socket of [near, far]) socket.on('error', () => undefined);
}
