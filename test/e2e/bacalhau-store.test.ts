// The store that muster and Bacalhau share.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Connection } from '../../agent/transport/port.ts';
import { capture } from '../support/captures.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';

const node = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';

describe('the store of Bacalhau', () => {
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

  it("our store has its node state, in Bacalhau's own bucket", async () => {
    cluster = await Cluster.create({ servers: broker.url });
    await startRequester();
    const id = 'n-stored';
    const { subject, bytes, decoded } = capture('bprotocol/RegisterNode/v1');
    const sent = JSON.parse(JSON.stringify(decoded).replaceAll(node, id));
    const body = bytes.toString().replaceAll(node, id);
    await peer.request(subject.replace(node, id), body, 5_000);
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
