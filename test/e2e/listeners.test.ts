// Listeners against a real requester with its own broker: the programs in README.md and docs/messages.md read each event, also
// when they are killed; and what a listener may not do is tried.
import assert from 'node:assert/strict';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { CreatedListener, ListenerView } from '../../agent/protocol/http-listeners.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { makeListener } from '../support/make-listener.ts';
import { readPage } from '../support/pages.ts';
import { connectAsRequester } from '../support/pinned-keys.ts';
import { Program } from '../support/program.ts';
import { RawClient } from '../support/raw-client.ts';
import { newFolder } from '../support/temporary.ts';

let cluster: Cluster;

before(async () => {
  cluster = await Cluster.create();
  await cluster.requester();
  await cluster.agent('node-1');
});
after(() => cluster?.release());

/** Makes a listener, and returns what its program needs. */
const create = (name: string, ...flags: string[]) => makeListener(cluster, name, ...flags);

/** Returns the ids of all stored events, the oldest first. */
const storedIds = async () => (await cluster.events()).map(({ id }) => id);

/** Writes the program on a page, and `file` with what it needs, into a folder of its own. Returns how it is started. */
async function programOn(page: string, name: string): Promise<{ folder: string; start: () => Program }> {
  const [, text = ''] = /```js\n([\s\S]*?)```/.exec(await readPage(page)) ?? [];
  const folder = await newFolder();
  await writeFile(join(folder, 'program.mjs'), text);
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder, 'node_modules'));
  await writeFile(join(folder, `${name}.json`), JSON.stringify(await create(name, '--from-oldest')));
  return {
    folder,
    start: () => new Program(['program.mjs'], { cwd: folder, program: [process.execPath] }),
  };
}

it('of twenty lines in README.md reads each event, and goes on where it stopped when it is killed', async () => {
  const [, text = ''] = /```js\n([\s\S]*?)```/.exec(await readPage('README.md')) ?? [];
  assert.ok(text.trimEnd().split('\n').length <= 20);
  const { start } = await programOn('README.md', 'desk');
  const idsOf = (program: Program) => program.stdout.split('\n').map(line => line.split(' ')[0] ?? '');
  await cluster.decide('node-1', 'approve', { message: 'a quiet fan' });
  const first = start();
  await first.untilPrinted(/org\.muster\.node\.approved node-1 a quiet fan/);
  await first.kill();
  const before = new Set(idsOf(first));
  await cluster.decide('node-1', 'reject');
  // The first program may have read all events that were told before.
  await eventually('the rejection is told', async () =>
    (await cluster.kindsOf('node-1')).includes('rejected'),
  );
  const newest = (await storedIds()).at(-1) ?? '';
  const second = start();
  await eventually('it reads on', async () => idsOf(second).includes(newest));
  await second.kill();
  const again = idsOf(second).filter(id => id !== '' && before.has(id));
  assert.ok(again.length <= 1, `only one that was not acknowledged may come again: ${again}`);
  const read = new Set([...before, ...idsOf(second)]);
  const missed = (await storedIds())
    .slice(0, (await storedIds()).indexOf(newest))
    .filter(id => !read.has(id));
  assert.deepEqual(missed, []);
});

describe('the program in docs/messages.md', () => {
  let program: Program;
  let folder: string;
  let start: () => Program;

  before(async () => {
    ({ folder, start } = await programOn('docs/messages.md', 'billing'));
  });
  after(() => program?.kill());

  /** Returns the ids of the events that the program has worked on. */
  const doneIds = async () =>
    (await readFile(join(folder, 'done.txt'), 'utf8').catch(() => '')).split('\n').filter(id => id !== '');
  const unread = async () => {
    const { stdout } = await cluster.command('listener', 'list', '-o', 'json');
    return (JSON.parse(stdout) as ListenerView[]).find(({ Name }) => Name === 'billing')?.Unread;
  };
  const decide = async (times: number) => {
    for (let i = 0; i < times; i++) await cluster.decide('node-1', i % 2 === 0 ? 'approve' : 'reject');
  };

  it('reads each event, and goes on where it stopped when it is killed in the middle', async () => {
    await decide(10);
    program = start();
    await eventually('it works', async () => (await doneIds()).length > 0);
    const deciding = decide(20);
    await eventually('it has read more', async () => (await doneIds()).length > 12);
    await program.kill();
    await deciding;
    await decide(2);
    await eventually('the broker keeps what it has not read', async () => ((await unread()) ?? 0) > 0);
    program = start();
    await eventually('it has read everything', async () => {
      const [done, stored] = [new Set(await doneIds()), await storedIds()];
      return stored.every(id => done.has(id));
    });
    const done = await doneIds();
    const different = [...new Set(done)];
    // The health of a node may have changed since.
    assert.deepEqual(different, (await storedIds()).slice(0, different.length), 'they came in order');
    assert.ok(done.length <= different.length + 1, 'one at most came twice');
    await program.untilPrinted(/^org\.muster\.node\.\w+ node-1$/m);
    await eventually('nothing is left', async () => (await unread()) === 0);
  });

  it('reads on when its durable was removed, and works on nothing twice', async () => {
    await program.kill();
    const { Durable } = JSON.parse(await readFile(join(folder, 'billing.json'), 'utf8'));
    const requester = await connectAsRequester(cluster);
    await requester.request(`$JS.API.CONSUMER.DELETE.NODE_EVENTS.${Durable}`, '', 30_000);
    await requester.close(0);
    const before = new Set(await doneIds());
    const decisions = async () =>
      (await cluster.kindsOf('node-1')).filter(kind => /^(approved|rejected)$/.test(kind)).length;
    const earlier = await decisions();
    await decide(2);
    await eventually('both decisions are told', async () => (await decisions()) === earlier + 2);
    program = start();
    const newest = (await storedIds()).at(-1) ?? '';
    await eventually('it reads on', async () => (await doneIds()).includes(newest));
    await eventually('nothing is left', async () => (await unread()) === 0);
    const { stdout } = await program.kill();
    const added = new Set(await doneIds()).size - before.size;
    assert.equal(stdout.trimEnd().split('\n').length, added, stdout);
  });
});

describe('a listener that attacks', () => {
  const pull = (durable: string) => `$JS.API.CONSUMER.MSG.NEXT.NODE_EVENTS.${durable}`;
  const mayNotPublish = (subject: string) => `'Permissions Violation for Publish to "${subject}"'`;
  const mayNotSubscribe = (subject: string) => `'Permissions Violation for Subscription to "${subject}"'`;

  /** The attempts that are refused: the broker takes ten seconds for each. */
  const refused: Promise<void>[] = [];
  let flooding: Promise<CreatedListener>;
  let own: CreatedListener;
  let other: CreatedListener;
  let hostile: RawClient;
  let victim: RawClient;
  /** Hears events as they are sent, by the token of the victim. */
  let live: RawClient;
  /** Sees everything that is sent in the account of the nodes, and asks the broker about its consumers. */
  let witness: Connection;
  const seen: { subject: string; text: string }[] = [];

  before(async () => {
    own = await create('hostile', '--from-oldest');
    other = await create('victim', '--from-oldest');
    hostile = await RawClient.open(cluster.brokerPort, { token: own.Token });
    victim = await RawClient.open(cluster.brokerPort, { token: other.Token });
    live = await RawClient.open(cluster.brokerPort, liveLogin(other));
    victim.subscribe(`${other.InboxPrefix}.>`);
    for (const subject of ['node.events.>', 'requester.events.>']) live.subscribe(subject);
    assert.deepEqual([...(await victim.complaints()), ...(await live.complaints())], []);
    witness = await connectAsRequester(cluster);
    witness.subscribe('>', ({ subject, data }) => {
      seen.push({ subject, text: Buffer.from(data).toString() });
    });
    await witness.flush(30_000);
  });
  after(async () => {
    for (const client of [hostile, victim, live]) client?.close();
    await witness?.close(0);
  });

  const consumer = async (durable: string) => {
    const answer = await witness.request(`$JS.API.CONSUMER.INFO.NODE_EVENTS.${durable}`, '', 30_000);
    return JSON.parse(Buffer.from(answer.data).toString());
  };
  /** Returns what the hostile listener gets for a request for one event, with this subject for the answer. */
  const pullTo = async (reply: string, request: object = { batch: 1, no_wait: true }) => {
    hostile.publish(pull(own.Durable), JSON.stringify(request), reply);
    const complaints = await hostile.complaints();
    // Whatever the broker made of it, it has sent before it answers this.
    await witness.flush(30_000);
    await victim.complaints();
    await live.complaints();
    return complaints;
  };

  /** Sends nothing but requests. Resolves with the listener when it was cut off. */
  const flood = async (listener: CreatedListener) => {
    const { Token, Durable, InboxPrefix } = listener;
    const client = await RawClient.open(cluster.brokerPort, { token: Token });
    await eventually('the requester cuts it off', async () => {
      for (let i = 0; i < 1_000 && client.isOpen; i++)
        client.publish(pull(Durable), '{"batch":1,"expires":30000000000}', `${InboxPrefix}.${i}`);
      await client.complaints();
      return !client.isOpen;
    });
    return listener;
  };

  it('reads, deletes, pauses and changes no consumer, creates none, and reads no stream', async () => {
    const before = await consumer(other.Durable);
    const { config } = before;
    const bodies: [subject: string, body: object][] = [
      [pull(other.Durable), { batch: 1 }],
      [`$JS.API.CONSUMER.INFO.NODE_EVENTS.${other.Durable}`, {}],
      [`$JS.API.CONSUMER.DELETE.NODE_EVENTS.${other.Durable}`, {}],
      [`$JS.API.CONSUMER.PAUSE.NODE_EVENTS.${other.Durable}`, { pause_until: '2100-01-01T00:00:00Z' }],
      [
        `$JS.API.CONSUMER.DURABLE.CREATE.NODE_EVENTS.${other.Durable}`,
        { stream_name: 'NODE_EVENTS', config },
      ],
      [`$JS.API.CONSUMER.CREATE.NODE_EVENTS.${other.Durable}`, { stream_name: 'NODE_EVENTS', config }],
      [`$JS.API.CONSUMER.DURABLE.CREATE.NODE_EVENTS.${own.Durable}`, { stream_name: 'NODE_EVENTS', config }],
      [`$JS.API.CONSUMER.DELETE.NODE_EVENTS.${own.Durable}`, {}],
      ['$JS.API.CONSUMER.CREATE.KV_muster_v1', { stream_name: 'KV_muster_v1', config: {} }],
      ['$JS.API.CONSUMER.LIST.NODE_EVENTS', {}],
      ['$JS.API.CONSUMER.NAMES.NODE_EVENTS', {}],
      ['$JS.API.CONSUMER.MSG.NEXT.KV_muster_v1.x', {}],
      ['$JS.API.STREAM.INFO.NODE_EVENTS', {}],
      ['$JS.API.STREAM.CREATE.EVIL', { name: 'EVIL', subjects: ['evil'] }],
      ['$JS.API.STREAM.DELETE.NODE_EVENTS', {}],
      ['$JS.API.STREAM.PURGE.NODE_EVENTS', {}],
      ['$JS.API.STREAM.MSG.GET.KV_muster_v1', { seq: 1 }],
      ['$JS.API.DIRECT.GET.KV_muster_v1', { seq: 1 }],
      ['$JS.API.DIRECT.GET.NODE_EVENTS', { seq: 1 }],
      ['$JS.API.INFO', {}],
    ];
    for (const [subject, body] of bodies)
      hostile.publish(subject, JSON.stringify(body), `${own.InboxPrefix}.1`);
    assert.deepEqual(
      await hostile.complaints(),
      bodies.map(([subject]) => mayNotPublish(subject)),
    );
    const after = await consumer(other.Durable);
    assert.deepEqual([after.config, after.delivered], [config, before.delivered]);
  });

  it('publishes no event, and nothing else, and hears nothing of others', async () => {
    const subjects = [
      'node.events.node-1.approved',
      'requester.events.node-0.banned',
      'node.management.node-1.Leave/v1',
      '$KV.muster_v1.listener.hostile',
      `${other.InboxPrefix}.1`,
      `$SYS.REQ.SERVER.${hostile.info.server_id}.KICK`,
      '$SYS.REQ.USER.AUTH',
      'evil',
    ];
    for (const subject of subjects) hostile.publish(subject, '{}');
    assert.deepEqual(await hostile.complaints(), subjects.map(mayNotPublish));
    for (const subject of subjects) live.publish(subject, '{}');
    assert.deepEqual(await live.complaints(), subjects.map(mayNotPublish));
    const heard = [
      '>',
      '_INBOX.>',
      `${other.InboxPrefix}.>`,
      '$KV.>',
      '$SYS.>',
      'node.management.>',
      'node.events.>',
    ];
    for (const subject of heard) hostile.subscribe(subject);
    assert.deepEqual(await hostile.complaints(), heard.map(mayNotSubscribe));
  });

  it('acknowledges no event of another, neither itself nor by an answer of the broker', async () => {
    victim.publish(pull(other.Durable), '{"batch":1}', `${other.InboxPrefix}.1`);
    await eventually('the victim has an event', () => victim.messages.length > 0);
    const reply = victim.messages[0]?.reply ?? '';
    assert.match(reply, new RegExp(`^\\$JS\\.ACK\\.NODE_EVENTS\\.${other.Durable}\\.`));
    hostile.publish(reply, '+TERM');
    assert.deepEqual(await hostile.complaints(), [mayNotPublish(reply)]);
    // The broker says "no messages" by an empty message, which would be an acknowledgement.
    assert.deepEqual(await pullTo(reply), [`'Permissions Violation for Publish with Reply of "${reply}"'`]);
    const { num_ack_pending, ack_floor } = await consumer(other.Durable);
    assert.deepEqual([num_ack_pending, ack_floor.consumer_seq], [1, 0]);
    victim.publish(reply, '+ACK');
    await victim.complaints();
    await eventually(
      'it was acknowledged',
      async () => (await consumer(other.Durable)).num_ack_pending === 0,
    );
  });

  it('sends no answer of the broker into the store, to a node, to another listener, or to who hears live events', async () => {
    seen.length = 0;
    victim.messages.length = 0;
    live.messages.length = 0;
    hostile.subscribe(`${own.InboxPrefix}.>`);
    const targets = [
      '$KV.muster_v1.pin.node-9',
      '$KV.node_v1.node-9',
      'node.management.node-9.Leave/v1',
      'node.events.node-9.rejected',
      'requester.events.node-0.banned',
      '$JS.API.CONSUMER.DELETE.NODE_EVENTS.x',
      '$JS.API.STREAM.PURGE.NODE_EVENTS',
      // Nobody can guess the whole name of another's durable.
      `_INBOX.listener-victim-${'0'.repeat(24)}.1`,
    ];
    // Once the broker answers by an event, and otherwise by a message of its own: that there is none, or that the request is bad.
    const requests = [
      { batch: 1, no_wait: true },
      { batch: 10_000, no_wait: true },
      { batch: 1, expires: 3_600e9 },
      { batch: 1, expires: 20e6 },
    ];
    for (const target of targets)
      for (const request of requests) assert.deepEqual(await pullTo(target, request), [], target);
    await cluster.decide('node-1', 'approve');
    await eventually('a true event comes', () =>
      live.messages.some(({ data }) => data.includes('.approved')),
    );
    assert.ok(
      live.messages.every(({ data }) => data.includes('"specversion"')),
      'only true events were heard',
    );
    assert.equal(new Set(live.messages.map(({ data }) => JSON.parse(data).id)).size, live.messages.length);
    assert.deepEqual(victim.messages, []);
    assert.deepEqual(
      seen.filter(({ subject }) => targets.includes(subject)),
      [],
    );
  });

  it('holds few requests at a time, and none for long, whatever it asks', async () => {
    flooding = flood(await create('flood'));
    const { config } = await consumer(own.Durable);
    assert.deepEqual(
      [config.max_waiting, config.max_batch, config.max_expires, config.max_ack_pending],
      [32, 500, 30e9, 1],
    );
    hostile.messages.length = 0;
    for (let i = 0; i < 2_000; i++)
      hostile.publish(pull(own.Durable), '{"batch":1,"expires":30000000000}', `${own.InboxPrefix}.${i}`);
    await hostile.complaints();
    const { num_waiting } = await consumer(own.Durable);
    assert.ok(num_waiting <= 32, `${num_waiting} requests wait`);
    // Others are served meanwhile.
    victim.messages.length = 0;
    victim.publish(pull(other.Durable), '{"batch":1,"expires":30000000000}', `${other.InboxPrefix}.2`);
    await eventually('the victim gets its next event', () => victim.messages.some(({ data }) => data !== ''));
    await cluster.decide('node-1', 'reject');
  });

  it('has a few connections, and its newest one stays', async () => {
    const clients: RawClient[] = [];
    for (let i = 0; i < 17; i++) clients.push(await RawClient.open(cluster.brokerPort, { token: own.Token }));
    await eventually('the oldest ones are ended', () => clients.filter(({ isOpen }) => isOpen).length <= 16);
    assert.ok(clients.at(-1)?.isOpen);
    for (const client of clients) client.close();
    const often = Array.from({ length: 20 }, () => RawClient.open(cluster.brokerPort, { token: own.Token }));
    for (const client of often)
      void client.then(
        opened => opened.close(),
        () => undefined,
      );
    refused.push(assert.rejects(Promise.all(often), /not let in/));
  });

  it('is cut off when it sends nothing but requests, and is kept out for a while', async () => {
    const { Token } = await flooding;
    refused.push(assert.rejects(RawClient.open(cluster.brokerPort, { token: Token }), /not let in/));
    assert.ok(victim.isOpen);
  });

  it('is cut off when it is revoked, its durable is gone, and its token lets nobody in', async () => {
    const short = await create('short');
    const clients = [
      await RawClient.open(cluster.brokerPort, { token: short.Token }),
      await RawClient.open(cluster.brokerPort, liveLogin(short)),
    ];
    const { stdout, stderr } = await cluster.command('listener', 'revoke', 'short');
    assert.equal(stdout, 'Ok\n', stderr);
    await Promise.all(clients.map(({ closed }) => closed));
    assert.equal((await consumer(short.Durable)).error.err_code, 10_014);
    const { stdout: list } = await cluster.command('listener', 'list');
    assert.ok(!list.includes('short'), list);
    for (const login of [{ token: short.Token }, liveLogin(short), { token: `${other.Token.slice(0, -1)}_` }])
      refused.push(assert.rejects(RawClient.open(cluster.brokerPort, login), /not let in/));
    await Promise.all(refused);
    const heard = live.messages.filter(({ data }) => data.includes('org.muster.requester.listener_'));
    const [made, revoked] = heard.slice(-2).map(({ subject, data }) => ({ ...JSON.parse(data), subject }));
    assert.deepEqual(
      [made?.subject, made?.data.listener],
      ['requester.events.node-0.listener_created', 'short'],
    );
    assert.deepEqual(
      [revoked?.type, revoked?.data.actor],
      ['org.muster.requester.listener_revoked', 'local'],
    );
  });
});

const liveLogin = ({ Token }: CreatedListener) => ({ members: { user: 'live', pass: Token } });
