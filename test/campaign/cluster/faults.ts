// The matrix of faults of a cluster: what each does, and how it is undone.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BrokerError } from '../../../agent/transport/port.ts';
import { compileLibrary } from '../../support/compile.ts';
import { eventually } from '../../support/eventually.ts';
import { type Loss, sites } from '../../support/nats-sites.ts';
import type { Begun, Fault } from './fault.ts';
import { moveFaults } from './move-faults.ts';
import type { Requester } from './requester.ts';
import { type ClusterStage, clockStepMs } from './stage.ts';
import { hasAll, readStoredRoll, type StoredRoll } from './stored-roll.ts';

const places = [0, 1] as const;
const pairs = [
  [0, 1],
  [0, 2],
  [1, 2],
] as const;
const everyone = [0, 1];

const serverFaults = sites.flatMap((site): [string, Fault][] => [
  [
    `kill server ${site}`,
    { help: 'SIGKILL, later a start', lasts: 'a moment', begin: stage => killServers(stage, [site]) },
  ],
  [
    `suspend server ${site}`,
    { help: 'SIGSTOP, later SIGCONT', lasts: 'a minute', begin: stage => suspendServers(stage, [site]) },
  ],
  [
    `fill the disk of server ${site}`,
    {
      help: 'no space is left; later there is, and it is started again',
      lasts: 'a moment',
      needs: 'disks',
      begin: stage => fillServer(stage, site),
    },
  ],
  [
    `empty the disk of server ${site}`,
    {
      help: 'SIGKILL; its store is deleted; it comes back under its name',
      lasts: 'a moment',
      begin: stage => emptyServer(stage, site),
    },
  ],
  [
    `replace server ${site}`,
    {
      help: 'SIGKILL; its store is deleted; a server with another name takes its place',
      lasts: 'a moment',
      begin: stage => replaceServer(stage, site),
    },
  ],
]);

const pairFaults = pairs.flatMap((pair): [string, Fault][] => [
  [
    `kill servers ${pair.join(' and ')}`,
    {
      help: 'SIGKILL for both, later a start',
      lasts: 'longer than a lease',
      begin: stage => killServers(stage, pair),
    },
  ],
  [
    `suspend servers ${pair.join(' and ')}`,
    {
      help: 'SIGSTOP for both, later SIGCONT',
      lasts: 'longer than a lease',
      begin: stage => suspendServers(stage, pair),
    },
  ],
]);

const requesterFaults = places.flatMap((place): [string, Fault][] => [
  [
    `kill requester ${place}`,
    {
      help: 'SIGKILL, later a start',
      lasts: 'a moment',
      begin: stage => endRequester(stage, place, 'SIGKILL'),
    },
  ],
  [
    `stop requester ${place}`,
    {
      help: 'SIGTERM, later a start',
      lasts: 'a moment',
      begin: stage => endRequester(stage, place, 'SIGTERM'),
    },
  ],
  [
    `suspend requester ${place}`,
    { help: 'SIGSTOP, later SIGCONT', lasts: 'a minute', begin: stage => suspendRequester(stage, place) },
  ],
  [
    `fill the disk of requester ${place}`,
    {
      help: 'no space is left; later there is',
      lasts: 'a moment',
      needs: 'disks',
      begin: stage => fillDisk(stage, stage.requesters[place].id),
    },
  ],
  [
    `replace requester ${place}`,
    {
      help: 'SIGKILL; its folder is deleted; a new one takes the keys of the other',
      lasts: 'a moment',
      begin: stage => replaceRequester(stage, place),
    },
  ],
]);

const losses: readonly [Loss, string][] = [
  ['both', 'nothing passes'],
  ['sent', 'what it sends is lost'],
  ['received', 'what it should receive is lost'],
];
const cutFaults = losses.flatMap(([loss, help]): [string, Fault][] =>
  (
    [
      ['the watcher', async stage => await stage.watcher()],
      ['the other requester', async stage => 1 - (await stage.watcher())],
      ['the third server', async () => 2],
    ] as [string, (stage: ClusterStage) => Promise<number>][]
  ).map(([who, siteOf]) => [
    `cut off ${who}${loss === 'both' ? '' : ` (${loss})`}`,
    {
      help: `its site is apart from the two others: ${help}`,
      lasts: 'longer than a lease',
      begin: async stage => cutOff(stage, await siteOf(stage), loss),
    },
  ]),
);

/** All faults by their names. */
export const faults: Readonly<Record<string, Fault>> = Object.fromEntries<Fault>([
  ...serverFaults,
  ...pairFaults,
  ...requesterFaults,
  ...cutFaults,
  ...moveFaults,
  [
    "kill the store's leader",
    {
      help: 'SIGKILL for the server that takes the writes, later a start',
      lasts: 'a moment',
      begin: async (stage: ClusterStage) => killServers(stage, [await stage.leaderSite()]),
    },
  ],
  [
    'kill the watcher',
    {
      help: 'SIGKILL, later a start',
      lasts: 'longer than a lease',
      begin: async (stage: ClusterStage) =>
        untilWatched(stage, place => endRequester(stage, place, 'SIGKILL')),
    },
  ],
  [
    'stop the watcher',
    {
      help: 'SIGTERM, later a start',
      lasts: 'a moment',
      begin: async (stage: ClusterStage) =>
        untilWatched(stage, place => endRequester(stage, place, 'SIGTERM')),
    },
  ],
  [
    'suspend the watcher',
    {
      help: 'SIGSTOP until another one watches, then SIGCONT',
      lasts: 'longer than a lease',
      begin: async (stage: ClusterStage) => untilWatched(stage, place => suspendRequester(stage, place)),
    },
  ],
  [
    'empty two servers',
    {
      help: 'both come back under their names with empty disks; then a backup is restored',
      lasts: 'longer than a lease',
      begin: (stage, pause) => loseTwo(stage, pause, false),
    },
  ],
  [
    'replace two servers',
    {
      help: 'two new ones with empty disks take their places; then a backup is restored',
      lasts: 'longer than a lease',
      begin: (stage, pause) => loseTwo(stage, pause, true),
    },
  ],
  [
    'set the clocks a day apart',
    {
      help: 'the clocks of the requesters are half a day ahead and behind',
      lasts: 'longer than a lease',
      begin: setClocksApart,
    },
  ],
  [
    'restart all servers',
    { help: 'SIGTERM and a start, one after the other', lasts: 'a moment', begin: restartServers },
  ],
  [
    'kill a backup',
    {
      help: 'muster backup is killed while it copies, and then made again',
      lasts: 'a moment',
      begin: killBackup,
    },
  ],
]);

async function killServers(stage: ClusterStage, gone: readonly number[]): Promise<Begun> {
  await Promise.all(gone.map(site => stage.nats.server(site).kill()));
  return {
    ...(gone.length > 1 ? { without: everyone } : {}),
    undo: async () => void (await Promise.all(gone.map(site => stage.nats.startServer(site)))),
  };
}

async function suspendServers(stage: ClusterStage, gone: readonly number[]): Promise<Begun> {
  for (const site of gone) stage.nats.server(site).pause();
  return {
    ...(gone.length > 1 ? { without: everyone } : { says: ['replica_behind'] }),
    undo: async () => {
      for (const site of gone) stage.nats.server(site).resume();
    },
  };
}

async function emptyServer(stage: ClusterStage, site: number, name?: string): Promise<Begun> {
  await stage.nats.server(site).kill();
  await stage.emptyServer(site);
  return { undo: () => stage.nats.startServer(site, name) };
}

async function replaceServer(stage: ClusterStage, site: number): Promise<Begun> {
  const former = stage.nats.nameOf(site);
  const { undo } = await emptyServer(stage, site, nextName(former));
  return {
    undo: async () => {
      await undo();
      await stage.removeMember(former);
    },
  };
}

/** Returns the name of the server that takes the place of one with this name. */
function nextName(name: string): string {
  const [base = '', number = '0'] = name.split('-');
  return `${base}-${Number(number) + 1}`;
}

async function fillDisk(stage: ClusterStage, name: string): Promise<Begun> {
  const disk = stage.disk(name);
  if (!disk) throw new Error(`there is no disk of ${name}`);
  await disk.fill();
  return { undo: () => disk.makeRoom() };
}

/** A server whose disk was full stores nothing until it is started again. */
async function fillServer(stage: ClusterStage, site: number): Promise<Begun> {
  const { undo } = await fillDisk(stage, `server ${site}`);
  return {
    says: ['replica_behind'],
    undo: async () => {
      await undo();
      await stage.nats.server(site).stop();
      await stage.nats.startServer(site);
    },
  };
}

async function endRequester(
  stage: ClusterStage,
  place: 0 | 1,
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<Begun> {
  const requester = stage.requesters[place];
  requester.program.signal(signal);
  const { code } = await requester.program.finished;
  if (signal === 'SIGTERM' && code !== 0)
    throw new Error(`${requester.id} was stopped and ended with ${code}`);
  return { undo: () => requester.start() };
}

async function suspendRequester(stage: ClusterStage, place: 0 | 1): Promise<Begun> {
  const { program } = stage.requesters[place];
  program.signal('SIGSTOP');
  return { undo: async () => program.signal('SIGCONT') };
}

/** Does something to the requester that watches, and waits until the other one watches. */
async function untilWatched(stage: ClusterStage, attack: (place: 0 | 1) => Promise<Begun>): Promise<Begun> {
  const place = await stage.watcher();
  const other = stage.requesters[place === 0 ? 1 : 0];
  const began = performance.now();
  const begun = await attack(place);
  await eventually(`${other.id} watches`, async () => (await other.status())?.watcher === other.id);
  return { ...begun, tookOverMs: performance.now() - began };
}

/** The new requester has another id and key. The servers learn the key, and an operator removes what is left of the former. */
async function replaceRequester(stage: ClusterStage, place: 0 | 1): Promise<Begun> {
  const requester = stage.requesters[place];
  const other = stage.requesters[place === 0 ? 1 : 0];
  await requester.program.kill();
  const former = requester.id;
  for (const name of await readdir(requester.folder))
    await rm(join(requester.folder, name), { recursive: true, force: true });
  return {
    undo: async () => {
      const [base = '', number = '0'] = former.split('-r');
      requester.id = `${base}-r${Number(number) + 1}`;
      stage.requesterIds.push(requester.id);
      await stage.mountFor(requester.id);
      await stage.shareKeys(other.id, requester.id);
      await stage.reconfigureServers(other.id);
      await requester.start();
      await requester.untilReady();
      await forget(other, former);
    },
  };
}

/** Removes the row of a requester that was taken away. */
async function forget({ port, api }: Requester, id: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/orchestrator/nodes/${id}`, {
    method: 'PUT',
    headers: {
      connection: 'close',
      'content-type': 'application/json',
      authorization: `Bearer ${await api.token()}`,
    },
    body: JSON.stringify({ Action: 'delete', Message: 'its folder is lost', Actor: 'the campaign' }),
  });
  if (!answer.ok) throw new Error(`the row of ${id} cannot be deleted: ${await answer.text()}`);
}

async function cutOff(stage: ClusterStage, site: number, loss: Loss): Promise<Begun> {
  stage.nats.cutOff(site, loss);
  return {
    minority: site,
    ...(site < 2 ? { without: [site] } : {}),
    undo: async () => stage.nats.mend(),
  };
}

async function restartServers(stage: ClusterStage): Promise<Begun> {
  await stage.reconfigureServers(stage.requesters[0].id);
  return { undo: async () => undefined };
}

/** Nobody decides from before the backup until it was restored, so that it has everything. */
async function loseTwo(
  stage: ClusterStage,
  pauseDecisions: () => Promise<void>,
  isRenamed: boolean,
): Promise<Begun> {
  await pauseDecisions();
  const file = join(stage.cluster.folder, 'two-lost.backup');
  const [first, second] = stage.requesters;
  const { code, stderr } = await stage.startBackup(first.id, file).finished;
  if (code !== 0) throw new Error(`muster backup ended with ${code}: ${stderr}`);
  const before = await storedRoll(stage);
  const lost = [1, 2];
  const names = lost.map(site => (isRenamed ? nextName(stage.nats.nameOf(site)) : stage.nats.nameOf(site)));
  await Promise.all(lost.map(site => stage.nats.server(site).kill()));
  for (const site of lost) await stage.emptyServer(site);
  await Promise.all(lost.map((site, index) => stage.nats.startServer(site, names[index])));
  const cluster = (await first.status())?.clusterId ?? '';
  return {
    says: ['no_quorum', 'store_missing', 'records_lost', 'store_older'],
    // Whether the third server empties itself, or fills the other two again, depends on which of them leads first.
    isHarmless: async () => {
      try {
        return hasAll(await storedRoll(stage), before);
      } catch (error) {
        if (error instanceof BrokerError) return false;
        throw error;
      }
    },
    undo: async () => {
      await Promise.all(stage.requesters.map(({ program }) => program.stop()));
      for (const site of sites) {
        await stage.nats.server(site).kill();
        await stage.emptyServer(site);
      }
      await Promise.all(sites.map(site => stage.nats.startServer(site)));
      await stage.restore(first.id, file, cluster);
      await rm(file);
      await first.start();
      await eventually(`${first.id} answers`, async () => (await first.status()) !== undefined);
      await second.start();
      await stage.confirmOlderStore(second);
    },
  };
}

/** Reads what the servers store, at the one that keeps its disk. @throws BrokerError */
async function storedRoll(stage: ClusterStage): Promise<StoredRoll> {
  const connection = stage.connectWitness(0);
  try {
    await connection.connected();
    return await readStoredRoll(connection);
  } finally {
    await connection.close(0);
  }
}

async function setClocksApart(stage: ClusterStage): Promise<Begun> {
  const source = new URL('../../support/clock.c', import.meta.url);
  const preloadOf = async (ms: number) => ({
    LD_PRELOAD: await compileLibrary(source, 'clock.so', [`-DAHEAD_S=${ms / 1_000}`]),
  });
  const restart = async (aheadMs: readonly number[]) => {
    for (const [place, requester] of stage.requesters.entries()) {
      await requester.program.stop();
      const ms = aheadMs[place] ?? 0;
      requester.env = ms === 0 ? {} : await preloadOf(ms);
      await requester.start();
      await requester.untilReady();
    }
  };
  await restart([clockStepMs, -clockStepMs]);
  return { undo: () => restart([0, 0]) };
}

async function killBackup(stage: ClusterStage): Promise<Begun> {
  const file = join(stage.cluster.folder, 'killed.backup');
  const [{ id }] = stage.requesters;
  const killed = stage.startBackup(id, file);
  await eventually('the backup begins', async () => {
    const names = await readdir(stage.cluster.folder);
    return !killed.running || names.some(name => name.includes('killed.backup'));
  });
  await killed.kill();
  return {
    undo: async () => {
      const again = stage.startBackup(id, join(stage.cluster.folder, 'whole.backup'));
      const { code, stderr } = await again.finished;
      if (code !== 0) throw new Error(`muster backup ended with ${code}: ${stderr}`);
      await rm(join(stage.cluster.folder, 'whole.backup'));
    },
  };
}
