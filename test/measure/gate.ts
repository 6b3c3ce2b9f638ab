// Measures the gate of the requester's own broker: what an admission costs the requester, how long a fleet takes to come back
// after a restart of the broker, alone and in a crowd of strangers, and the memory that the keys of many nodes take.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import { Cluster } from '../support/cluster.ts';
import { pinKeys } from '../support/pinned-keys.ts';
import { newKey, RawClient, type RawLogin } from '../support/raw-client.ts';
import { cpuOf, memoryOf } from './processes.ts';
import type { Line } from './table.ts';
import { Worker } from './worker.ts';
import { progress } from './workplace.ts';

const nodes = 1_000;
const crowd = { strangers: 10_000, wrongKeys: 1_000 };
/** Number of connections that are being opened at once. */
const atOnce = 200;
const pinned = 100_000;

/** Measures the gate of a real requester with its own broker. */
export async function gateCost(): Promise<Line[]> {
  const settings = { 'requester.nodeDisconnectedAfter': '10m', 'requester.nodeUnknownAfter': '20m' };
  const cluster = await Cluster.create({ settings });
  try {
    const first = await cluster.requester();
    const keys = await pinKeys(
      cluster,
      Array.from({ length: nodes }, (_, index) => `node-${index + 1}`),
    );
    await first.stop();
    const requester = await cluster.requester();
    const logins = [...keys].map(([id, key]) => loginOf(id, key));
    const cpuBefore = cpuOf(requester.pid);
    const fleet = await openAll(cluster.brokerPort, logins);
    const admissionUs = (cpuOf(requester.pid) - cpuBefore) / nodes;
    const alone = await comeBack(cluster, logins, fleet);
    progress(`gate: ${crowd.strangers} strangers and ${crowd.wrongKeys} wrong keys`);
    const memoryBefore = memoryOf(requester.pid).residentBytes;
    const among = await comeBack(cluster, logins, alone.clients, [...keys.keys()]);
    const memory = memoryOf(requester.pid).residentBytes - memoryBefore;
    for (const client of among.clients) client.close();
    const beside = `${crowd.strangers} strangers and ${crowd.wrongKeys} wrong keys: the last of them knocked after ${Math.round(among.crowdMs)} ms`;
    return [
      {
        what: 'requester: CPU for each admission of a known key',
        measured: admissionUs,
        unit: 'microseconds',
        budget: { atMost: 2_000 },
        beside: `${nodes} nodes, ${atOnce} at once, over loopback without TLS`,
      },
      {
        what: `${nodes} nodes after a restart of the broker: the last is back`,
        measured: alone.lastMs,
        unit: 'milliseconds',
      },
      {
        what: `${nodes} nodes back in a crowd: the last is back`,
        measured: among.lastMs,
        unit: 'milliseconds',
        beside,
      },
      { what: 'requester: more resident memory after the crowd', measured: memory, unit: 'bytes' },
    ];
  } finally {
    await cluster.release();
  }
}

/** Measures the memory of many pinned keys. */
export async function pinMemory(): Promise<Line[]> {
  const worker = new Worker<{ bytes: number }>(new URL('./many-pins.ts', import.meta.url), pinned);
  const { bytes } = await worker.next();
  await worker.end();
  return [{ what: `requester: heap for the keys of ${pinned} nodes`, measured: bytes, unit: 'bytes' }];
}

const loginOf = (id: string, key: KeyPair): RawLogin => ({ key, name: `${id} instance=of-${id}` });

/** Opens a connection for each login, again and again until it is let in. */
async function openAll(port: number, logins: readonly RawLogin[]): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  await forEachAtOnce(logins, async login => {
    let client: RawClient | undefined;
    while (!client) client = await RawClient.open(port, login).catch(() => undefined);
    clients.push(client);
  });
  return clients;
}

/** Kills the broker. Resolves when each node is let in again; `known` are nodes in whose names wrong keys come meanwhile. */
async function comeBack(
  cluster: Cluster,
  logins: readonly RawLogin[],
  before: readonly RawClient[],
  known?: readonly string[],
): Promise<{ clients: RawClient[]; lastMs: number; crowdMs: number }> {
  process.kill(
    Number(await readFile(join(cluster.folderOf('node-0'), 'broker/nats-server.pid'), 'utf8')),
    'SIGKILL',
  );
  await Promise.all(before.map(client => client.closed));
  const began = performance.now();
  const strangers = known ? knock(cluster.brokerPort, known) : Promise.resolve();
  const clients = await openAll(cluster.brokerPort, logins);
  const lastMs = performance.now() - began;
  await strangers;
  return { clients, lastMs, crowdMs: performance.now() - began };
}

async function knock(port: number, known: readonly string[]): Promise<void> {
  const names = [
    ...Array.from({ length: crowd.strangers }, (_, index) => `stranger-${index}`),
    ...Array.from({ length: crowd.wrongKeys }, (_, index) => known[index % known.length] ?? ''),
  ];
  await forEachAtOnce(names, async name => {
    let client: RawClient | undefined;
    while (!client) client = await RawClient.dial(port).catch(() => undefined);
    client.connect(loginOf(name, newKey()));
  });
}

async function forEachAtOnce<T>(list: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = list.values();
  const workers = Array.from({ length: atOnce }, async () => {
    for (const item of rest) await work(item);
  });
  await Promise.all(workers);
}
