// A NATS of one's own beside the cluster of a test: its configuration, and what several tests try on its servers.
import assert from 'node:assert/strict';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import type { NatsServer } from './nats-server.ts';
import { muster, type Program } from './program.ts';

/** Returns what `muster broker config` prints for the requester node-0 of a cluster. */
export async function printOwnNatsConfig(cluster: Cluster, ...args: string[]): Promise<string> {
  const data = cluster.folderOf('node-0');
  const { code, stdout, stderr } = await muster(['broker', 'config', '--data-dir', data, ...args]);
  assert.equal(code, 0, stderr);
  return stdout;
}

/**
 * Lets node-1, node-2 and node-3 in by a code, each at another of three servers, and asserts that node-3 is cut off once it is
 * deleted.
 */
export async function admitAtEach(cluster: Cluster, servers: readonly NatsServer[]): Promise<void> {
  const ids = ['node-1', 'node-2', 'node-3'];
  for (const [index, id] of ids.entries()) {
    // Each node has another server at the head of its list.
    await cluster.agent(id, index === 0 ? {} : { 'nats.servers': servers[index]?.url ?? '' });
    await cluster.decide(id, 'approve');
  }
  for (const id of ids) await cluster.until(id, 'APPROVED HEALTHY');
  await cluster.decide('node-3', 'delete');
  await eventually(
    'the deleted node is cut off',
    async () => (await cluster.stateOf('node-3')) === undefined,
  );
  await eventually('its registration and its approval are told', async () => {
    const kinds = await cluster.kindsOf('node-1');
    return kinds.includes('registered') && kinds.includes('approved');
  });
}

/** Kills the server that the requester uses, and waits until it goes on at another one. Returns the index of the killed one. */
export async function killServerOf(
  cluster: Cluster,
  requester: Program,
  servers: readonly NatsServer[],
): Promise<number> {
  const returns = () => requester.logged('connected to the broker again').length;
  const before = returns();
  const { broker } = await cluster.status();
  const index = servers.findIndex(({ port }) => broker.endsWith(`:${port}`));
  await servers[index]?.kill();
  await eventually('the requester is on another server', () => returns() > before);
  await cluster.until('node-1', 'APPROVED HEALTHY');
  return index;
}
