// Takes over what an earlier version of muster left in the broker's folder: its store, and a token that nothing accepts now.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { nodesAccount } from '../protocol/callout.ts';
import { errnoOf } from '../system/errors.ts';
import { notWritable, removeFile } from '../system/files.ts';
import type { Log } from '../system/log.ts';

/** The account of nats-server when none is configured. Versions without keys of nodes stored everything in it. */
const formerAccount = '$G';

/**
 * Gives the store of an earlier version to the account that is used now. Otherwise the nodes and the decisions about them
 * would be gone. A store that this version began is never replaced. Call it while no broker runs in `folder`. Throws
 * MusterError `not_writable`.
 */
export async function takeOverStore(folder: string, store: string, log: Log): Promise<void> {
  await removeFile(join(folder, 'token'));
  const target = join(store, 'jetstream', nodesAccount);
  try {
    await rename(join(store, 'jetstream', formerAccount), target);
  } catch (error) {
    // There is no such store, or this version has a store already.
    if (['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) return;
    throw notWritable(target, error);
  }
  log.info({ folder: target }, 'the store of an earlier version was taken over');
}
