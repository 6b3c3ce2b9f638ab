// Thousands of strangers and hundreds of wrong keys knock at the broker while its nodes come back, and the requester is away
// while they do. The nodes all come back, and nothing grows without a limit. `npm run bench -- gate` takes more of them.
import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { newKey, RawClient } from '../support/raw-client.ts';

const strangers = 2_000;
const wrongKeys = 200;
const ids = ['n-1', 'n-2', 'n-3'];

let cluster: Cluster;
let requester: Program;
const agents = new Map<string, Program>();

before(async () => {
  // Only a real silence of nodes may be announced, not the load of this test.
  const settings = {
    'requester.heartbeatFrequency': '5s',
    'requester.nodeDisconnectedAfter': '60s',
    'requester.nodeUnknownAfter': '120s',
  };
  cluster = await Cluster.create({ settings });
  requester = await cluster.requester();
  for (const id of ids) agents.set(id, await cluster.agent(id));
  for (const id of ids) await cluster.decide(id, 'approve');
  for (const id of ids) await cluster.until(id, 'APPROVED HEALTHY');
});

after(() => cluster?.release());

describe('a crowd of strangers', () => {
  it('keeps no node out after a restart of the broker, and fills neither memory, nor log, nor disk', async t => {
    const before = await standing();
    const usedBefore = await usage();
    const { counters } = await cluster.status();
    const lines = requester.stderr.split('\n').length;
    const isBack = () => requester.logged('connected to the broker again').length;
    const returns = isBack();
    process.kill(await brokerPid(), 'SIGKILL');
    const began = performance.now();
    await untilBrokerRuns();
    // A question that nobody hears counts nowhere, and the crowd asks only once.
    await eventually('the requester is back', () => isBack() > returns);
    const crowd = [
      ...Array.from({ length: strangers }, () => ({ name: 'some-node instance=x' })),
      ...Array.from({ length: wrongKeys }, (_, n) => ({ name: `${ids[n % ids.length]} instance=x` })),
    ];
    const knocking = knock(crowd);
    await Promise.all(ids.map(id => backAfter(id, began, t)));
    const clients = await knocking;
    t.diagnostic(`the crowd has knocked after ${seconds(began)}`);
    await eventually('each of them was decided about', async () => {
      const now = (await cluster.status()).counters;
      const strange = now.strangers - counters.strangers;
      return strange >= strangers && now.refusedKeys - counters.refusedKeys >= wrongKeys;
    });
    t.diagnostic(`each was decided about after ${seconds(began)}`);
    const used = await usage();
    for (const client of clients) client.close();
    t.diagnostic(`before: ${JSON.stringify(usedBefore)}; then: ${JSON.stringify(used)}`);
    assert.ok(used.requesterMb - usedBefore.requesterMb < 200, 'memory of the requester');
    assert.ok(used.brokerMb - usedBefore.brokerMb < 600, 'memory of the broker');
    assert.ok(used.storeMb - usedBefore.storeMb < 1, 'size of the store');
    const written = requester.stderr.split('\n').slice(lines);
    assert.ok(written.length < 60, `log lines:\n${written.join('\n')}`);
    assert.deepEqual(await standing(), before);
  });
});

describe('a requester that is away', () => {
  it('by a kill: all nodes come back, and none registers again', async () => {
    const before = await standing();
    await requester.kill();
    requester = await cluster.requester();
    await Promise.all(ids.map(id => backAfter(id, performance.now())));
    assert.deepEqual(await standing(), before);
  });

  it('by a suspension, in which the agents lose their links and one is started again', async () => {
    const before = await standing();
    requester.signal('SIGSTOP');
    process.kill(await brokerPid(), 'SIGTERM');
    await agents.get('n-1')?.kill();
    agents.set('n-1', await cluster.agent('n-1', {}, { wait: false }));
    await agents.get('n-1')?.untilPrinted(/the agent starts/);
    requester.signal('SIGCONT');
    await Promise.all(ids.map(id => backAfter(id, performance.now())));
    const now = await standing();
    // The process that was started again may register. The others do not.
    assert.deepEqual(now.slice(1), before.slice(1));
    assert.deepEqual(requester.logged('the connection of a node could not be ended'), []);
  });
});

/** Returns what must not change of the nodes: membership, health, time of registration, and the kinds of their events. */
async function standing(): Promise<string[]> {
  const nodes = await Promise.all(ids.map(id => cluster.node(id)));
  const kinds = await Promise.all(ids.map(id => cluster.kindsOf(id)));
  return nodes.map((node, n) => {
    const { Health, RegisteredAt } = node?.Muster ?? {};
    // What a machine is may change at any time, a wrong key that names a node is announced as a conflict, and that a node is
    // healthy is announced once the requester has listened for a minute.
    const others = /^(updated|conflict|healthy|condition-\w+)$/;
    const changes = (kinds[n] ?? []).filter(kind => !others.test(kind));
    return [ids[n], node?.Membership, Health, RegisteredAt, ...changes].join(' ');
  });
}

/** Resolves when a node was heard after `since`. */
async function backAfter(id: string, since: number, t?: TestContext): Promise<void> {
  const beats = async () =>
    (await cluster.node(id).catch(() => undefined))?.ConnectionState.LastHeartbeat ?? '';
  const wallSince = new Date(Date.now() - (performance.now() - since)).toISOString();
  await eventually(`${id} is heard again`, async () => (await beats()) > wallSince);
  t?.diagnostic(`${id} is heard again after ${seconds(since)}`);
}

const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(1)} s`;

/** Connects all of them, some hundred at a time, and leaves the connections open. */
async function knock(crowd: readonly { name: string }[]): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  const waiting = [...crowd];
  const worker = async () => {
    for (let one = waiting.pop(); one; one = waiting.pop()) {
      const client = await RawClient.dial(cluster.brokerPort).catch(() => undefined);
      if (client) clients.push(client);
      else waiting.push(one);
      client?.connect({ key: newKey(), name: one.name });
    }
  };
  await Promise.all(Array.from({ length: 300 }, worker));
  return clients;
}

async function brokerPid(): Promise<number> {
  return Number(await readFile(join(cluster.folderOf('node-0'), 'broker/nats-server.pid'), 'utf8'));
}

const untilBrokerRuns = () =>
  eventually('the broker takes connections again', () =>
    RawClient.dial(cluster.brokerPort).then(
      client => {
        client.close();
        return true;
      },
      () => false,
    ),
  );

async function usage(): Promise<{ requesterMb: number; brokerMb: number; storeMb: number }> {
  const resident = async (pid: number) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
  };
  const store = join(cluster.folderOf('node-0'), 'broker/store');
  const files = await readdir(store, { recursive: true, withFileTypes: true });
  const sizes = files.map(async file => {
    return file.isFile()
      ? await stat(join(file.parentPath, file.name)).then(
          ({ size }) => size,
          () => 0,
        )
      : 0;
  });
  const storeBytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  return {
    requesterMb: await resident(requester.pid),
    brokerMb: await resident(await brokerPid()),
    storeMb: Math.round(storeBytes / 1e5) / 10,
  };
}
