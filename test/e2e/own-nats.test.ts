// A requester, agents and real NATS servers whose configuration is what `muster broker config` prints.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';
import { muster, type Program } from '../support/program.ts';

/** Returns what the command prints for the requester node-0 of a cluster. */
async function printed(cluster: Cluster, ...args: string[]): Promise<string> {
  const finished = await muster(['broker', 'config', '--data-dir', cluster.folderOf('node-0'), ...args]);
  assert.equal(finished.code, 0, finished.stderr);
  return finished.stdout;
}

describe('a NATS server of your own', () => {
  let server: NatsServer;
  let cluster: Cluster;
  let requester: Program;
  let config: string;

  before(async () => {
    server = await makeNatsServer();
    cluster = await Cluster.create({ servers: server.url, asks: true });
    config = await printed(cluster);
    await server.start(config);
    requester = await cluster.requester();
  });

  after(async () => {
    await cluster?.release();
    await server?.release();
  });

  it('lets nodes in by join codes, and only their keys speak for them', async () => {
    assert.equal((await cluster.status()).trust, 'keys');
    await cluster.agent('node-1');
    await cluster.decide('node-1', 'approve');
    await cluster.until('node-1', 'APPROVED HEALTHY');
    assert.ok((await cluster.node('node-1'))?.Muster.Fingerprint);
    assert.deepEqual(requester.logged('a client could not be decided about'), []);
  });
});
