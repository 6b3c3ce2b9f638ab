// Checks the sentinel, which is the file that says that the node is already registered.
import { inspectIdentity } from '../../compute/registration/identity.ts';
import { inspectSentinel, sentinelPath } from '../../compute/registration/sentinel.ts';
import { readNodeId } from '../../system/node-id.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { type Check, type Finding, ok, warning } from './check.ts';
import type { Context } from './context.ts';
import { exposureFindings, unreadableFinding } from './private-file.ts';

export const sentinel = (context: Context): Check => ({
  name: 'sentinel',
  async run() {
    const folder = context.folderOf('agent');
    try {
      const node = context.settings.node.id ?? (await readNodeId(folder));
      const key = (await inspectIdentity(folder))?.identity.publicKey;
      if (!node || !key) return [ok('there is none yet: this machine was never registered')];
      return await checkSentinel(folder, node, key);
    } catch (error) {
      return [unreadableFinding(error, folder)];
    }
  },
});

async function checkSentinel(folder: string, node: string, key: string): Promise<Finding[]> {
  const path = sentinelPath(folder, node);
  const result = await inspectSentinel(folder, node, key);
  if (result.kind === 'none') return [ok(`there is none: node ${node} registers at its next start`)];
  if (result.kind === 'bad') {
    const text = `${path} cannot be used: ${result.reason}`;
    return [warning(text, 'nothing to do: at its next start the agent sets the file aside, and registers')];
  }
  const { cluster, requester, membership, registeredAt } = result.sentinel;
  // An orchestrator of Bacalhau tells neither.
  const by = requester || 'an orchestrator of Bacalhau';
  const where = cluster ? `cluster ${cluster} of requester ${by}` : `requester ${by}`;
  const state = membership ? `, ${membership}` : '';
  const info = (await readOwnFile(path))?.info;
  return [
    ok(`node ${node}, ${where}${state}, registered ${registeredAt}`),
    ...(info ? await exposureFindings(path, folder, info) : []),
  ];
}
