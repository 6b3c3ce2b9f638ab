// A requester and agents on real NATS servers with an operator, whose accounts are made by the script that
// `muster broker config --operator-mode` prints.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';
import { type OperatorAccounts, runNscScript } from '../support/nsc.ts';
import { printOwnNatsConfig } from '../support/own-nats.ts';

describe('a NATS of your own with an operator', () => {
  let server: NatsServer;
  let cluster: Cluster;
  let accounts: OperatorAccounts;

  before(async () => {
    server = await makeNatsServer();
    cluster = await Cluster.create({ servers: server.url, asks: true });
    accounts = await runNscScript(cluster.folder, await printOwnNatsConfig(cluster, '--operator-mode'));
    await server.start(accounts.config);
    await cluster.requester(accounts.settings);
  });

  after(async () => {
    await cluster?.release();
    await server?.release();
  });

  it('lets nodes in by join codes', async () => {
    assert.equal((await cluster.status()).trust, 'keys');
    await cluster.agent('node-1');
    await cluster.decide('node-1', 'approve');
    await cluster.until('node-1', 'APPROVED HEALTHY');
  });
});
