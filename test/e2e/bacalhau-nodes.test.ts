// Compute nodes of Bacalhau on the NATS of a requester of ours.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Connection } from '../../agent/transport/port.ts';
import { capture, envelopeOf, probes } from '../support/captures.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';

const node = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';

describe('nodes of Bacalhau', () => {
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

  const ask = async (name: string): Promise<string> => {
    const { subject, bytes } = capture(name);
    const answer = await peer.request(subject, bytes, 5_000);
    return Buffer.from(answer.data).toString();
  };

  it('its compute node registers, reports and is healthy, with the same answers as from its own orchestrator', async () => {
    cluster = await Cluster.create({ servers: broker.url });
    await startRequester();
    assert.equal(await ask('bprotocol/UpdateResources/v1'), replaced('legacy resources before register'));
    assert.equal(
      await ask('bprotocol/RegisterNode/v1'),
      '{"value":{"Accepted":true,"Reason":"node registered"}}',
    );
    await cluster.until(node, 'PENDING HEALTHY');
    const { subject, bytes } = capture('bprotocol/heartbeat');
    peer.publish(subject, bytes);
    await cluster.until(node, 'PENDING HEALTHY');
    assert.equal(await ask('bprotocol/UpdateResources/v1'), '{"value":{}}');
    assert.equal(await ask('bprotocol/UpdateNodeInfo/v1'), '{"value":{"Accepted":true,"Reason":""}}');
    assert.equal(
      await ask('bprotocol/RegisterNode/v1'),
      '{"value":{"Accepted":true,"Reason":"node reconnected"}}',
    );
    const view = await cluster.node(node);
    assert.equal(view?.Info.ComputeNodeInfo.AvailableCapacity.GPUs?.[0]?.Name, 'Tesla T4');
    assert.equal(view?.Connection, 'CONNECTED');
    // A node that lists ncl/v1 is accepted with this protocol too. It speaks the newer one only when nobody answered this one.
    assert.equal(await ask('ncl/RegisterNode/v1'), '{"value":{"Accepted":true,"Reason":"node reconnected"}}');
    assert.equal((await cluster.command('node', 'reject', node)).stdout, 'Ok\n');
    assert.equal(
      await ask('bprotocol/RegisterNode/v1'),
      '{"value":{"Accepted":false,"Reason":"node has been rejected"}}',
    );
  });

  it('its compute node whose registration nobody answered gets in by the newer protocol', async () => {
    cluster = await Cluster.create({ servers: broker.url });
    const id = 'n-unanswered';
    const send = async (name: string): Promise<string> => {
      const { subject, bytes } = capture(`ncl/${name}`);
      const message = envelopeOf(bytes.toString('utf8', 5).replaceAll(node, id));
      const answer = await peer.request(subject.replace(node, id), message, 5_000);
      return Buffer.from(answer.data).toString();
    };
    await assert.rejects(send('transport.HandshakeRequest'), { fault: 'no_responders' });
    await startRequester();
    assert.match(await send('transport.HandshakeRequest'), /"accepted":true,"reason":"node registered"/);
    assert.match(await send('transport.HeartbeatRequest'), /"payload":\{"LastComputeSeqNum":0\}/);
    await cluster.until(id, 'PENDING HEALTHY');
    assert.equal(await send('BidResult'), '{}');
    assert.match(await send('transport.ShutdownNoticeRequest'), /ShutdownNoticeResponse/);
    await cluster.until(id, 'PENDING UNKNOWN');
  });

  function replaced(name: string): string {
    return (probes.get(name) ?? '').replaceAll('n-old', node);
  }
});
