// Takes the id that an operator gave to this node: writes it to the disk, so that every later start has it too.
import { removeSentinel } from '../compute/registration/sentinel.ts';
import { MusterError } from '../system/errors.ts';
import type { LimitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { writeNodeId } from '../system/node-id.ts';

export interface NewIdOptions {
  /** The agent's own folder. */
  folder: string;
  node: string;
  newId: string;
  log: Log;
  limitedLog: LimitedLog;
}

/**
 * Returns whether the node has the new id on its disk. When it cannot be written, the node asks again later. A crash leaves one of
 * the two ids, and under the former one the requester tells the new one again.
 */
export async function takeNewId({ folder, node, newId, log, limitedLog }: NewIdOptions): Promise<boolean> {
  try {
    await writeNodeId(folder, newId);
  } catch (err) {
    if (!(err instanceof MusterError)) throw err;
    const text = 'an operator renamed this node, and the new id cannot be written; it is tried again';
    limitedLog.warn('new id', { node, newId, err }, text);
    return false;
  }
  // The registration of the former id is of no use any more, and does no harm.
  await removeSentinel(folder, node).catch((err: unknown) =>
    log.debug({ node, err }, 'the sentinel of the former id could not be removed'),
  );
  log.info({ node, newId }, 'an operator renamed this node; it goes on under its new id');
  return true;
}
