// Nodes of Bacalhau on the requester's own broker, which have a token and no key. First what they need works, by both of
// Bacalhau's protocols. Then one of them attacks: the nodes with keys, the other nodes without, the store and the broker.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { readJoinCode } from '../../agent/protocol/join-code.ts';
import { fingerprint } from '../../agent/protocol/nkey.ts';
import {
  defaultHeartbeatTopic,
  heartbeatSubject,
  inboxPrefix,
  whySubject,
} from '../../agent/protocol/subjects.ts';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import { type AttackedCluster, startAttackedCluster, strangeReplies } from '../support/attacked-cluster.ts';
import { capture, envelopeOf } from '../support/captures.ts';
import type { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { newKey, RawClient } from '../support/raw-client.ts';
import { infoOf, mayNotPublish, mayNotSubscribe, messagesOf, RawNode } from '../support/raw-node.ts';

const victim = 'victim';
const maxPending = 20;
/** The node in the recorded messages of Bacalhau. */
const recorded = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';

let cluster: Cluster;
let requester: Program;
let token: string;
let keys: ReadonlyMap<string, KeyPair>;
/** A node with a key. */
let honest: RawNode;
/** Two clients with the token of Bacalhau's nodes. */
let bacalhau: TokenClient;
let hostile: TokenClient;
let seen: AttackedCluster['seen'];
let rowOf: AttackedCluster['rowOf'];
let release: (() => Promise<void>) | undefined;

before(async () => {
  const settings = { 'requester.unverifiedNodes': true, 'requester.maxPending': maxPending };
  ({ cluster, requester, keys, seen, rowOf, release } = await startAttackedCluster([victim], settings));
  token = (await readFile(join(cluster.folderOf('node-0'), 'requester/bacalhau.token'), 'utf8')).trim();
  honest = await RawNode.open(cluster.brokerPort, victim, keys.get(victim) as KeyPair);
  bacalhau = await TokenClient.open('a');
  hostile = await TokenClient.open('b');
  await cluster.decide(victim, 'approve');
});

after(async () => {
  for (const each of [honest, bacalhau, hostile]) each?.client.close();
  await release?.();
});

describe('a node of Bacalhau with the token', () => {
  it('registers, reports and is healthy by the older protocol', async () => {
    const ask = (name: string) => bacalhau.ask(capture(name).subject, capture(name).bytes);
    assert.equal(
      await ask('bprotocol/UpdateResources/v1'),
      `{"error":"node ${recorded} not connected - handshake required","value":null}`,
    );
    assert.equal(
      await ask('bprotocol/RegisterNode/v1'),
      '{"value":{"Accepted":true,"Reason":"node registered"}}',
    );
    const beat = capture('bprotocol/heartbeat');
    bacalhau.client.publish(beat.subject, beat.bytes);
    await cluster.until(recorded, 'PENDING HEALTHY');
    assert.equal(await ask('bprotocol/UpdateResources/v1'), '{"value":{}}');
    assert.equal(await ask('bprotocol/UpdateNodeInfo/v1'), '{"value":{"Accepted":true,"Reason":""}}');
    // What versions up to 1.5 send besides, and where those up to 1.4 listen for streams that nobody sends them.
    bacalhau.client.publish('heartbeat', '{"NodeID":"x","Sequence":1}');
    bacalhau.client.subscribe('_SINBOX.x.*');
    bacalhau.client.subscribe('_HEARTBEAT._SINBOX.x');
    bacalhau.client.subscribe(`node.compute.${recorded}.>`);
    bacalhau.client.subscribe(`bacalhau.global.compute.${recorded}.in.msgs`);
    assert.deepEqual(await bacalhau.client.complaints(), []);
  });

  it('is answered by the newer protocol as by an orchestrator, and follows what the operator decides', async () => {
    const id = 'n-newer';
    const ask = (name: string) => bacalhau.askNewer(name, id);
    const { bytes } = capture('ncl/BacError');
    assert.deepEqual(
      (await ask('ncl/transport.HeartbeatRequest')).toString('hex'),
      envelopeOf(bytes.toString('utf8', 5).replaceAll(recorded, id)).toString('hex'),
    );
    const shake = () => ask('ncl/transport.HandshakeRequest').then(payloadOf);
    const known = { LastComputeSeqNum: 0, LastOrchestratorSeqNum: 0 };
    assert.deepEqual(await shake(), { accepted: true, reason: 'node registered', ...known });
    await cluster.until(id, 'PENDING HEALTHY');
    const beat = () => ask('ncl/transport.HeartbeatRequest').then(payloadOf);
    assert.deepEqual(await beat(), { LastComputeSeqNum: 0 });
    await cluster.until(id, 'PENDING HEALTHY');
    assert.equal(
      (await cluster.node(id))?.Info.ComputeNodeInfo.AvailableCapacity.GPUs?.[0]?.Name,
      'Tesla T4',
    );
    assert.deepEqual(await shake(), { accepted: true, reason: 'node reconnected', ...known });
    assert.deepEqual(payloadOf(await ask('ncl/transport.UpdateNodeInfoRequest')), { accepted: true });
    assert.equal((await ask('ncl/BidResult')).toString(), '{}');
    await cluster.decide(id, 'reject');
    assert.equal((await beat()).Code, 'HandshakeRequired');
    assert.deepEqual(await shake(), { accepted: false, reason: 'node has been rejected', ...known });
    await cluster.decide(id, 'approve');
    assert.deepEqual(await shake(), { accepted: true, reason: 'node reconnected', ...known });
    await beat();
    await cluster.until(id, 'APPROVED HEALTHY');
    assert.deepEqual(payloadOf(await ask('ncl/transport.ShutdownNoticeRequest')), { LastComputeSeqNum: 0 });
    await cluster.until(id, 'APPROVED UNKNOWN');
  });

  it('gets an error of the newer protocol for what cannot be read', async () => {
    const subject = `bacalhau.global.compute.n-odd.out.ctrl`;
    for (const data of ['', 'x', '{}', envelopeOf('{}'), envelopeOf('{"metadata":{},"payload":{}}')]) {
      const answer = payloadOf(await bacalhau.askRaw(subject, data));
      assert.deepEqual([answer.HTTPStatusCode, answer.Code], [0, '']);
      assert.match(String(answer.Cause), /^failed to deserialize request: /);
    }
    assert.equal(await cluster.node('n-odd'), undefined);
  });

  it('shows unverified also when it is approved', async () => {
    const id = 'n-newer';
    const wide = await cluster.command('node', 'list', '-o', 'wide');
    assert.match(wide.stdout.split('\n').find(line => line.startsWith(id)) ?? '', / APPROVED .* unverified /);
    const described = await cluster.command('node', 'describe', id);
    assert.match(described.stdout, /fingerprint +unverified: the requester checks no key of this node/);
    assert.match(described.stdout, /^ {2}protocol +ncl\/v1$/m);
    assert.match(described.stdout, /^ {2}engines +\w+/m);
    assert.match(described.stdout, /^ {2}running +\d+, as it said \d+ s ago$/m);
    assert.match(described.stdout, /^ {2}GPU 0 +NVIDIA Tesla T4/m);
    assert.match(wide.stdout, /^ID .* ENGINES .* NOTE /);
    const shown = (await cluster.node(id))?.Muster;
    assert.deepEqual([shown?.Fingerprint, shown?.PublicKey], [undefined, undefined]);
    const approvals = requester.logged('node approved').filter(({ node }) => node === id);
    assert.deepEqual(
      approvals.map(({ fingerprint: of }) => of),
      ['unverified'],
    );
    const events = (await cluster.events()).filter(({ subject }) => subject === id);
    assert.ok(events.length > 3 && events.every(({ data }) => !('fingerprint' in data)));
  });
});

describe('a client with the token of the Bacalhau nodes', () => {
  it('speaks for no node that has a key, in no kind of message', async () => {
    const before = await rowOf(victim);
    const refusal = /has a key, and only that key speaks for it/;
    for (const [subject, data] of messagesOf(victim)) {
      if (/Leave|alive/.test(subject)) continue;
      if (subject.includes('heartbeat')) hostile.client.publish(subject, data);
      else assert.match(await hostile.ask(subject, data), refusal);
    }
    for (const name of newerRequests)
      assert.match(String(payloadOf(await hostile.askNewer(name, victim)).Cause), refusal);
    hostile.client.publish('heartbeat', JSON.stringify({ NodeID: victim, Sequence: 1 }));
    hostile.client.publish(`bacalhau.global.compute.${victim}.out.msgs`, 'x', hostile.inbox());
    hostile.client.publish(`node.management.${victim}.Leave/v1`, '{}');
    hostile.client.publish(`node.alive.${victim}`, '{}');
    assert.deepEqual(await hostile.client.complaints(), [
      mayNotPublish(`node.management.${victim}.Leave/v1`),
      mayNotPublish(`node.alive.${victim}`),
    ]);
    await honest.ask('UpdateNodeInfo/v1', infoOf(victim));
    assert.deepEqual(await rowOf(victim), before);
    await eventually('its heartbeat was heard and ignored', async () => {
      return (await cluster.status()).counters.heartbeatsUnknown > 1;
    });
  });

  it('names no other node in the message than in the subject', async () => {
    for (const name of newerRequests) {
      const message = envelopeOf(textOf(name).replaceAll(recorded, victim));
      const answer = await hostile.askRaw('bacalhau.global.compute.n-other.out.ctrl', message);
      assert.match(String(payloadOf(answer).Cause), /the subject names node n-other, the message another/);
    }
  });

  it('does not take the id of the requester', async () => {
    assert.match(
      await hostile.ask('node.management.node-0.RegisterNode/v1', infoOf('node-0')),
      /is the id of a requester/,
    );
    const shaken = payloadOf(await hostile.askNewer('ncl/transport.HandshakeRequest', 'node-0'));
    assert.equal(shaken.accepted, false);
    assert.equal((await cluster.node('node-0'))?.Info.NodeType, 'Requester');
  });

  it('takes no id of a deleted node, which may come back with its key', async () => {
    await cluster.decide(victim, 'delete');
    const answer = await hostile.ask(`node.management.${victim}.RegisterNode/v1`, infoOf(victim));
    assert.match(answer, /has a key, and only that key speaks for it/);
    assert.equal(await cluster.node(victim), undefined);
    // It comes back by hand, as its agent does after "muster agent register".
    honest.client.close();
    const name = `${victim} instance=again intent=register`;
    honest = await RawNode.open(cluster.brokerPort, victim, honest.key, { name });
    await cluster.decide(victim, 'approve');
  });

  it('loses an id that it was the first to use, when an operator gives the record to a key', async () => {
    const id = 'squatted';
    await hostile.ask(`node.management.${id}.RegisterNode/v1`, infoOf(id));
    await cluster.until(id, 'PENDING HEALTHY');
    const key = newKey();
    const code = await joinToken();
    const login = { key, name: `${id} instance=x`, token: code };
    const waiting = await RawClient.open(cluster.brokerPort, login);
    waiting.subscribe(`${inboxPrefix(key.publicKey)}.>`);
    waiting.publish(whySubject(key.publicKey), '', `${inboxPrefix(key.publicKey)}.1`);
    await eventually('it is told why it has to wait', () =>
      /without a key/.test(waiting.messages[0]?.data ?? ''),
    );
    const rekeyed = await cluster.command('node', 'rekey', id, '--fingerprint', fingerprint(key.publicKey));
    assert.equal(rekeyed.stdout, 'Ok\n', rekeyed.stderr);
    await waiting.closed;
    // Its silence grows, and becomes a verdict.
    const changed = async () => {
      const row = await cluster.node(id);
      return [
        row?.Info.Hostname,
        row?.Info.Labels,
        row?.Muster.RegisteredAt,
        row?.ConnectionState?.LastHeartbeat,
      ];
    };
    const before = await changed();
    for (const method of ['RegisterNode/v1', 'UpdateNodeInfo/v1', 'UpdateResources/v1'])
      assert.match(
        await hostile.ask(`node.management.${id}.${method}`, infoOf(id, 'an impostor')),
        /has a key/,
      );
    hostile.client.publish(heartbeatSubject(defaultHeartbeatTopic, id), beatOf(id));
    await hostile.client.complaints();
    await honest.ask('UpdateNodeInfo/v1', infoOf(victim));
    assert.deepEqual(await changed(), before);
    assert.equal((await cluster.node(id))?.Muster.Fingerprint, fingerprint(key.publicKey));
    const owner = await RawNode.open(cluster.brokerPort, id, key);
    owner.client.close();
  });

  it('makes the requester send nothing to a subject that it chose', async () => {
    const id = 'bac-1';
    await hostile.ask(`node.management.${id}.RegisterNode/v1`, infoOf(id));
    for (const reply of strangeReplies(victim, keys.get(victim) as KeyPair)) {
      const from = seen.length;
      hostile.client.publish(`node.management.${id}.UpdateNodeInfo/v1`, infoOf(id), reply);
      hostile.client.publish(
        `bacalhau.global.compute.${id}.out.ctrl`,
        newer(newerRequests[2] ?? '', id),
        reply,
      );
      hostile.client.publish(`bacalhau.global.compute.${id}.out.ctrl`, 'x', reply);
      hostile.client.publish(`bacalhau.global.compute.${id}.out.msgs`, 'x', reply);
      // The subject of the answer to a heartbeat comes with it as it is, so a heartbeat never gets one.
      hostile.client.publish(heartbeatSubject(defaultHeartbeatTopic, id), beatOf(id), reply);
      hostile.client.publish(heartbeatSubject(defaultHeartbeatTopic, id), 'x', reply);
      await hostile.client.complaints();
      await honest.ask('UpdateNodeInfo/v1', infoOf(victim));
      const answers = seen.slice(from).filter(({ subject }) => subject === reply);
      assert.deepEqual(answers, [], `an answer went to ${reply}`);
    }
    assert.equal((await cluster.node(victim))?.Membership, 'APPROVED');
  });

  it('guesses no subject of the store, the broker, the events or the other nodes', async () => {
    const from = seen.length;
    const publishes = [
      '$JS.API.INFO',
      '$JS.API.CONSUMER.CREATE.NODE_EVENTS',
      '$JS.ACK.NODE_EVENTS.1.1.1.1.1.1',
      `$KV.node_v1.${victim}`,
      `$KV.muster_v1.pin.${victim}`,
      '$SYS.REQ.USER.AUTH',
      '$SYS.REQ.USER.INFO',
      '$SYS.REQ.SERVER.PING.CONNZ',
      `$SYS.REQ.SERVER.${hostile.client.info.server_id}.KICK`,
      `node.events.${victim}.approved`,
      'requester.events.node-0.banned',
      `node.compute.${victim}.alive`,
      `node.compute.${recorded}.AskForBid/v1`,
      `bacalhau.global.compute.${recorded}.in.msgs`,
      `node.alive.${victim}`,
      `node.management.${victim}.Other/v1`,
      `unverified.node.management.${victim}.RegisterNode/v1`,
      whySubject(keys.get(victim)?.publicKey),
      'muster.anything',
      `${inboxPrefix(keys.get(victim)?.publicKey ?? '')}.1`,
      bacalhau.inbox(),
      '_R_.1',
    ];
    for (const subject of publishes) hostile.client.publish(subject, '{"cid":1}', hostile.inbox());
    assert.deepEqual(await hostile.client.complaints(), publishes.map(mayNotPublish));
    const subscribes = [
      '>',
      '*.>',
      '_INBOX.>',
      '_R_.>',
      'node.>',
      'node.events.>',
      `node.events.${recorded}.*`,
      'requester.>',
      'requester.events.>',
      'node.management.>',
      'bacalhau.global.compute.*.out.*',
      heartbeatSubject(defaultHeartbeatTopic, '*'),
      'heartbeat',
      'unverified.>',
      'muster.>',
      '$SYS.>',
      '$JS.>',
      '$KV.>',
    ];
    for (const subject of subscribes) hostile.client.subscribe(subject);
    assert.deepEqual(await hostile.client.complaints(), subscribes.map(mayNotSubscribe));
    const foreign = seen.slice(from).filter(({ subject }) => publishes.includes(subject));
    assert.deepEqual(foreign, []);
  });

  it('hears the answers to another such node, which say nothing but that it was answered, and sends none', async () => {
    const id = 'n-overheard';
    const spy = await TokenClient.open('c');
    // Every client makes its inbox up by itself, so the broker cannot tell them apart.
    spy.client.subscribe('_INBOX.*.*');
    spy.client.subscribe('node.compute.*.>');
    spy.client.subscribe('bacalhau.global.compute.*.in.msgs');
    assert.deepEqual(await spy.client.complaints(), []);
    const body = JSON.parse(infoOf(id));
    const answers = [
      await bacalhau.ask(`node.management.${id}.RegisterNode/v1`, JSON.stringify(body)),
      await bacalhau.ask(
        `node.management.${id}.UpdateResources/v1`,
        JSON.stringify({ NodeID: id, Muster: body.Muster }),
      ),
    ];
    // Also when it claims to be an agent of muster, no answer says who the cluster and its nodes are.
    assert.deepEqual(answers, ['{"value":{"Accepted":true,"Reason":"node registered"}}', '{"value":{}}']);
    await eventually('the spy has heard both', () => spy.client.messages.length === 2);
    assert.deepEqual(
      spy.client.messages.map(({ data }) => data),
      answers,
    );
    spy.client.publish(spy.client.messages[0]?.subject ?? '', '{"value":{"Accepted":false}}');
    assert.match((await spy.client.complaints()).join(), /Permissions Violation for Publish to "_INBOX\.a/);
    spy.client.close();
  });

  it('keeps no new node with a key out by a flood of invented nodes that are all alive', async () => {
    const ids = Array.from({ length: maxPending * 2 }, (_, n) => `invented-${n}`);
    const flood = ids.map(async id => {
      const answer = await hostile.ask(`node.management.${id}.RegisterNode/v1`, infoOf(id));
      await hostile.ask(`node.management.${id}.UpdateResources/v1`, JSON.stringify({ NodeID: id }));
      return answer;
    });
    const answers = await Promise.all(flood);
    assert.ok(answers.some(answer => /too many nodes are pending approval/.test(answer)));
    const newcomers = await Promise.all(
      ['new-1', 'new-2'].map(async id =>
        RawNode.open(cluster.brokerPort, id, newKey(), { token: await joinToken() }),
      ),
    );
    for (const { id, client } of newcomers) {
      assert.equal((await cluster.node(id))?.Membership, 'PENDING');
      client.close();
    }
    for (const id of ids) await hostile.ask(`node.management.${id}.RegisterNode/v1`, infoOf(id));
    for (const { id } of newcomers) assert.equal((await cluster.node(id))?.Membership, 'PENDING');
  });

  it('sends no larger message and makes no more subscriptions than a Bacalhau node needs', async () => {
    const one = await TokenClient.open('d');
    const others = Array.from({ length: 40 }, (_, n) => `_INBOX.d${n}.*`);
    for (const subject of others) one.client.subscribe(subject);
    const complaints = await one.client.complaints();
    assert.ok(complaints.length > 0 && complaints.every(text => /maximum subscriptions exceeded/.test(text)));
    one.client.publish('node.management.d.RegisterNode/v1', 'x'.repeat(300_000), one.inbox());
    await one.client.closed;
  });
});

const newerRequests = [
  'ncl/transport.HandshakeRequest',
  'ncl/transport.UpdateNodeInfoRequest',
  'ncl/transport.HeartbeatRequest',
  'ncl/transport.ShutdownNoticeRequest',
];

/** Returns a recorded message of the newer protocol as text, without what comes before the text. */
const textOf = (name: string): string => capture(name).bytes.toString('utf8', 5);

/** Returns a recorded message of the newer protocol as the node `id` would send it. */
const newer = (name: string, id: string): Buffer => envelopeOf(textOf(name).replaceAll(recorded, id));

const payloadOf = (answer: Buffer): Record<string, unknown> =>
  (JSON.parse(answer.toString('utf8', 5)) as { payload: Record<string, unknown> }).payload;

const beatOf = (id: string) => encodeHeartbeat({ NodeID: id, Sequence: 1 }, undefined, new Date());

/** A client that shows the token of Bacalhau's nodes, and makes up its inbox as their client does. */
class TokenClient {
  readonly client: RawClient;
  readonly #name: string;
  #asked = 0;

  static async open(name: string): Promise<TokenClient> {
    const client = await RawClient.open(cluster.brokerPort, { token, name: `n-${name}` });
    client.subscribe(`_INBOX.${name}.*`);
    assert.deepEqual(await client.complaints(), []);
    return new TokenClient(client, name);
  }

  constructor(client: RawClient, name: string) {
    this.client = client;
    this.#name = name;
  }

  inbox(): string {
    return `_INBOX.${this.#name}.${++this.#asked}`;
  }

  async askRaw(subject: string, data: string | Uint8Array): Promise<Buffer> {
    const reply = this.inbox();
    this.client.publish(subject, data, reply);
    let answer: Buffer | undefined;
    await eventually(`an answer about ${subject}`, () => {
      answer = this.client.messages.find(({ subject: to }) => to === reply)?.bytes;
      return answer !== undefined;
    });
    return answer ?? Buffer.alloc(0);
  }

  ask = async (subject: string, data: string | Uint8Array): Promise<string> =>
    (await this.askRaw(subject, data)).toString();

  /** Sends a recorded message of the newer protocol as the node `id`, and returns the answer. */
  askNewer(name: string, id: string): Promise<Buffer> {
    return this.askRaw(capture(name).subject.replaceAll(recorded, id), newer(name, id));
  }
}

/** Returns the token of a join code. */
async function joinToken(): Promise<string> {
  const reading = readJoinCode(await cluster.joinCode());
  assert.ok(reading.kind === 'valid');
  return reading.code.token;
}
