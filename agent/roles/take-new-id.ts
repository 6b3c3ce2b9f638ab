// Takes the id that an operator gave to this node: writes it to the disk, so that every later start has it too.
import { removeSentinel } from '../compute/registration/sentinel.ts';
import type { Log } from '../system/log.ts';
import { writeNodeId } from '../system/node-id.ts';

export interface NewIdOptions {
  /** The agent's own folder. */
  folder: string;
  node: string;
  newId: string;
  log: Log;
}

/**
 * Writes the new id to the disk. A crash leaves one of the two ids, and under the former one the requester tells the new one
 * again. @throws MusterError `not_writable`
 */
export async function takeNewId({ folder, node, newId, log }: NewIdOptions): Promise<void> {
  await writeNodeId(folder, newId);
  // The registration of the former id is of no use any more, and does no harm.
  await removeSentinel(folder, node).catch((err: unknown) =>
    log.debug({ node, err }, 'the sentinel of the former id could not be removed'),
  );
  log.info({ node, newId }, 'an operator renamed this node; it goes on under its new id');
}
