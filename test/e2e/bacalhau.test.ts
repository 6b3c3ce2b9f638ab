// Plays recorded messages of Bacalhau on a real broker: its node with our requester, our agent with its orchestrator, and
// its store.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Connection, Message } from '../../agent/transport/port.ts';
import { capture, envelopeOf, probes } from '../support/captures.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';

const node = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';

describe('with Bacalhau', () => {
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
    assert.equal(await ask('bprotocol/UpdateNodeInfo/v1'), replaced('legacy update before register'));
    assert.equal(await ask('bprotocol/UpdateResources/v1'), replaced('legacy resources before register'));
    assert.equal(
      await ask('bprotocol/RegisterNode/v1'),
      '{"value":{"Accepted":true,"Reason":"node registered"}}',
    );
    await cluster.until(node, 'PENDING UNKNOWN');
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

  const orchestrators: [string, Record<string, (id: string) => string>][] = [
    ['1.5.2', { unknown: () => '{"value":{"Accepted":false,"Reason":"node not yet registered"}}' }],
    [
      '1.6 to 1.9',
      { unknown: id => `{"error":"node ${id} not connected - handshake required","value":null}` },
    ],
  ];
  for (const [version, { unknown }] of orchestrators) {
    it(`our agent joins an orchestrator of ${version}, and registers again when it is no longer known`, async () => {
      cluster = await Cluster.create({ servers: broker.url });
      const id = `joins-${version.replace(/\W/g, '')}`;
      const asked: string[] = [];
      let known = false;
      const answer = (message: Message, text: string) => message.respond(text);
      const methods: Record<string, (message: Message) => void> = {
        'RegisterNode/v1': message => {
          const { Info } = JSON.parse(Buffer.from(message.data).toString());
          // From 1.6 on, Bacalhau never accepts a node that lists its newer protocol here.
          assert.ok(!Info.SupportedProtocols.includes('ncl/v1'));
          known = true;
          answer(message, '{"value":{"Accepted":true,"Reason":"node registered"}}');
        },
        'UpdateNodeInfo/v1': message =>
          answer(message, known ? '{"value":{"Accepted":true,"Reason":""}}' : (unknown?.(id) ?? '')),
        'UpdateResources/v1': message => answer(message, known ? '{"value":{}}' : (unknown?.(id) ?? '')),
      };
      const listening = [
        peer.subscribe(`node.management.${id}.>`, message => {
          const method = message.subject.split('.').slice(3).join('.');
          asked.push(method);
          methods[method]?.(message);
        }),
        peer.subscribe(`bacalhau.global.compute.${id}.out.heartbeat`, () => asked.push('heartbeat')),
      ];
      const agent = await cluster.agent(id);
      await eventually('its reports', () =>
        ['heartbeat', 'UpdateResources/v1', 'UpdateNodeInfo/v1'].every(kind => asked.includes(kind)),
      );
      assert.equal((await cluster.sentinel(id))?.cluster, '');
      asked.length = 0;
      known = false;
      await eventually('it registers again', () => asked.includes('RegisterNode/v1'));
      asked.length = 0;
      assert.equal((await agent.stop()).code, 0);
      assert.ok(!asked.includes('Leave/v1'), 'Bacalhau knows no Leave');
      for (const one of listening) one.unsubscribe();
    });
  }

  function replaced(name: string): string {
    return (probes.get(name) ?? '').replaceAll('n-old', node);
  }
});
