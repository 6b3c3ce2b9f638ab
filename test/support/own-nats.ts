// Prints the configuration by which a NATS of one's own asks the requester of a test's cluster.
import assert from 'node:assert/strict';
import type { Cluster } from './cluster.ts';
import { muster } from './program.ts';

/** Returns what `muster broker config` prints for the requester node-0 of a cluster. */
export async function printOwnNatsConfig(cluster: Cluster, ...args: string[]): Promise<string> {
  const data = cluster.folderOf('node-0');
  const { code, stdout, stderr } = await muster(['broker', 'config', '--data-dir', data, ...args]);
  assert.equal(code, 0, stderr);
  return stdout;
}
