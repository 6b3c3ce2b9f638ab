// The store that muster and Bacalhau share: each opens what the other wrote, and a cluster moves from one to the other and back.
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Connection } from '../../agent/transport/port.ts';
import { releases } from '../support/bacalhau/releases.ts';
import {
  bucketConfig,
  listAs,
  putRecord,
  recordsOf,
  writeBucket,
  writeRecordedFolder,
} from '../support/bacalhau/stored-bucket.ts';
import { capture, envelopeOf } from '../support/captures.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { makeNatsServer, type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection, startConnection } from '../support/open-connection.ts';
import { muster } from '../support/program.ts';

const node = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';

describe('the store that muster shares with Bacalhau', () => {
  let broker: NatsServer;
  let peer: Connection;
  let cluster: Cluster;

  before(async () => {
    broker = await startNatsServer();
    peer = await openConnection(broker.url, node);
  });

  afterEach(() => cluster.release());

  after(async () => {
    await peer.close();
    await broker.release();
  });

  // Resolves when the broker knows where the requester listens: what it says of itself may come first.
  const startRequester = async (): Promise<void> => {
    await cluster.requester();
    const answered = () => peer.request('node.management.n-nobody.UpdateResources/v1', '{}', 5_000);
    await eventually('it listens', () =>
      answered().then(
        () => true,
        () => false,
      ),
    );
  };

  for (const release of releases) {
    it(`a store of ${release} is opened with what it has of each node, and ${release} lists what was decided since`, async () => {
      await writeBucket(peer, release);
      const config = await bucketConfig(peer);
      cluster = await Cluster.create({ servers: broker.url });
      await cluster.requester();
      const found = new Map((await cluster.nodes()).map(view => [view.Info.NodeID, view]));
      for (const { Info, Membership, ConnectionState } of recordsOf(release)) {
        const view = found.get(Info.NodeID);
        assert.equal(view?.Membership, Membership, Info.NodeID);
        assert.equal(view.Info.NodeType, Info.NodeType);
        assert.deepEqual(view.Info.Labels, Info.Labels);
        assert.equal(view.Info.BacalhauVersion.GitVersion, Info.BacalhauVersion.GitVersion);
        assert.deepEqual(
          view.Info.ComputeNodeInfo.MaxCapacity,
          Info.ComputeNodeInfo?.MaxCapacity ?? {},
          Info.NodeID,
        );
        // Only of a node that was not connected at the end does the record say when it was last heard.
        const hasEnded = Info.NodeType === 'Compute' && ConnectionState?.Status === 'DISCONNECTED';
        const heard = hasEnded
          ? Date.parse(ConnectionState.LastHeartbeat)
          : Date.parse('0001-01-01T00:00:00Z');
        assert.equal(Date.parse(view.ConnectionState.LastHeartbeat), heard, Info.NodeID);
      }
      await cluster.decide('n-rejected', 'approve');
      await cluster.decide('n-pending', 'delete');
      await cluster.decide('n-orchestrator', 'delete');
      await cluster.output('node', 'cordon', 'n-approved', '-m', 'a new disk');
      assert.deepEqual(await bucketConfig(peer), config);
      const listed = await listAs(peer, release);
      assert.deepEqual([...listed.keys()], ['n-approved', 'n-rejected', 'node-0']);
      assert.equal(listed.get('n-rejected')?.Membership, 'APPROVED');
      const before = recordsOf(release).find(({ Info }) => Info.NodeID === 'n-approved');
      assert.deepEqual(listed.get('n-approved')?.ConnectionState, before?.ConnectionState);
    });
  }

  it('one bad record never breaks the list, and it can be deleted', async () => {
    await writeBucket(peer, '1.9.3');
    const good = recordsOf('1.9.3').find(({ Info }) => Info.NodeID === 'n-approved');
    assert.ok(good);
    const bad: Record<string, unknown> = {
      'n-other-id': good,
      'n-no-type': { ...good, Info: { ...good.Info, NodeID: 'n-no-type', NodeType: 'nodeTypeUndefined' } },
      'n-many-labels': {
        ...good,
        Info: {
          ...good.Info,
          NodeID: 'n-many-labels',
          Labels: Object.fromEntries(
            Array.from({ length: 5_000 }, (_, at) => [`label-${at}`, 'x'.repeat(100)]),
          ),
        },
      },
      'n-wrong-types': { ...good, Info: { ...good.Info, NodeID: 'n-wrong-types', Labels: ['a'] } },
      'n-a-list': [],
    };
    for (const [id, record] of Object.entries(bad)) await putRecord(peer, id, JSON.stringify(record));
    await putRecord(peer, 'n-cut-off', '{"Info":{');
    const odd: Record<string, unknown> = {
      'n-no-labels': { ...good, Info: { ...good.Info, NodeID: 'n-no-labels', Labels: null } },
      'n-no-membership': { Info: { ...good.Info, NodeID: 'n-no-membership' } },
      'n-strange-words': {
        Info: { ...good.Info, NodeID: 'n-strange-words' },
        Membership: 'BANNED',
        Connection: 'LOST',
        ConnectionState: { Status: 'LOST', LastHeartbeat: '9999-01-01T00:00:00Z' },
      },
    };
    for (const [id, record] of Object.entries(odd)) await putRecord(peer, id, JSON.stringify(record));
    // Bacalhau allows ids that muster does not.
    await putRecord(
      peer,
      'n=odd/id.eu',
      JSON.stringify({ ...good, Info: { ...good.Info, NodeID: 'n=odd/id.eu' } }),
    );
    cluster = await Cluster.create({ servers: broker.url });
    const requester = await cluster.requester();
    const ids = (await cluster.nodes()).map(({ Info }) => Info.NodeID);
    const usual = recordsOf('1.9.3').map(({ Info }) => Info.NodeID);
    assert.deepEqual(ids, [...usual, ...Object.keys(odd), 'node-0'].sort());
    assert.equal((await cluster.node('n-no-membership'))?.Membership, '');
    assert.equal(
      Date.parse((await cluster.node('n-strange-words'))?.ConnectionState.LastHeartbeat ?? ''),
      Date.parse('0001-01-01T00:00:00Z'),
    );
    assert.match(
      requester.stdout + requester.stderr,
      /"records":6,.*the records of these nodes cannot be read/,
    );
    assert.match(requester.stdout + requester.stderr, /n=odd\/id.eu/);
    for (const id of [...Object.keys(bad), 'n-cut-off']) await cluster.decide(id, 'delete');
    await cluster.decide('n-no-membership', 'approve');
    await cluster.decide('n-strange-words', 'approve');
    assert.equal((await listAs(peer, '1.9.3')).get('n-strange-words')?.Membership, 'APPROVED');
  });

  it('an orchestrator that is gone is taken off the list for good, and one that runs stays', async () => {
    await writeBucket(peer, '1.9.3');
    cluster = await Cluster.create({ servers: broker.url });
    // What an orchestrator listens to, whatever its release.
    const running = peer.subscribe('node.orchestrator.n-orchestrator.>', () => undefined);
    await peer.flush(5_000);
    const requester = await cluster.requester();
    await requester.untilPrinted(/"requester":"n-orchestrator",.*both answer them: stop one of the two/);
    const refused = await cluster.command('node', 'delete', 'n-orchestrator');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /node n-orchestrator is a requester: it cannot be deleted while it runs/);
    running.unsubscribe();
    await peer.flush(5_000);
    assert.equal(await cluster.output('node', 'delete', 'n-orchestrator', '-m', 'we moved'), 'Ok\n');
    assert.equal(await cluster.node('n-orchestrator'), undefined);
    assert.doesNotMatch(await cluster.output('node', 'list', '--deleted'), /n-orchestrator/);
    const own = await cluster.command('node', 'delete', 'node-0');
    assert.match(own.stderr, /node node-0 is a requester: it cannot be deleted while it runs/);
  });

  it("our store has its node state, in Bacalhau's own bucket", async () => {
    cluster = await Cluster.create({ servers: broker.url });
    await startRequester();
    const id = 'n-stored';
    const { subject, bytes, decoded } = capture('bprotocol/RegisterNode/v1');
    const sent = JSON.parse(JSON.stringify(decoded).replaceAll(node, id));
    const body = bytes.toString().replaceAll(node, id);
    await peer.request(subject.replace(node, id), body, 30_000);
    const storage = await peer.storage();
    const bucket = await storage.bucket({ name: 'node_v1', history: 1 });
    const entry = await bucket.get(id);
    const state = JSON.parse(Buffer.from(entry?.value ?? []).toString());
    assert.deepEqual(state.Info, {
      ...sent.Info,
      // The store does not have the free resources.
      ComputeNodeInfo: { ...sent.Info.ComputeNodeInfo, AvailableCapacity: {}, QueueCapacity: {} },
    });
    assert.equal(state.Connection, 'DISCONNECTED');
    assert.equal(state.ConnectionState.Status, 'DISCONNECTED');
  });
});

describe('a cluster of Bacalhau on its own data', () => {
  const token = 'the-token-of-all-nodes';
  let data: NatsServer;
  let shared: Cluster;
  let own: Cluster;

  before(async () => {
    data = await makeNatsServer({ config: `authorization { token: "${token}" }` });
    await writeRecordedFolder(join(data.folder, 'store'));
    await data.start();
    shared = await Cluster.create({ servers: data.url, settings: { 'nats.token': token } });
    own = await Cluster.create({ settings: { 'requester.unverifiedNodes': true } });
  });

  after(async () => {
    await shared.release();
    await own.release();
    await data.release();
  });

  const open = async (url: string): Promise<Connection> => {
    const connection = startConnection(url, { credentials: () => ({ token }) });
    await connection.connected();
    return connection;
  };

  // Sends what a node of Bacalhau sends when it has another connection: it was not told that this is another program.
  const goesOn = async (url: string, id: string): Promise<string> => {
    const connection = await open(url);
    const send = async (name: string): Promise<string> => {
      const { subject, bytes } = capture(`ncl/${name}`);
      const message = envelopeOf(bytes.toString('utf8', 5).replaceAll(node, id));
      const answer = await connection.request(subject.replace(node, id), message, 30_000);
      return Buffer.from(answer.data).toString();
    };
    try {
      const answer = await send('transport.HeartbeatRequest');
      return /HandshakeRequired/.test(answer) ? await send('transport.HandshakeRequest') : answer;
    } finally {
      await connection.close();
    }
  };

  it('is kept by muster, whose nodes come back by themselves', async () => {
    await shared.requester();
    assert.match(await goesOn(data.url, 'n-c1'), /HeartbeatResponse/);
    assert.match(await goesOn(data.url, 'n-c2'), /"reason":"node has been rejected"/);
    assert.match(await goesOn(data.url, 'n-c3'), /HeartbeatResponse/);
    assert.deepEqual(
      (await shared.nodes()).map(({ Info, Membership }) => `${Info.NodeID} ${Membership}`),
      ['n-c1 APPROVED', 'n-c2 REJECTED', 'n-c3 PENDING', 'n-orch-1 APPROVED', 'node-0 APPROVED'],
    );
    await shared.decide('n-c3', 'approve');
    await shared.decide('n-orch-1', 'delete');
  });

  it('goes back to an orchestrator with what was decided', async () => {
    await shared.release();
    const orchestrator = await open(data.url);
    const nodes = await listAs(orchestrator, '1.9.3');
    await orchestrator.close();
    assert.deepEqual(
      [...nodes].map(([id, { Membership }]) => `${id} ${Membership}`),
      ['n-c1 APPROVED', 'n-c2 REJECTED', 'n-c3 APPROVED', 'node-0 APPROVED'],
    );
  });

  it("is imported into the requester's own broker, and its nodes go on with the token that they have", async () => {
    await own.rewrite('requester', 'node-0', {});
    const config = join(own.folder, 'node-0-requester.yaml');
    const folder = join(own.folder, 'orchestrator-data');
    const tokenFile = join(own.folder, 'token');
    const importStore = (dataDir = own.folderOf('imported')) =>
      muster([
        ...['store', 'import', folder, '--token-file', tokenFile],
        ...['--config', config, '--data-dir', dataDir],
      ]);
    const refused = async (why: RegExp, dataDir?: string) => {
      const { code, stderr } = await importStore(dataDir);
      assert.equal(code, 1, stderr);
      assert.match(stderr, why);
    };
    await writeFile(tokenFile, 'short');
    await refused(/there is no folder .*orchestrator-data/);
    await mkdir(folder);
    await refused(/has no nodes of Bacalhau/);
    await writeRecordedFolder(join(folder, 'orchestrator', 'nats-store'));
    await writeFile(join(folder, 'bacalhau.run'), '');
    await refused(/an orchestrator may be running/);
    await rm(join(folder, 'bacalhau.run'));
    await refused(/does not contain a token that muster takes/);
    await writeFile(tokenFile, token);
    const block = join(folder, 'orchestrator/nats-store/jetstream/$G/streams/KV_node_v1/meta.inf');
    const whole = await readFile(block);
    await writeFile(block, 'torn');
    await refused(/nats-server cannot read the bucket/);
    await writeFile(block, whole);
    const { stdout, stderr } = await importStore();
    assert.equal(stdout, '3 nodes, 1 APPROVED, 1 PENDING, 1 REJECTED\n', stderr);
    assert.match(stderr, /muster node delete n-orch-1/);
    await refused(/a requester has run in .*: an import is for a new one/);
    await own.requester({ dataDir: own.folderOf('imported') });
    assert.match(await goesOn(own.servers, 'n-c1'), /HeartbeatResponse/);
    assert.match(await goesOn(own.servers, 'n-c2'), /"reason":"node has been rejected"/);
    assert.match(await goesOn(own.servers, 'n-new'), /"reason":"node registered"/);
    assert.deepEqual(
      (await own.nodes()).map(({ Info, Membership }) => `${Info.NodeID} ${Membership}`),
      [
        'n-c1 APPROVED',
        'n-c2 REJECTED',
        'n-c3 PENDING',
        'n-new PENDING',
        'n-orch-1 APPROVED',
        'node-0 APPROVED',
      ],
    );
  });
});
