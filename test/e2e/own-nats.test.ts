// A requester, agents and real NATS servers whose configuration is what `muster broker config` prints.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connect } from 'nats';
import type { CreatedListener } from '../../agent/protocol/http-listeners.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';
import { muster, type Program } from '../support/program.ts';
import { RawClient } from '../support/raw-client.ts';

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

  it('lets listeners in, each with the events of its durable alone, and cuts one off that is revoked', async () => {
    const { stdout, stderr } = await cluster.command(
      'listener',
      'create',
      'billing',
      '--from-oldest',
      '-o',
      'json',
    );
    assert.notEqual(stdout, '', stderr);
    const { Servers, Token, Durable } = JSON.parse(stdout) as CreatedListener;
    const broker = await connect({
      servers: Servers,
      token: Token,
      inboxPrefix: `_INBOX.${Durable}`,
      reconnect: false,
    });
    const approved = 'org.muster.node.approved';
    const types: string[] = [];
    for await (const message of broker
      .jetstream()
      .fetch('NODE_EVENTS', Durable, { batch: 100, expires: 10_000 })) {
      types.push(message.json<{ type: string }>().type);
      message.ack();
      if (types.includes(approved)) break;
    }
    assert.equal(types.at(-1), approved);
    const login = { members: { user: 'live', pass: Token } };
    const live = await RawClient.open(server.port, login);
    live.subscribe('node.events.>');
    live.publish('node.events.node-1.rejected', '{}');
    const [complaint, ...more] = await live.complaints();
    assert.match(complaint ?? '', /Permissions Violation for Publish/);
    assert.deepEqual(more, []);
    await cluster.decide('node-1', 'reject');
    await eventually('it hears the event', () =>
      live.messages.some(({ data }) => data.includes('.rejected')),
    );
    assert.equal((await cluster.command('listener', 'revoke', 'billing')).stdout, 'Ok\n');
    await Promise.all([live.closed, eventually('both are cut off', () => broker.isClosed())]);
  });
});
