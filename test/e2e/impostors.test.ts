// Nodes that attack others: with keys of their own, and with keys that are not theirs. Each tries on a real
// broker to speak, to listen or to be let in as somebody else.
import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fingerprint } from '../../agent/protocol/nkey.ts';
import {
  defaultHeartbeatTopic,
  heartbeatSubject,
  inboxPrefix,
  whySubject,
} from '../../agent/protocol/subjects.ts';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import { type AttackedCluster, startAttackedCluster, strangeReplies } from '../support/attacked-cluster.ts';
import type { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { newKey, RawClient, type RawLogin } from '../support/raw-client.ts';
import { infoOf, mayNotPublish, mayNotSubscribe, messagesOf, RawNode } from '../support/raw-node.ts';

const victim = 'victim';
const attacker = 'attacker';

let cluster: Cluster;
let requester: Program;
let keys: ReadonlyMap<string, KeyPair>;
let honest: RawNode;
let hostile: RawNode;
let seen: AttackedCluster['seen'];
let rowOf: AttackedCluster['rowOf'];
let release: (() => Promise<void>) | undefined;

before(async () => {
  ({ cluster, requester, keys, seen, rowOf, release } = await startAttackedCluster([victim, attacker]));
  honest = await RawNode.open(cluster.brokerPort, victim, keyOf(victim));
  hostile = await RawNode.open(cluster.brokerPort, attacker, keyOf(attacker));
  await cluster.decide(victim, 'approve');
});

after(async () => {
  for (const client of [honest?.client, hostile?.client]) client?.close();
  await release?.();
});

describe('a node with a key of its own', () => {
  it('speaks for no other node, in no kind of message', async () => {
    const before = await rowOf(victim);
    for (const [subject, data] of messagesOf(victim)) hostile.client.publish(subject, data, hostile.inbox());
    assert.deepEqual(
      await hostile.client.complaints(),
      messagesOf(victim).map(([subject]) => mayNotPublish(subject)),
    );
    await honest.ask('UpdateNodeInfo/v1', infoOf(victim));
    assert.deepEqual(await rowOf(victim), before);
  });

  it('does not speak as the requester, and publishes no event', async () => {
    const inbox = requesterInbox();
    const { clusterId = '' } = await cluster.status();
    const subjects = [
      `${inboxPrefix(keys.get(victim)?.publicKey ?? '')}.1`,
      `node.events.${victim}.deleted`,
      `node.events.${attacker}.approved`,
      `requester.events.node-0.banned`,
      `requester.lease.${clusterId}`,
      'requester.echo.1',
      `node.compute.${victim}.alive`,
      `node.compute.${attacker}.alive`,
      'unverified.node.management.bac-1.Leave/v1',
      '$SYS._INBOX.1',
      '_R_.1',
      inbox,
    ];
    for (const subject of subjects) hostile.client.publish(subject, '{}');
    assert.deepEqual(await hostile.client.complaints(), subjects.map(mayNotPublish));
  });

  it('reaches neither the store nor the broker itself', async () => {
    const subjects = [
      '$JS.API.INFO',
      '$JS.API.STREAM.DELETE.NODE_EVENTS',
      '$JS.API.STREAM.PURGE.KV_node_v1',
      '$JS.API.STREAM.MSG.GET.KV_node_v1',
      '$JS.API.DIRECT.GET.KV_muster_v1',
      '$JS.API.CONSUMER.CREATE.NODE_EVENTS',
      '$JS.ACK.NODE_EVENTS.1.1.1.1.1.1',
      `$KV.node_v1.${attacker}`,
      `$KV.muster_v1.pin.${victim}`,
      `$SYS.REQ.SERVER.${hostile.client.info.server_id}.KICK`,
      '$SYS.REQ.SERVER.PING.CONNZ',
      '$SYS.REQ.SERVER.PING',
      '$SYS.REQ.USER.INFO',
      '$SYS.REQ.ACCOUNT.PING.CONNZ',
      '$SYS.ACCOUNT.MUSTER.CONNECT',
      // A question whether to let somebody in, as the broker would ask it.
      '$SYS.REQ.USER.AUTH',
    ];
    for (const subject of subjects) hostile.client.publish(subject, '{"cid":1}', hostile.inbox());
    assert.deepEqual(await hostile.client.complaints(), subjects.map(mayNotPublish));
  });

  it('hears nothing that is not for it, also by wildcards and in queues', async () => {
    const other = inboxPrefix(keys.get(victim)?.publicKey ?? '');
    const subjects = [
      '>',
      '*.>',
      '_INBOX.>',
      '_INBOX.*.*',
      `${other}.>`,
      `node.events.${victim}.*`,
      'node.events.*.*',
      'node.events.>',
      'node.>',
      `node.management.${attacker}.>`,
      'node.management.>',
      `node.compute.${victim}.alive`,
      'node.compute.*.alive',
      `node.alive.${victim}`,
      heartbeatSubject(defaultHeartbeatTopic, '*'),
      'requester.>',
      'muster.why.*',
      '$SYS.>',
      '$SYS.REQ.USER.AUTH',
      '$SYS.ACCOUNT.MUSTER.>',
      '$JS.>',
      '$KV.>',
      '_R_.>',
    ];
    for (const subject of subjects) hostile.client.subscribe(subject);
    assert.deepEqual(await hostile.client.complaints(), subjects.map(mayNotSubscribe));
    for (const subject of subjects) hostile.client.subscribe(subject, 'q');
    const inQueues = await hostile.client.complaints();
    assert.deepEqual(
      inQueues,
      subjects.map(subject => `${mayNotSubscribe(subject).slice(0, -1)} using queue "q"'`),
    );
  });

  it('answers no event of its own in place of the store, so it neither repeats nor suppresses one', async () => {
    const published = seen.filter(({ subject }) => subject === `node.events.${attacker}.registered`);
    assert.ok(published.length === 1 && published[0]?.reply);
    hostile.answersEvents = true;
    await cluster.decide(attacker, 'approve');
    const isApproval = ({ subject }: { subject: string }) => subject === `node.events.${attacker}.approved`;
    await eventually('it hears its event', () => hostile.client.messages.some(isApproval));
    hostile.client.publish(published[0].reply, '{"error":{"code":503}}');
    const answers = await hostile.client.complaints();
    assert.ok(
      answers.length >= 2 && answers.every(text => text.includes('Publish to "_INBOX.')),
      answers.join(),
    );
    await eventually('the store has it', async () => (await cluster.kindsOf(attacker)).includes('approved'));
    // A node counts as heard when it reports, which is told of after a minute.
    const told = (await cluster.kindsOf(attacker)).filter(kind => !/healthy|unknown/.test(kind));
    assert.deepEqual(told, ['registered', 'approved']);
    assert.deepEqual(requester.logged('an event was not acknowledged; it is sent again'), []);
  });

  it('gets its answers in its own inbox and nowhere else', async () => {
    const own = inboxPrefix(hostile.key.publicKey);
    const replies = [...strangeReplies(victim, keyOf(victim)), own, `${own}x.1`, requesterInbox()];
    for (const reply of replies) {
      const from = seen.length;
      hostile.client.publish(`node.management.${attacker}.UpdateNodeInfo/v1`, infoOf(attacker), reply);
      await hostile.client.complaints();
      await hostile.ask('UpdateNodeInfo/v1', infoOf(attacker));
      const answers = seen.slice(from).filter(({ subject }) => subject === reply);
      assert.deepEqual(answers, [], `an answer went to ${reply}`);
    }
    assert.equal((await cluster.node(victim))?.Membership, 'APPROVED');
  });

  it('does not learn why another key was refused', async () => {
    hostile.client.publish(whySubject(keys.get(victim)?.publicKey), '', hostile.inbox());
    assert.match(
      (await hostile.client.complaints()).join(),
      /Permissions Violation for Publish to "muster\.why/,
    );
  });
});

describe('a client that shows what is not its own', () => {
  it('is not let in with another signature, name or way of connecting', async () => {
    const key = keyOf(victim);
    const login = (more: RawLogin): RawLogin => ({ key, name: `${victim} instance=x`, ...more });
    const replayed = honest.client.connectLine;
    const requesterKey = /nkey: (U\w+)/.exec(
      await readFile(join(cluster.folderOf('node-0'), 'broker/nats.conf'), 'utf8'),
    );
    const other = newKey();
    const attempts: Record<string, RawLogin | string> = {
      'a CONNECT of the victim, sent again': replayed,
      'a websocket': 'GET / HTTP/1.1\r\nUpgrade: websocket\r\n',
      MQTT: '\u0010\u000c\u0000\u0004MQTT\u0004\u0002\u0000\u003c\u0000\u0000',
      'a leaf node': 'CONNECT {"remote_account":"MUSTER","headers":true}\r\nLS+ >',
      'a route': 'CONNECT {"name":"r","cluster":"c"}\r\nRS+ MUSTER >',
      'a signature over nothing': login({ signed: '' }),
      'a signature over the nonce of another connection': login({ signed: honest.client.info.nonce ?? '' }),
      'a signature over a part of the nonce': login({ signed: 'a' }),
      'no signature': login({ members: { sig: undefined } }),
      'an empty signature': login({ members: { sig: '' } }),
      'a signature that is no base64': login({ members: { sig: '****' } }),
      'a signature of another length': login({ members: { sig: 'AAAA' } }),
      'the signature of another key': {
        key: other,
        name: `${victim} instance=x`,
        members: { nkey: key.userKey },
      },
      "the requester's key": { key: other, name: 'node-0', members: { nkey: requesterKey?.[1] } },
      'the key as that of a node': login({ members: { nkey: key.publicKey } }),
      'a key that is none': login({ members: { nkey: `U${'A'.repeat(55)}` } }),
      'no key': { name: `${victim} instance=x` },
      'a user and a password': { name: `${victim} instance=x`, members: { user: victim, pass: 'x' } },
      'no name': login({ name: '' }),
      'a name without an instance': login({ name: victim }),
      'a name with a wildcard': login({ name: '* instance=x' }),
      'a name with a dot': login({ name: `${victim}.x instance=x` }),
      'a name with blanks before it': login({ name: ` ${victim} instance=x` }),
      'a name with a line break': login({ name: `${victim}\r\n instance=x` }),
      'a name that is too long': login({ name: `${victim} instance=x ${'y'.repeat(600)}` }),
      'a name of another key': { key: other, name: 'new-node instance=x' },
      'a code that nobody made': {
        key: other,
        name: 'new-node instance=x',
        token: 'join-aaaaaaaaaa-AAAAAAAAAAAAAAAAAAAAAA',
      },
      'a token that is too long': login({ members: { sig: '' }, token: 'x'.repeat(3_000) }),
    };
    const before = (await cluster.status()).counters.strangers;
    const clients = await Promise.all(
      Object.entries(attempts).map(async ([what, attempt]) => {
        const client = await RawClient.dial(cluster.brokerPort);
        if (typeof attempt === 'string') client.send(`${attempt}\r\nPING\r\n`);
        else client.connect(attempt);
        return { what, client, letIn: client.isLetIn() };
      }),
    );
    for (const { what, client, letIn } of clients)
      assert.equal(await letIn, false, `let in: ${what}: ${client.errors}`);
    const { counters } = await cluster.status();
    assert.ok(counters.strangers > before);
    assert.ok(honest.client.isOpen && hostile.client.isOpen, 'those who were let in stay');
  });

  it('inherits nothing of a node by another key: it is told which record it is, and sent away', async () => {
    const before = await rowOf(victim);
    const key = newKey();
    const client = await RawClient.open(cluster.brokerPort, { key, name: `${victim} instance=x` });
    const inbox = `${inboxPrefix(key.publicKey)}.1`;
    client.subscribe(`${inboxPrefix(key.publicKey)}.>`);
    client.publish(whySubject(key.publicKey), '', inbox);
    await eventually('it is answered', () => client.messages.length === 1);
    const why = JSON.parse(client.messages[0]?.data ?? '') as Record<string, unknown>;
    const pinned = keys.get(victim)?.publicKey ?? '';
    assert.deepEqual(
      { code: why.code, fingerprint: why.fingerprint, record: why.record },
      {
        code: 'conflict',
        fingerprint: fingerprint(key.publicKey),
        record: { id: victim, fingerprint: fingerprint(pinned) },
      },
    );
    for (const [subject, data] of messagesOf(victim)) client.publish(subject, data, inbox);
    client.subscribe(`node.events.${victim}.*`);
    assert.deepEqual(await client.complaints(), [
      ...messagesOf(victim).map(([subject]) => mayNotPublish(subject)),
      mayNotSubscribe(`node.events.${victim}.*`),
    ]);
    assert.deepEqual(await rowOf(victim), before);
    client.close();
  });

  it('keeps its own id with its own key: it takes no second one', async () => {
    const { key } = hostile;
    const client = await RawClient.open(cluster.brokerPort, { key, name: 'second-id instance=x' });
    client.publish('node.management.second-id.RegisterNode/v1', infoOf('second-id'));
    assert.deepEqual(await client.complaints(), [mayNotPublish('node.management.second-id.RegisterNode/v1')]);
    client.close();
  });

  it('does not speak beside a living process with the same key: it is told that it is a clone', async () => {
    const { key } = honest;
    const clone = await RawClient.open(cluster.brokerPort, { key, name: `${victim} instance=copy` });
    clone.subscribe(`${inboxPrefix(key.publicKey)}.>`);
    clone.publish(whySubject(key.publicKey), '', honest.inbox());
    await eventually('it is answered', () => clone.messages.length > 0);
    assert.equal((JSON.parse(clone.messages[0]?.data ?? '') as { code: string }).code, 'clone');
    clone.publish(`node.management.${victim}.Leave/v1`, JSON.stringify({ NodeID: victim }));
    assert.deepEqual(await clone.complaints(), [mayNotPublish(`node.management.${victim}.Leave/v1`)]);
    clone.close();
    assert.ok(honest.client.isOpen);
  });

  it('finds no second door: the broker listens on one port', async () => {
    assert.equal((await listeningPorts(await brokerPid())).length, 1);
  });
});

const keyOf = (id: string): KeyPair => keys.get(id) as KeyPair;

/** The inbox of the requester, which an event shows to its node. */
const requesterInbox = (): string =>
  seen.find(({ subject, reply }) => subject.startsWith('node.events.') && reply !== '')?.reply ??
  '_INBOX.none';

async function brokerPid(): Promise<number> {
  return Number(await readFile(join(cluster.folderOf('node-0'), 'broker/nats-server.pid'), 'utf8'));
}

/** Returns the local addresses on which a process listens. */
async function listeningPorts(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map(name => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  const tables = await Promise.all(['tcp', 'tcp6'].map(name => readFile(`/proc/${pid}/net/${name}`, 'utf8')));
  return tables
    .flatMap(table => table.split('\n').slice(1))
    .map(line => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && links.includes(`socket:[${inode}]`))
    .map(([, address = '']) => address);
}
