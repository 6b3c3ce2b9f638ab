// Compute nodes of Bacalhau of each release at a requester of ours, by both of its protocols: on a NATS that others run, and on
// the requester's own broker, where they have a token and no key.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, createInbox, headers, type NatsConnection } from 'nats';
import { readEnvelope } from '../support/bacalhau/envelope.ts';
import { NodePeer, type NodePeerOptions } from '../support/bacalhau/node-peer.ts';
import { facts, releases } from '../support/bacalhau/releases.ts';
import { capture } from '../support/captures.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import type { Program } from '../support/program.ts';

/** Each release with each protocol by which its nodes come in. */
const ways = releases.flatMap(release => [
  { release, protocol: 'older' as const },
  ...(facts[release].node.speaksNewer ? [{ release, protocol: 'newer' as const }] : []),
]);
type Way = (typeof ways)[number];
const idOf = ({ release, protocol }: Way) => `n-${release.replaceAll('.', '-')}-${protocol}`;
const newer = ways.filter(({ protocol }) => protocol === 'newer').map(idOf);

describe('a compute node of Bacalhau on a NATS that others run', () => {
  let broker: NatsServer;
  let cluster: Cluster;
  let requester: Program;
  let client: NatsConnection;
  const peers = new Map<string, NodePeer>();

  const start = async (way: Way, more: Partial<NodePeerOptions> = {}): Promise<NodePeer> => {
    const id = idOf(way);
    const disk = peers.get(id)?.disk;
    const peer = await NodePeer.start({
      id,
      release: way.release,
      servers: broker.url,
      ...(disk ? { disk } : {}),
      ...more,
    });
    peers.set(id, peer);
    return peer;
  };
  const peerOf = (way: Way): NodePeer => {
    const peer = peers.get(idOf(way));
    assert.ok(peer);
    return peer;
  };
  const told = (peer: NodePeer, text: RegExp) =>
    eventually(`${peer.id} is told ${text}; it was told ${peer.story.slice(-5).join('\n')}`, () =>
      peer.story.some(line => text.test(line)),
    );
  /** Returns how many rows the nodes of the test have. */
  const rows = async () => {
    const ids = ways.map(idOf);
    return (await cluster.nodes()).filter(({ Info }) => ids.includes(Info.NodeID)).length;
  };
  /** Resolves when the broker knows where the requester listens: what it says of itself may come first. */
  const listens = () =>
    eventually('the requester listens', () =>
      client.request('node.management.n-nobody.UpdateResources/v1', '{}').then(
        () => true,
        () => false,
      ),
    );

  before(async () => {
    broker = await startNatsServer();
    // The nodes have this time to start again before they are silent, on a busy machine too.
    const settings = { 'requester.nodeDisconnectedAfter': '4s', 'requester.nodeUnknownAfter': '6s' };
    cluster = await Cluster.create({ servers: broker.url, settings });
    client = await connect({ servers: broker.url });
    // Those that find no requester at their start.
    const unheard = await Promise.all(
      ways.filter(({ protocol }) => protocol === 'newer').map(way => start(way)),
    );
    await Promise.all(unheard.map(peer => told(peer, /^Handshake failed: 503$/)));
    requester = await cluster.requester();
    await listens();
    await Promise.all(ways.filter(({ protocol }) => protocol === 'older').map(way => start(way)));
  });

  after(async () => {
    await Promise.all([...peers.values()].map(peer => peer.kill()));
    await client.close();
    await cluster.release();
    await broker.release();
  });

  it('up to 1.5 ends when nobody answers its registration, and from 1.6 on changes to the newer protocol', async () => {
    assert.deepEqual(
      ways.map(way => peerOf(way).protocol),
      ways.map(({ protocol }) => protocol),
    );
    const unheard = { servers: broker.url, isUnheard: true };
    for (const version of ['1.4.0', '1.5.2'] as const)
      await assert.rejects(NodePeer.start({ ...unheard, id: 'n-ends', release: version }));
  });

  describe('of each release, by each protocol,', { concurrency: ways.length }, () => {
    for (const way of ways)
      describe(idOf(way), { concurrency: 1 }, () => {
        const id = idOf(way);

        it('is PENDING and alive, and may get no work', async () => {
          await cluster.until(id, 'PENDING HEALTHY');
          const row = await cluster.node(id);
          assert.equal(row?.Muster.Schedulable, false);
          assert.equal(row?.Connection, 'CONNECTED');
          assert.equal(row?.Info.ComputeNodeInfo.AvailableCapacity.CPU, 6.4);
          assert.equal(row?.Info.BacalhauVersion.GitVersion, facts[way.release].node.gitVersion);
          assert.deepEqual(row?.Info.Labels, facts[way.release].node.labels(id));
        });

        it('is approved, and nothing is sent to it', async () => {
          const registrations = () =>
            peerOf(way).story.filter(line => /^(Register|Handshake)/.test(line)).length;
          const before = registrations();
          await cluster.decide(id, 'approve');
          await cluster.until(id, 'APPROVED HEALTHY');
          assert.equal((await cluster.node(id))?.Muster.Schedulable, true);
          assert.equal(registrations(), before);
        });

        it('sends its information when it changed', async () => {
          peerOf(way).labels = { zone: 'b' };
          await eventually('the label', async () => (await cluster.node(id))?.Info.Labels?.zone === 'b');
        });

        it('is rejected, hears it at its next request, and asks for ever without ending', async () => {
          const peer = peerOf(way);
          peer.story.length = 0;
          await cluster.decide(id, 'reject');
          if (way.protocol === 'newer') {
            await told(peer, /^Heartbeat .*"Code":"HandshakeRequired"/);
            await told(peer, /^Handshake .*"accepted":false,"reason":"node has been rejected"/);
            peer.story.length = 0;
            await told(peer, /^Handshake .*"accepted":false/);
          } else {
            await told(peer, /^UpdateNodeInfo .*"Accepted":false,"Reason":"node registration rejected"/);
            await told(peer, /^UpdateResources \{"error":"node registration rejected"/);
          }
          assert.equal((await cluster.node(id))?.Membership, 'REJECTED');
        });

        it('is approved after that, and is in again by itself', async () => {
          const peer = peerOf(way);
          peer.story.length = 0;
          await cluster.decide(id, 'approve');
          await told(
            peer,
            way.protocol === 'newer'
              ? /^Handshake .*"node reconnected"/
              : /^UpdateResources \{"value":\{\}\}/,
          );
          await cluster.until(id, 'APPROVED HEALTHY');
        });

        it('is deleted, and comes back by itself as a new node', async () => {
          const peer = peerOf(way);
          peer.story.length = 0;
          await cluster.decide(id, 'delete');
          await told(
            peer,
            way.protocol === 'newer'
              ? /^Handshake .*"node registered"/
              : /^UpdateNodeInfo .*"node registered"/,
          );
          await cluster.until(id, 'PENDING HEALTHY');
          await cluster.decide(id, 'approve');
        });
      });
  });

  it('that speaks the newer protocol gets an acknowledgement of what its jobs did', async () => {
    for (const way of ways) if (way.protocol === 'newer') assert.equal(await peerOf(way).sendResult(), '{}');
  });

  it('gets the id of its message back', async () => {
    const { subject, bytes } = capture('ncl/transport.HeartbeatRequest');
    const fields = headers();
    fields.set('Bacalhau-MessageID', 'corr-42');
    const answer = await client.request(subject, bytes, { timeout: 10_000, headers: fields });
    assert.equal(readEnvelope(answer.data).metadata['Bacalhau-MessageID'], 'corr-42');
  });

  it('goes on when the requester is started again: the list, approval and health are as before, and nothing is announced', async () => {
    // Each was deleted and is back, so what was announced before that says nothing.
    const isAnnounced = async (id: string) => {
      const kinds = await cluster.kindsOf(id);
      const since = kinds.slice(kinds.lastIndexOf('deleted'));
      return (
        since.includes('approved') && since.findLast(kind => /healthy|unknown|left/.test(kind)) === 'healthy'
      );
    };
    for (const id of ways.map(idOf))
      await eventually(`${id} was announced as approved and healthy`, () => isAnnounced(id));
    const events = async () => (await cluster.events()).map(({ id }) => id);
    const before = await events();
    for (const peer of peers.values()) peer.story.length = 0;
    assert.equal((await requester.stop()).code, 0);
    requester = await cluster.requester();
    await Promise.all(ways.map(way => cluster.until(idOf(way), 'APPROVED HEALTHY')));
    assert.equal(await rows(), ways.length);
    const isOfNode = (id: string) => ways.some(way => id.includes(idOf(way)));
    const news = (await events()).filter(id => !before.includes(id) && isOfNode(id));
    assert.deepEqual(news, []);
    const registered = newer.flatMap(
      id => peers.get(id)?.story.filter(line => line.startsWith('Handshake')) ?? [],
    );
    assert.deepEqual(registered, [], 'a node that the requester knows need not shake hands again');
  });

  it('is one row when it changes from one protocol to the other, and its health does not change', async () => {
    const changing = ways.filter(({ release }) => facts[release].node.speaksNewer);
    const kinds = () => Promise.all(changing.map(way => cluster.kindsOf(idOf(way))));
    const before = await kinds();
    for (const way of changing) {
      for (const isUnheard of [way.protocol === 'older', way.protocol === 'newer']) {
        await peerOf(way).kill();
        const peer = await start(way, { isUnheard, labels: { zone: 'b' } });
        await told(peer, /^(RegisterNode|Handshake) .*"node reconnected"/);
        assert.equal(peer.protocol, isUnheard ? 'newer' : 'older');
        await cluster.until(idOf(way), 'APPROVED HEALTHY');
      }
    }
    assert.deepEqual(await kinds(), before);
    assert.equal(await rows(), ways.length);
  });

  it('is answered by one of two requesters, and both know what it says', async () => {
    const port = await freePort();
    const second = await cluster.requester({ 'api.port': port }, { id: 'node-00' });
    const way = ways.find(({ protocol }) => protocol === 'newer') as Way;
    const { subject, bytes } = capture('ncl/transport.HandshakeRequest');
    const inbox = createInbox();
    const answers: string[] = [];
    client.subscribe(`${inbox}.*`, { callback: (_error, message) => void answers.push(message.subject) });
    const ask = async (round: string) => {
      const replies = Array.from({ length: 20 }, (_, n) => `${inbox}.${round}${n}`);
      for (const reply of replies) client.publish(subject, bytes, { reply });
      await eventually('each has an answer', () => replies.every(reply => answers.includes(reply)));
      return replies;
    };
    // A second answer to one of the first round would come before the answers to the second one.
    const replies = [...(await ask('a')), ...(await ask('b'))];
    assert.deepEqual(answers.filter(answer => answer.includes('.a')).sort(), replies.slice(0, 20).sort());
    await eventually('the other requester hears it too', async () => {
      const got = await fetch(`http://127.0.0.1:${port}/api/v1/orchestrator/nodes/${idOf(way)}`);
      return /"Health":"HEALTHY"/.test(await got.text());
    });
    await second.stop();
  });

  /** Resolves when the last events of a node are of these kinds. */
  const announced = async (id: string, kinds: string[]): Promise<void> => {
    let seen: string[] = [];
    const isSo = async () => {
      seen = await cluster.kindsOf(id);
      return seen.slice(-kinds.length).join() === kinds.join();
    };
    await eventually(`the last of ${id} is ${kinds}`, isSo).catch(cause => {
      throw new Error(`${id} was announced as ${seen}, and not last as ${kinds}`, { cause });
    });
  };
  it('stops: by the newer protocol it says so and is UNKNOWN at once, by the older one it falls silent', async () => {
    await Promise.all([...peers.values()].map(peer => peer.stop()));
    await Promise.all(ways.map(way => cluster.until(idOf(way), 'APPROVED UNKNOWN')));
    for (const id of ways.map(idOf))
      await announced(id, newer.includes(id) ? ['left'] : ['unhealthy', 'unknown']);
  });

  it('starts again, and is on the list as it was', async () => {
    await Promise.all(ways.map(way => start(way)));
    await Promise.all(ways.map(way => cluster.until(idOf(way), 'APPROVED HEALTHY')));
    assert.equal(await rows(), ways.length);
    const registrations = ways
      .filter(({ release }) => facts[release].node.registersOnce)
      .map(way => peerOf(way).story.filter(line => line.startsWith('RegisterNode')));
    assert.deepEqual(registrations.flat(), [], 'up to 1.5 a node registers once in its life');
  });

  it('dies silently: it is UNHEALTHY, then UNKNOWN, and the next that is heard of it makes it HEALTHY', async () => {
    const again = await Promise.all(
      newer.map(async id => {
        const { options } = peers.get(id) as NodePeer;
        await peers.get(id)?.kill();
        await announced(id, ['healthy', 'unhealthy', 'unknown']);
        return NodePeer.start({ ...options, isUnheard: true });
      }),
    );
    for (const peer of again) peers.set(peer.id, peer);
    for (const id of newer) {
      await cluster.until(id, 'APPROVED HEALTHY');
      await announced(id, ['healthy']);
    }
  });
});

for (const [what, host] of [
  ['TLS', '0.0.0.0'],
  ['no TLS', '127.0.0.1'],
] as const)
  describe(`a compute node of Bacalhau on the requester's own broker, with ${what},`, () => {
    let cluster: Cluster;
    let peers: NodePeer[] = [];

    before(async () => {
      cluster = await Cluster.create({
        settings: { 'broker.host': host, 'requester.unverifiedNodes': true },
      });
    });

    after(async () => {
      await Promise.all(peers.map(peer => peer.kill()));
      await cluster.release();
    });

    it('comes in with the token, also when it was started while no broker ran', async () => {
      const first = await cluster.requester();
      const folder = join(cluster.folderOf('node-0'), 'requester');
      const token = (await readFile(join(folder, 'bacalhau.token'), 'utf8')).trim();
      const access = {
        servers: `127.0.0.1:${cluster.brokerPort}`,
        token,
        caFile: host === '127.0.0.1' ? undefined : join(folder, 'ca.pem'),
      };
      const start = (way: Way) => NodePeer.start({ ...access, id: idOf(way), release: way.release });
      assert.equal((await first.stop()).code, 0);
      const early = await Promise.all(ways.filter(({ protocol }) => protocol === 'newer').map(start));
      await cluster.requester();
      const late = await Promise.all(ways.filter(({ protocol }) => protocol === 'older').map(start));
      peers = [...early, ...late];
      await Promise.all(ways.map(way => cluster.until(idOf(way), 'PENDING HEALTHY')));
      assert.ok(early.every(({ protocol }) => protocol === 'newer'));
      assert.ok(late.every(({ protocol }) => protocol === 'older'));
    });

    it('hears what an operator decides, and is in again', async () => {
      for (const action of ['reject', 'approve'] as const) {
        const is =
          action === 'reject'
            ? /has been rejected|registration rejected/
            : /"node reconnected"|^UpdateResources \{"value"/;
        // A node that comes back is told that once, perhaps before the others are decided about.
        for (const peer of peers) peer.story.length = 0;
        await Promise.all(peers.map(({ id }) => cluster.decide(id, action)));
        await eventually(`each hears of ${action}`, () =>
          peers.every(({ story }) => story.some(line => is.test(line))),
        );
      }
      await Promise.all(peers.map(({ id }) => cluster.until(id, 'APPROVED HEALTHY')));
    });

    it('sends what its jobs did, leaves, and is back', async () => {
      for (const peer of peers) if (peer.protocol === 'newer') assert.equal(await peer.sendResult(), '{}');
      await Promise.all(peers.map(peer => peer.stop()));
      const isNewer = ({ protocol }: NodePeer) => protocol === 'newer';
      await Promise.all(peers.filter(isNewer).map(({ id }) => cluster.until(id, 'APPROVED UNKNOWN')));
      peers = await Promise.all(peers.map(({ options, disk }) => NodePeer.start({ ...options, disk })));
      await Promise.all(peers.map(({ id }) => cluster.until(id, 'APPROVED HEALTHY')));
    });
  });
