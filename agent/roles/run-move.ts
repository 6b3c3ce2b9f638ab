// Moves the store of a NATS of one's own to another number of servers, while its requesters run.
import { rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { roleFolder } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { Backup } from '../requester/backup/backup-reader.ts';
import { BackupWriter } from '../requester/backup/backup-writer.ts';
import { takeBackup } from '../requester/backup/take-backup.ts';
import { readClusterId } from '../requester/cluster/cluster-bucket.ts';
import { Freeze } from '../requester/freeze/freeze.ts';
import { type FreezeRecord, freezeKey, readFreeze } from '../requester/freeze/freeze-record.ts';
import { findStreams, knownBucket, noteAfter, noteBefore } from '../requester/move/found-streams.ts';
import { type MoveFact, readFact } from '../requester/move/move-facts.ts';
import {
  describeMoves,
  type FoundStream,
  type Move,
  movesTo,
  refuseMove,
} from '../requester/move/move-plan.ts';
import { finishMove, type MoveOptions, moveStore } from '../requester/move/move-store.ts';
import { streamText } from '../requester/status/stream-text.ts';
import { storedStreams } from '../requester/stored-streams.ts';
import { systemClock } from '../system/clock.ts';
import { errnoOf, MusterError } from '../system/errors.ts';
import { makeFolder } from '../system/files.ts';
import { LineAppender, readLineFile } from '../system/line-file.ts';
import { readNodeId } from '../system/node-id.ts';
import { systemRandom } from '../system/random.ts';
import { holdFolder } from '../system/role-socket.ts';
import type { CopyingConnection, Storage, StreamCopies } from '../transport/port.ts';
import { MoveInterruption } from './move-interruption.ts';
import { nameBrokerError } from './name-broker-error.ts';
import { type BrokerWay, connectOnce, freezeHolder } from './run-backup.ts';

export interface RunMoveOptions {
  /** The data folder. */
  data: string;
  settings: Pick<Settings, 'node' | 'nats'>;
  way: BrokerWay;
  /** The number of servers. */
  to: number;
  /** Whether the move is only described. */
  isDry: boolean;
  onStep(text: string): void | Promise<void>;
}

export interface MoveSummary {
  /** What moves, or would move, for people; empty when everything is there already. */
  moves: string;
  /** How long writes were held, in milliseconds; undefined when nothing moved. */
  heldMs: number | undefined;
}

/** The folder, in that of the requester, which holds the file of a move. Only one process may use it. */
const moveFolderName = 'store-move';
const copyName = 'store.backup';
const factsName = 'steps.jsonl';
const maxFactsBytes = 64 * 1024;

/** Moves the store, or finishes a move that was interrupted. @throws MusterError */
export const runMove = (options: RunMoveOptions): Promise<MoveSummary> =>
  nameBrokerError(
    'the NATS servers did not carry out the move',
    'nothing is lost: see muster status, and run this command again when all servers are there',
    () => connectAndMove(options),
  );

async function connectAndMove(options: RunMoveOptions): Promise<MoveSummary> {
  const { data, settings, way, to, isDry } = options;
  if (settings.nats.servers.length === 0)
    throw new MusterError('conflict', "muster's own broker is one server, so it stores everything once", {
      hint: 'to move the roll to a cluster of three servers: muster backup FILE, then muster restore FILE --replicas 3 there',
    });
  await using cleanup = new AsyncDisposableStack();
  const connection = await connectOnce(way);
  cleanup.defer(() => connection.close(300));
  const [copies, storage] = [await connection.copies(), await connection.storage()];
  const folder = join(roleFolder(data, 'requester'), moveFolderName);
  if (!isDry) {
    await makeFolder(folder);
    // It stays when it has the file.
    cleanup.defer(() => rmdir(folder).catch(() => undefined));
    const lock = await holdFolder(
      folder,
      status,
      () => 'another process moves this store',
      'wait until it has ended; it prints its steps where it was started',
    );
    cleanup.defer(() => lock.close());
  }
  const earlier = await openCopy(folder);
  cleanup.defer(async () => earlier?.close());
  const find = () => findStreams(copies, storage);
  if (isDry) return { moves: await describe(earlier, await find(), options), heldMs: undefined };
  const command = `muster store ${to === 1 ? 'lower' : 'raise'} --yes`;
  using interruption = new MoveInterruption({ command, file: join(folder, copyName) });
  const move = moveOptions({ ...options, folder, connection, copies, storage, interruption });
  if (earlier) {
    const facts = await readFacts(folder);
    for (const fact of facts) interruption.note(fact);
    await finishMove(earlier, facts, move);
  }
  const moves = movesTo(to, await find());
  if (moves.length > 0) await refuseUnless(connection, storage, moves, to);
  // What it has is in the store now.
  await move.removeCopy();
  const heldMs = moves.length > 0 ? await moveStore(move) : undefined;
  await noteAfter(storage, to);
  return { moves: moves.length > 0 ? describeMoves(moves) : '', heldMs };
}

const status = () => ({ role: 'requester', pid: process.pid, state: 'moving the store' });

async function describe(
  earlier: Backup | undefined,
  found: FoundStream[],
  { to }: RunMoveOptions,
): Promise<string> {
  const missing = found.filter(({ counts }) => !counts).map(({ name }) => name);
  if (earlier && missing.length > 0)
    return `${missing.map(streamText).join(' and ')} is made again, which an interrupted move has removed; then the rest moves\n`;
  const moves = movesTo(to, found);
  return moves.length > 0 ? describeMoves(moves) : '';
}

interface Access {
  folder: string;
  connection: CopyingConnection;
  copies: StreamCopies;
  storage: Storage;
  interruption: MoveInterruption;
}

function moveOptions(options: RunMoveOptions & Access): MoveOptions {
  const { data, settings, to, folder, connection, copies, storage, interruption } = options;
  const path = join(folder, copyName);
  const facts = new LineAppender(join(folder, factsName));
  const folders = { requester: roleFolder(data, 'requester'), broker: roleFolder(data, 'broker') };
  const requesterId = async () => settings.node.id ?? (await readNodeId(folders.requester)) ?? 'unknown';
  const clusterOf = async () => {
    const bucket = await knownBucket(storage);
    const cluster = await readClusterId(bucket);
    if (cluster === undefined)
      throw new MusterError('not_found', 'the store has no cluster, so there is nothing to move');
    return { bucket, cluster };
  };
  return {
    copies,
    storage,
    to,
    find: () => findStreams(copies, storage),
    clock: systemClock,
    onStep: text => {
      interruption.assertGoesOn();
      return options.onStep(text);
    },
    freeze: async () => {
      const { bucket, cluster: clusterId } = await clusterOf();
      const requester = await requesterId();
      const holder = freezeHolder(requester);
      // This process holds the folder of moves, so an earlier one of this requester is dead. What it has shut is opened first,
      // because neither a record could be written there, nor should a copy keep that.
      const isDead = (record: FreezeRecord) =>
        record.purpose === 'move' &&
        record.holder.requester === requester &&
        record.holder.host === holder.host;
      const earlier = readFreeze(await bucket.get(freezeKey));
      if (earlier && isDead(earlier)) for (const name of storedStreams) await storage.reopen(name);
      return Freeze.begin({
        connection,
        bucket,
        clusterId,
        holder,
        purpose: 'move',
        isDead,
        clock: systemClock,
        random: systemRandom,
      });
    },
    copy: async () => {
      const { bucket, cluster } = await clusterOf();
      const about = { cluster, requester: await requesterId() };
      await noteBefore(bucket, { copies, storage, to });
      const writer = await BackupWriter.create(path);
      try {
        await takeBackup({ writer, copies, moment: undefined, folders, about, clock: systemClock });
      } finally {
        await writer.discard();
      }
      return Backup.open(path);
    },
    // What was noted is about this file, so it goes last.
    removeCopy: async () => {
      for (const each of [path, join(folder, factsName)]) await unlink(each).catch(ignoreMissing);
    },
    note: fact => {
      interruption.note(fact);
      return facts.add(JSON.stringify(fact));
    },
  };
}

function ignoreMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

/** Reads what an earlier move has noted. A line that cannot be read was not on the disk when its step would have begun. */
async function readFacts(folder: string): Promise<MoveFact[]> {
  const lines = await readLineFile(join(folder, factsName), maxFactsBytes);
  return lines.map(readFact).filter(each => each !== undefined);
}

async function openCopy(folder: string): Promise<Backup | undefined> {
  try {
    return await Backup.open(join(folder, copyName));
  } catch (error) {
    if (error instanceof MusterError && error.code === 'not_found') return undefined;
    throw error;
  }
}

async function refuseUnless(
  { state }: CopyingConnection,
  storage: Storage,
  [first]: readonly Move[],
  to: number,
): Promise<void> {
  const isClustered = state.kind === 'connected' && state.isClustered === true;
  const found = first && (await storage.replicas(first.name));
  refuseMove(to, { isClustered, servers: found?.servers ?? 0 });
}
