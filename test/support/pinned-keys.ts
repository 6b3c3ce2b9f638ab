// Makes keys that a requester knows as those of its nodes, without a join code for each of them.
import { join } from 'node:path';
import { loadBrokerAccess } from '../../agent/broker/broker-access.ts';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import type { Connection } from '../../agent/transport/port.ts';
import type { Cluster } from './cluster.ts';
import { startConnection } from './open-connection.ts';
import { newKey } from './raw-client.ts';

/** Connects to a cluster's broker with the requester's key, which may do everything. The caller closes it. */
export async function connectAsRequester(cluster: Cluster): Promise<Connection> {
  const access = await loadBrokerAccess(join(cluster.folderOf('node-0'), 'requester'));
  const connection = startConnection(cluster.servers, { credentials: () => ({ key: access.requester }) });
  await connection.connected();
  return connection;
}

/**
 * Writes a new key for each id into the store of a cluster whose requester runs. The requester reads them at its next
 * start.
 */
export async function pinKeys(cluster: Cluster, ids: readonly string[]): Promise<Map<string, KeyPair>> {
  const connection = await connectAsRequester(cluster);
  const bucket = await (await connection.storage()).bucket({ name: 'muster_v1', history: 1 });
  const keys = new Map(ids.map(id => [id, newKey()]));
  const put = (key: string, value: unknown) => bucket.put(key, Buffer.from(JSON.stringify(value)), 0);
  const writes = [...keys].map(async ([id, { publicKey: key }]) => {
    await put(`key.${key}`, { id });
    await put(`pin.${id}`, { key, at: new Date().toISOString() });
  });
  await Promise.all(writes);
  await connection.close();
  return keys;
}
