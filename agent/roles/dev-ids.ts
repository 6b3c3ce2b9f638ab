// Gives the agents of `muster dev` their ids on the disk and not in a setting, so that an operator may rename them.
import { roleFolder } from '../config/paths.ts';
import { makeFolder } from '../system/files.ts';
import { readNodeId, writeNodeId } from '../system/node-id.ts';
import type { DevNode } from './dev-nodes.ts';

/**
 * Writes the ids of those agents that have none on their disk. No agent runs meanwhile. @throws MusterError when a folder cannot
 * be written, or has a damaged id.
 */
export async function giveDevIds(nodes: readonly DevNode[]): Promise<void> {
  for (const { id, folder } of nodes) {
    const own = roleFolder(folder, 'agent');
    if ((await readNodeId(own)) !== undefined) continue;
    await makeFolder(own);
    await writeNodeId(own, id);
  }
}
