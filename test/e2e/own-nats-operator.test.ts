// A requester and agents on three real NATS servers with an operator, whose accounts are those that the script of
// `muster broker config --operator-mode` makes.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { connect } from 'nats';
import { loadOwnNatsAccess } from '../../agent/broker/broker-access.ts';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, heartbeatSubject } from '../../agent/protocol/subjects.ts';
import { Cluster, patient } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { hearEvents, readEvents } from '../support/listener-programs.ts';
import { makeListener } from '../support/make-listener.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';
import { type OperatorAccounts, runNscScript } from '../support/nsc.ts';
import { admitAtEach, killServerOf, printOwnNatsConfig } from '../support/own-nats.ts';
import { muster, type Program } from '../support/program.ts';
import { newKey, RawClient, type RawLogin } from '../support/raw-client.ts';
import { infoOf } from '../support/raw-node.ts';
import { handKeys, OneOfTwo } from '../support/two-requesters.ts';

describe('NATS servers of your own with an operator', () => {
  let servers: NatsServer[] = [];
  let cluster: Cluster;
  let requester: Program;
  let second: OneOfTwo;
  let accounts: OperatorAccounts;

  before(async () => {
    servers = await Promise.all([0, 1, 2].map(() => makeNatsServer()));
    const routes = await Promise.all([0, 1, 2].map(() => freePort()));
    cluster = await Cluster.create({
      servers: servers.map(({ url }) => url).join(','),
      asks: true,
      // A node without a key sends one sign of life in its test.
      settings: { ...patient, 'requester.unverifiedNodes': true },
    });
    const script = await printOwnNatsConfig(
      cluster,
      '--operator-mode',
      '--requester-unverified-nodes',
      '--broker-requesters',
      await handKeys(
        cluster,
        'node-b',
        '--nats-servers',
        servers[0]?.url ?? '',
        '--requester-unverified-nodes',
      ),
    );
    accounts = await runNscScript(cluster.folder, script);
    const addresses = routes.map(port => `"nats://127.0.0.1:${port}"`).join(', ');
    const start = (server: NatsServer, index: number) =>
      server.start(
        `server_name: s${index}\n${accounts.config}\ncluster { name: c, listen: "127.0.0.1:${routes[index]}", routes: [ ${addresses} ] }`,
      );
    await Promise.all(servers.map(start));
    requester = await cluster.requester(accounts.settings);
    second = new OneOfTwo(cluster, 'node-b', await freePort(), accounts.settings);
  });

  after(async () => {
    await cluster?.release();
    await Promise.all(servers.map(server => server.release()));
  });

  /** Connects a client of its own to the server with this index, until the test ends. */
  const open = async (t: TestContext, index: number, login: RawLogin) => {
    const client = await RawClient.open(servers[index]?.port ?? 0, login);
    t.after(() => client.close());
    return client;
  };

  it('lets nodes on any server in by a code, and cuts one off wherever it is', async () => {
    assert.equal((await cluster.status()).trust, 'keys');
    await admitAtEach(cluster, servers);
    await cluster.decide('node-2', 'reject');
    await cluster.until('node-2', 'REJECTED HEALTHY');
    assert.deepEqual(requester.logged('the connection of a node could not be ended'), []);
    const file = join(cluster.folder, 'node-0-requester.yaml');
    const { stdout } = await muster(['doctor', '--role', 'requester', '--config', file]);
    for (const { url } of servers)
      assert.match(stdout, new RegExp(`ok .*${url}: nats-server 2.*, accepts our credentials`));
    assert.match(stdout, /the NATS asks it whom to let in/);
  });

  it('gives a listener the events of its durable, and cuts it off when it is revoked', async t => {
    const listener = await makeListener(cluster, 'billing', '--from-oldest');
    const reader = await readEvents(listener, 'org.muster.node.approved');
    t.after(() => reader.close());
    const live = await hearEvents(servers[1]?.port ?? 0, listener);
    t.after(() => live.close());
    await cluster.decide('node-2', 'approve');
    await eventually('it hears the event', () =>
      live.messages.some(({ data }) => data.includes('.approved')),
    );
    assert.equal((await cluster.command('listener', 'revoke', 'billing')).stdout, 'Ok\n');
    await Promise.all([live.closed, eventually('both are cut off', () => reader.isClosed())]);
  });

  it('lets a node without a key in by the token, and gives it the id of no other node', async t => {
    const file = join(cluster.folderOf('node-0'), 'requester', 'bacalhau.token');
    const token = (await readFile(file, 'utf8')).trim();
    const bare = await connect({ servers: servers[2]?.url ?? '', token, name: 'n-bare' });
    t.after(() => bare.close());
    const register = async (id: string) =>
      (await bare.request(`node.management.${id}.RegisterNode/v1`, infoOf(id), { timeout: 30_000 })).string();
    assert.match(await register('n-bare'), /"Accepted":true/);
    bare.publish(
      heartbeatSubject(defaultHeartbeatTopic, 'n-bare'),
      encodeHeartbeat({ NodeID: 'n-bare', Sequence: 1 }, undefined, new Date()),
    );
    await cluster.until('n-bare', 'PENDING HEALTHY');
    assert.doesNotMatch(await register('node-1'), /"Accepted":true/);
    await cluster.until('node-1', 'APPROVED HEALTHY');
  });

  it('gives nothing to a wrong key, to who names the key of the requester, and to who shows no code', async t => {
    const wrong = await open(t, 0, { key: newKey(), name: 'node-1 instance=rogue' });
    wrong.publish('node.management.node-1.Leave/v1', '{}');
    assert.match((await wrong.complaints()).join(), /Permissions Violation for Publish/);
    const { requester: key } = await loadOwnNatsAccess(join(cluster.folderOf('node-0'), 'requester'));
    const pretender = await open(t, 1, { members: { nkey: key.userKey }, name: 'node-0' });
    pretender.publish('$SYS.REQ.USER.AUTH', 'a question', '$SYS._INBOX.forged');
    pretender.publish('node.management.node-1.Leave/v1', '{}');
    pretender.subscribe('node.>');
    const complaints = await pretender.complaints();
    assert.deepEqual(
      complaints.map(text => /Permissions Violation for (\w+)/.exec(text)?.[1]),
      ['Publish', 'Publish', 'Subscription'],
    );
    const strangers = async () => (await cluster.status()).counters.strangers;
    const before = await strangers();
    const stranger = await RawClient.dial(servers[2]?.port ?? 0);
    t.after(() => stranger.close());
    stranger.connect({ key: newKey(), name: 'node-9 instance=nine', token: 'guessed' });
    await eventually('it is asked about', async () => (await strangers()) > before);
    assert.equal(await cluster.stateOf('node-9'), undefined);
    await cluster.until('node-1', 'APPROVED HEALTHY');
  });

  it('lets a second requester in by its own key, which shares the work and the token of nodes without a key', async () => {
    await second.start();
    assert.equal((await second.status()).trust, 'keys');
    await eventually('it knows the first one', async () => {
      const { peers = [] } = await second.status();
      return peers.map(peer => peer.requester).join() === 'node-0';
    });
    const tokens = ['node-0', 'node-b'].map(id =>
      readFile(join(cluster.folderOf(id), 'requester', 'bacalhau.token'), 'utf8'),
    );
    assert.equal(await tokens[0], await tokens[1]);
    // Whichever of them answers the server lets the node in, and either decides.
    await cluster.agent('node-4', { 'nats.servers': servers[1]?.url ?? '' });
    assert.equal(await second.decide('node-4', 'approve', 'by the second one'), 200);
    await requester.stop();
    await second.untilItWatches();
    await cluster.agent('node-5', { 'nats.servers': servers[2]?.url ?? '' });
    assert.equal(await second.decide('node-5', 'approve', 'while it is alone'), 200);
    await eventually('both are healthy', async () => {
      const states = await Promise.all(['node-4', 'node-5'].map(id => second.stateOf(id)));
      return states.every(state => state === 'APPROVED HEALTHY');
    });
    requester = await cluster.requester(accounts.settings);
    await cluster.until('node-5', 'APPROVED HEALTHY');
    assert.equal((await second.program?.stop())?.code, 0);
  });

  it('goes on when the server of the requester is killed, and knows the nodes again after its own restart', async () => {
    const index = await killServerOf(cluster, requester, servers);
    await servers[index]?.start();
    await requester.stop();
    requester = await cluster.requester(accounts.settings);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await cluster.decide('node-1', 'reject');
    await cluster.until('node-1', 'REJECTED HEALTHY');
  });
});
