// Finds the bucket with the nodes in the data folder of a Bacalhau orchestrator, and copies it into the store of a broker.
import { createWriteStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { brokerFiles } from '../../broker/broker-files.ts';
import { nodesAccount } from '../../protocol/callout.ts';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';
import { makeFolder, notWritable } from '../../system/files.ts';
import { openSafely } from '../../system/safe-open.ts';
import { exists } from './present-state.ts';

const streamName = 'KV_node_v1';
/** Where the store is, below the data folder of an orchestrator from 1.5 on, and up to 1.4; or it is named itself. */
const places = ['orchestrator/nats-store', 'orchestrator_store/nats-store', '.'];
/** The file that an orchestrator has in its data folder while it runs. */
const runFile = 'bacalhau.run';
/** The bucket is as large as its records, of which each change writes one anew before the server compacts it. */
const maxBytes = 4 * 1024 ** 3;

/**
 * Returns the folder of the bucket. @throws MusterError `not_found`; `conflict` when an orchestrator may run there, because a copy
 * of what is being written is torn
 */
export async function findBucket(folder: string): Promise<string> {
  if (!(await exists(folder))) throw new MusterError('not_found', `there is no folder ${folder}`);
  const run = join(folder, runFile);
  if (await exists(run))
    throw new MusterError('conflict', `an orchestrator may be running in ${folder}: ${runFile} is there`, {
      hint: `stop it; if none runs, because it was killed, remove ${run}`,
    });
  for (const place of places) {
    const found = join(folder, place, 'jetstream', '$G', 'streams', streamName);
    if (await exists(join(found, 'meta.inf'))) return found;
  }
  throw new MusterError('not_found', `${folder} has no nodes of Bacalhau: the bucket node_v1 is missing`, {
    hint: 'name the data folder of an orchestrator from 1.4 on, such as /root/.bacalhau',
  });
}

/** Copies the bucket to where the server of a broker in `brokerFolder` finds it. @throws MusterError */
export async function copyBucket(bucket: string, brokerFolder: string): Promise<void> {
  const to = join(brokerFiles(brokerFolder).store, 'jetstream', nodesAccount, 'streams', streamName);
  await makeFolder(join(to, 'msgs'));
  await makeFolder(join(to, 'obs'));
  // The server makes its index again, and nobody reads by the consumers of an orchestrator any more.
  const blocks = (await readdir(join(bucket, 'msgs'))).filter(name => /^\d{1,9}\.blk$/.test(name));
  let room = maxBytes;
  for (const name of ['meta.inf', 'meta.sum', ...blocks.map(block => join('msgs', block))])
    room -= await copyFile(join(bucket, name), join(to, name), room);
}

/** Returns the size of the file, in bytes. */
async function copyFile(from: string, to: string, room: number): Promise<number> {
  const file = await openSafely(from).catch(error => {
    throw unreadable(from, error);
  });
  try {
    const { size } = await file.stat();
    if (size > room) throw unreadable(from, new Error(`the bucket is larger than ${maxBytes} bytes`));
    const source = file.createReadStream({ autoClose: false });
    await pipeline(source, createWriteStream(to, { mode: 0o600, flags: 'wx', flush: true }));
    return size;
  } catch (error) {
    if (error instanceof MusterError) throw error;
    throw errnoOf(error) ? notWritable(to, error) : error;
  } finally {
    await file.close();
  }
}

const unreadable = (path: string, cause: unknown): MusterError =>
  new MusterError('bad_state', `cannot read ${path}: ${reasonOf(cause)}`, { cause });
