// Attacks on the store: a full disk, damaged files, and a bucket that is purged. An operator puts lost records back with
// `muster store rebuild`. Nobody decides from before the damage until then, so that the events tell of every decision.
import { open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { nodesAccount } from '../../agent/protocol/callout.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { eventually } from '../support/eventually.ts';
import { type AttackContext, stopRequester } from './process-attacks.ts';
import type { Stage } from './stage.ts';

export interface StoreContext extends AttackContext {
  connection: Connection;
  /** Resolves once no decision is under way. No further one begins until `resumeDecisions`. */
  pauseDecisions(): Promise<void>;
  resumeDecisions(): void;
  /** Called when nodes that wait for approval may be gone, until they register again. */
  onStoreLost(): void;
}

export async function fillDisk({ stage, holdMs }: StoreContext): Promise<void> {
  if (!stage.disk) throw new Error('there is no disk to fill');
  await stage.disk.fill();
  await pause(holdMs);
  await stage.disk.makeRoom();
}

export const tearBlock = (context: StoreContext): Promise<void> =>
  damageStore(context, async () => {
    const file = await newestBlock(context.stage);
    const { size } = await stat(file);
    await truncate(file, context.random.below(size));
    await removeIndex(context.stage);
  });

export const flipBlock = (context: StoreContext): Promise<void> =>
  damageStore(context, async () => {
    const { random, stage } = context;
    const file = await open(await newestBlock(stage), 'r+');
    const { size } = await file.stat();
    await file.write(random.bytes(16), 0, 16, random.below(Math.max(1, size - 16)));
    await file.close();
    await removeIndex(stage);
  });

export const removeStoreIndex = (context: StoreContext): Promise<void> =>
  damageStore(context, () => removeIndex(context.stage));

export const removeStore = (context: StoreContext): Promise<void> =>
  damageStore(context, () => rm(bucketFolder(context.stage), { recursive: true }));

export async function purgeStore(context: StoreContext): Promise<void> {
  const { stage, connection, pauseDecisions, onStoreLost, resumeDecisions } = context;
  await pauseDecisions();
  await stage.untilReady();
  await connection.request('$JS.API.STREAM.PURGE.KV_node_v1', '', 10_000);
  await eventually('the requester notices the loss', async () => (await lostRecords(stage)) > 0);
  onStoreLost();
  await rebuild(stage);
  resumeDecisions();
}

async function damageStore(context: StoreContext, damage: () => Promise<void>): Promise<void> {
  const { stage, pauseDecisions, onStoreLost, resumeDecisions } = context;
  await pauseDecisions();
  await stage.untilReady();
  await stopRequester(context, damage);
  onStoreLost();
  await rebuild(stage);
  resumeDecisions();
}

async function lostRecords(stage: Stage): Promise<number> {
  const status = await stage.cluster.status().catch(() => undefined);
  const nodes: { total: number; lost?: number } | undefined = status?.nodes;
  return nodes?.lost ?? 0;
}

/** Puts the lost records back, as an operator does who reads what the requester says. */
async function rebuild(stage: Stage): Promise<void> {
  const run = () => stage.cluster.command('store', 'rebuild');
  // A record may come back between the list and its turn, as by a decision that was under way. The hint says to run it again.
  const first = await run();
  const { code, stderr } = /the store did not lose the record/.test(first.stderr) ? await run() : first;
  if (code !== 0) throw new Error(`muster store rebuild ended with ${code}: ${stderr}`);
}

const bucketFolder = (stage: Stage): string =>
  join(stage.brokerFolder, 'store/jetstream', nodesAccount, 'streams/KV_node_v1');

async function newestBlock(stage: Stage): Promise<string> {
  const folder = join(bucketFolder(stage), 'msgs');
  const blocks = (await readdir(folder)).filter(name => name.endsWith('.blk'));
  const newest = blocks.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).at(-1);
  if (newest === undefined) throw new Error(`there is no block in ${folder}`);
  return join(folder, newest);
}

// With its index, the server would not read the blocks again at its start.
const removeIndex = (stage: Stage): Promise<void> =>
  rm(join(bucketFolder(stage), 'msgs/index.db'), { force: true });
