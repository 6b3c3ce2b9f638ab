// Tests listeners over a store in memory: their tokens and durables, who is let in, and a store that fails or was lost.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type CalloutQuestion,
  listenersAccount,
  liveAccount,
  nodesAccount,
} from '../../../agent/protocol/callout.ts';
import { listenerToken } from '../../../agent/protocol/listener.ts';
import type { SubjectTemplates } from '../../../agent/protocol/subject-template.ts';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { Listeners } from '../../../agent/requester/listeners/listeners.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { followSets } from '../follow-sets.ts';

const act = { actor: 'local', claimedActor: 'ada@desk' };

async function begin(t: TestContext) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  const storage = await connection.storage();
  const bucket = await storage.bucket({ name: 'muster_v1', history: 1 });
  const stream = await storage.stream(eventStreamConfig);
  const { log, lines } = recordLog();
  const events: object[] = [];
  const voidTokens = new Map<string, { holder: string; at: string }>();
  const ledger = {
    get: (_: string, name: string) => voidTokens.get(name),
    put: async (_: string, name: string, value: { holder: string; at: string }) => {
      voidTokens.set(name, value);
    },
  } as NonNullable<ConstructorParameters<typeof Listeners>[0]['ledger']>;
  const clients = new BrokerClients(connection);
  const open = async (approved?: SubjectTemplates) => {
    const listeners = new Listeners({
      approved,
      connection,
      bucket,
      stream,
      clock,
      log,
      ledger,
      events: { announce: (kind, data) => void events.push({ kind, ...data }) },
    });
    const following = await followSets(broker, bucket, listeners.sets);
    await listeners.open();
    const stopListeners = listeners.start();
    const stop = () => {
      following.stop();
      stopListeners();
    };
    t.after(stop);
    await clock.advance(0);
    return { listeners, stop };
  };
  const durables = () => [...(broker.streams.get('NODE_EVENTS')?.durables.values() ?? [])];
  return { clock, broker, bucket, stream, lines, events, open, durables, clients };
}

/** The id of the broker's server. */
const serverId = `N${'A'.repeat(55)}`;

/** Answers as the broker does when it is asked for its clients, or to end one. */
class BrokerClients {
  readonly list: {
    cid: number;
    ip: string;
    name: string;
    account: string;
    authorized_user: string;
    in_msgs: number;
  }[] = [];
  readonly ended: number[] = [];

  constructor(connection: ReturnType<FakeBroker['connect']>) {
    connection.subscribe('$SYS.REQ.SERVER.PING.STATSZ', message => {
      const answer = { server: { id: serverId }, statsz: { active_servers: 1 } };
      connection.publish(message.reply, JSON.stringify(answer));
    });
    connection.subscribe(`$SYS.REQ.SERVER.${serverId}.CONNZ`, message => {
      const { acc } = JSON.parse(Buffer.from(message.data).toString());
      const connections = this.list.filter(({ account }) => account === acc);
      const data = { server_id: serverId, total: connections.length, connections };
      connection.publish(message.reply, JSON.stringify({ data }));
    });
    connection.subscribe(`$SYS.REQ.SERVER.${serverId}.KICK`, message => {
      const { cid } = JSON.parse(Buffer.from(message.data).toString());
      this.ended.push(cid);
      const at = this.list.findIndex(client => client.cid === cid);
      if (at >= 0) this.list.splice(at, 1);
      connection.publish(message.reply, '{}');
    });
  }

  add(cid: number, listener: string, account: string, in_msgs = 0): void {
    const authorized_user = `listener ${listener}`;
    this.list.push({ cid, ip: '10.0.0.9', name: '', account, authorized_user, in_msgs });
  }
}

let lastConnection = 100;
const question = (offers: Partial<CalloutQuestion['offers']>): CalloutQuestion => ({
  server: serverId,
  connection: ++lastConnection,
  user: 'U',
  serverKey: '',
  askedAt: 0,
  host: '10.0.0.9',
  isPlain: true,
  nonce: '',
  offers: { key: '', signature: '', token: '', name: '', user: '', password: '', ...offers },
});

test('a listener may ask for the events of its durable, acknowledge them, and hear its own inbox, and nothing else', async t => {
  const { open, durables, bucket, clock, lines } = await begin(t);
  const { listeners } = await open();
  const { token, record } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  assert.match(record.durable, /^listener-billing-[a-f0-9]{24}$/);
  assert.deepEqual(
    durables().map(({ name, since }) => [name, since?.toISOString()]),
    [[record.durable, clock.now().toISOString()]],
  );
  assert.deepEqual(await listeners.admit(question({ token })), {
    name: 'listener billing',
    lastsSeconds: undefined,
    account: listenersAccount,
    permissions: {
      publish: [
        `$JS.API.CONSUMER.MSG.NEXT.NODE_EVENTS.${record.durable}`,
        `$JS.ACK.NODE_EVENTS.${record.durable}.>`,
      ],
      subscribe: [`_INBOX.${record.durable}.>`],
      mayAnswer: false,
    },
  });
  const live = await listeners.admit(question({ user: 'live', password: token }));
  assert.equal(live?.account, liveAccount);
  assert.deepEqual(live?.permissions, {
    publish: [],
    subscribe: ['node.events.>', 'requester.events.>'],
    mayAnswer: false,
  });
  const stored = Buffer.from((await bucket.get('listener.billing'))?.value ?? []).toString();
  assert.ok(stored.includes('"hash":"') && !stored.includes(token), 'only the hash is stored');
  assert.ok(!JSON.stringify(lines).includes(token), 'the log does not have it');
});

test('a listener may speak with approved nodes only when it was made for that, and something is opened for them', async t => {
  const { open, lines } = await begin(t);
  const approved = { publish: ['results.{nodeId}'], subscribe: ['work.{nodeId}.>'] };
  const { listeners, stop } = await open(approved);
  const asWork = (password: string) => question({ user: 'work', password });
  const billing = await listeners.create({ name: 'billing', fromOldest: false }, act);
  assert.equal(await listeners.admit(asWork(billing.token)), undefined);
  assert.ok(lines.some(({ message }) => message.endsWith('it was made without --work')));
  const { token } = await listeners.create({ name: 'scheduler', fromOldest: false, work: true }, act);
  assert.deepEqual(await listeners.admit(asWork(token)), {
    name: 'listener scheduler',
    lastsSeconds: undefined,
    account: nodesAccount,
    permissions: { publish: ['work.*.>'], subscribe: ['results.*'], mayAnswer: false },
  });
  assert.equal((await listeners.admit(question({ token })))?.account, listenersAccount);
  stop();
  const { listeners: without } = await open();
  assert.equal(await without.admit(asWork(token)), undefined);
  assert.ok(lines.some(({ message }) => message.endsWith('nothing is opened for them (broker.approved)')));
});

test('a text that is no valid token lets nobody in, wherever it is shown', async t => {
  const { open } = await begin(t);
  const { listeners } = await open();
  const { token } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  const wrong = [
    '',
    'mls_billing_',
    listenerToken('billing', Buffer.alloc(32, 1)),
    listenerToken('other', Buffer.alloc(32, 1)),
    `${token}x`,
    token.replace('billing', 'Billing'),
  ];
  for (const text of wrong) {
    assert.equal(await listeners.admit(question({ token: text })), undefined, text);
    assert.equal(await listeners.admit(question({ user: 'live', password: text })), undefined, text);
  }
  assert.equal(await listeners.admit(question({ password: token })), undefined);
  assert.equal(await listeners.admit(question({ user: 'live', token })), undefined);
  assert.equal(await listeners.admit({ ...question({ token }), isPlain: false }), undefined);
});

test('a token lives until it expires or is revoked, also over a restart, and events tell who did it', async t => {
  const { open, clock, events, durables, clients } = await begin(t);
  const { listeners, stop } = await open();
  const billing = await listeners.create({ name: 'billing', fromOldest: true }, act);
  const short = await listeners.create({ name: 'short', fromOldest: true, validMs: 60_000 }, act);
  await assert.rejects(listeners.create({ name: 'short', fromOldest: false }, act), { code: 'conflict' });
  assert.equal((await listeners.admit(question({ token: short.token })))?.lastsSeconds, 60);
  await clock.advance(59_500);
  assert.equal((await listeners.admit(question({ token: short.token })))?.lastsSeconds, 1);
  await clock.advance(500);
  assert.equal(await listeners.admit(question({ token: short.token })), undefined);
  stop();
  const { listeners: next } = await open();
  assert.equal(await next.admit(question({ token: short.token })), undefined);
  const arriving = question({ token: billing.token });
  assert.ok(await next.admit(arriving));
  clients.add(7, 'billing', listenersAccount);
  clients.add(8, 'billing', liveAccount);
  clients.add(9, 'short', listenersAccount);
  await next.revoke('billing', act);
  await assert.rejects(next.revoke('billing', act), { code: 'not_found' });
  assert.deepEqual(clients.ended.sort(), [arriving.connection, 7, 8].sort(), 'its connections are ended');
  assert.equal(await next.admit(question({ token: billing.token })), undefined);
  assert.deepEqual(
    durables().map(({ name }) => name),
    [short.record.durable],
  );
  // The name is free again, and the old token stays void.
  const again = await next.create({ name: 'billing', fromOldest: false }, act);
  assert.notEqual(again.record.durable, billing.record.durable);
  assert.equal(await next.admit(question({ token: billing.token })), undefined);
  assert.ok(await next.admit(question({ token: again.token })));
  assert.deepEqual(
    events.map(event => JSON.stringify(event)),
    [
      '{"kind":"listener_created","actor":"local","claimedActor":"ada@desk","listener":"billing"}',
      `{"kind":"listener_created","actor":"local","claimedActor":"ada@desk","listener":"short","expires":"${short.record.expires}"}`,
      '{"kind":"listener_revoked","actor":"local","claimedActor":"ada@desk","listener":"billing"}',
      '{"kind":"listener_created","actor":"local","claimedActor":"ada@desk","listener":"billing"}',
    ],
  );
});

test('a revoked listener stays revoked when an older store comes back', async t => {
  const { open, bucket } = await begin(t);
  const { listeners, stop } = await open();
  const { token } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  const older = (await bucket.get('listener.billing'))?.value ?? new Uint8Array();
  await listeners.revoke('billing', act);
  stop();
  await bucket.put('listener.billing', older, (await bucket.get('listener.billing'))?.revision ?? 0);
  const { listeners: next } = await open();
  assert.equal(await next.admit(question({ token })), undefined);
  assert.deepEqual(await next.list(), []);
});

test('a durable that is gone is made again, with the time of its first event, and one of nobody is removed', async t => {
  const { open, broker, stream, clock, durables } = await begin(t);
  const { listeners, stop } = await open();
  const { record } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  const [made] = durables();
  broker.streams.clear();
  await clock.advance(30_000);
  assert.deepEqual(durables(), [made], 'while the requester runs');
  broker.streams.clear();
  await listeners.restoreDurables();
  assert.deepEqual(durables(), [made], 'when the store was lost');
  stop();
  broker.streams.clear();
  await stream.ensureDurable({
    name: 'listener-former-0123456789abcdef01234567',
    description: '',
    filter: '>',
  });
  await stream.ensureDurable({ name: 'of-another-program', description: '', filter: '>' });
  await open();
  // Another requester may be making a listener, so it is removed when it still belongs to nobody at the next look.
  await clock.advance(30_000);
  assert.deepEqual(
    durables().map(({ name }) => name),
    ['of-another-program', record.durable],
  );
});

test('a listener that connects makes its durable again', async t => {
  const { open, broker, durables } = await begin(t);
  const { listeners } = await open();
  const { token, record } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  broker.streams.clear();
  assert.ok(await listeners.admit(question({ token })));
  assert.deepEqual(
    durables().map(({ name }) => name),
    [record.durable],
  );
  // Also a store that does not answer keeps it from nothing.
  broker.storeFault = operation => (operation === 'ensureDurable' ? { fault: 'refused' } : undefined);
  assert.ok(await listeners.admit(question({ token })));
});

test('one listener has sixteen connections at most, and may not come all the time', async t => {
  const { open, clock, clients } = await begin(t);
  const { listeners } = await open();
  const { token } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  for (let cid = 1; cid <= 16; cid++) clients.add(cid, 'billing', cid % 2 ? listenersAccount : liveAccount);
  clients.add(17, 'other', listenersAccount);
  assert.ok(await listeners.admit(question({ token })));
  assert.deepEqual(clients.ended, [1], 'the oldest one gives way');
  let admitted = 1;
  while (await listeners.admit(question({ token }))) admitted++;
  assert.equal(admitted, 20);
  await clock.advance(1_000);
  assert.ok(await listeners.admit(question({ token })));
});

test('a listener that floods the broker with requests is cut off and kept out for a minute, and the others stay', async t => {
  const { open, clock, clients, lines } = await begin(t);
  const { listeners } = await open();
  const { token } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  const other = await listeners.create({ name: 'other', fromOldest: false }, act);
  clients.add(1, 'billing', listenersAccount, 6_000);
  clients.add(2, 'other', listenersAccount, 100);
  await clock.advance(5_000);
  assert.deepEqual(clients.ended, [1]);
  assert.match(lines.at(-1)?.message ?? '', /^a listener sends far more requests than there are events/);
  assert.equal(await listeners.admit(question({ token })), undefined);
  assert.ok(await listeners.admit(question({ token: other.token })));
  await clock.advance(60_000);
  assert.ok(await listeners.admit(question({ token })));
});

test('a store that fails lets no listener in that was not stored, and none stay that was revoked', async t => {
  const { open, broker, durables, clients } = await begin(t);
  const { listeners } = await open();
  const { token } = await listeners.create({ name: 'billing', fromOldest: false }, act);
  broker.storeFault = operation =>
    operation === 'put' || operation === 'purge' ? { fault: 'no_space' } : undefined;
  await assert.rejects(listeners.create({ name: 'other', fromOldest: false }, act), {
    code: 'failed',
    message: /^the listener other was not stored: the disk of the cluster store is full/,
  });
  clients.add(7, 'billing', listenersAccount);
  await assert.rejects(listeners.revoke('billing', act), {
    code: 'failed',
    message: /may be valid again after a restart of the requester/,
  });
  assert.equal(await listeners.admit(question({ token })), undefined, 'it is void at once');
  assert.deepEqual(clients.ended, [7]);
  broker.storeFault = undefined;
  await listeners.revoke('billing', act);
  assert.deepEqual(durables(), []);
});

test('the listeners are written again into a store that was lost, and there is a hundred at most', async t => {
  const { open, broker } = await begin(t);
  const { listeners, stop } = await open();
  const tokens: string[] = [];
  for (let i = 0; i < 100; i++)
    tokens.push((await listeners.create({ name: `l-${i}`, fromOldest: false }, act)).token);
  await assert.rejects(listeners.create({ name: 'one-more', fromOldest: false }, act), { code: 'conflict' });
  broker.buckets.get('muster_v1')?.entries.clear();
  await listeners.restore();
  stop();
  const { listeners: next } = await open();
  for (const token of tokens) assert.ok(await next.admit(question({ token })));
  assert.equal((await next.list()).length, 100);
});

test('a record that cannot be read lets nobody in, and does not stop the start', async t => {
  const { bucket, lines, open } = await begin(t);
  await bucket.put('listener.eve', Buffer.from('{"hash":"short","durable":"NODE_EVENTS"}'), 0);
  const { listeners } = await open();
  assert.equal(await listeners.admit(question({ token: listenerToken('eve', Buffer.alloc(32)) })), undefined);
  assert.ok(lines.some(({ message }) => /cannot be read/.test(message)));
});

test('a listener that is revoked at one requester is refused at the other, and one that it was just letting in is ended', async t => {
  const { open, clock, clients } = await begin(t);
  const [{ listeners: first }, { listeners: second }] = [await open(), await open()];
  const { token } = await first.create({ name: 'billing', fromOldest: false }, act);
  await clock.settle();
  const admitted = { ...question({ token }), connection: 77 };
  const letting = second.admit(admitted);
  await clock.advance(1_000);
  assert.ok(await letting);
  await first.revoke('billing', act);
  await clock.advance(1_000);
  assert.ok(clients.ended.includes(77));
  assert.equal(await second.admit(question({ token })), undefined);
  assert.deepEqual(await second.list(), []);
});

test('of two listeners of one name that are made at two requesters at once, one is made', async t => {
  const { open, clock, durables } = await begin(t);
  const both = [await open(), await open()];
  const made = await Promise.allSettled(
    both.map(({ listeners }) => listeners.create({ name: 'billing', fromOldest: false }, act)),
  );
  const refused = made.flatMap(each => (each.status === 'rejected' ? [each.reason.message] : []));
  assert.deepEqual(refused, ['there is a listener billing already']);
  await clock.advance(90_000);
  assert.equal(durables().length, 1);
});
