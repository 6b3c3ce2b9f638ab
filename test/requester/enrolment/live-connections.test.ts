// Two requesters let nodes in to one broker. Each knows the connections that the other let in, and two processes of one key that
// both let in at the same time do not both stay.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodesAccount } from '../../../agent/protocol/callout.ts';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import type { LiveConnection } from '../../../agent/requester/enrolment/live-connection.ts';
import { LiveConnections } from '../../../agent/requester/enrolment/live-connections.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

const key = encodePublicKey(Buffer.alloc(32, 1));
const user = encodePublicKey(Buffer.alloc(32, 1), 'user');
const server = `N${'A'.repeat(55)}`;

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const witness = broker.connect();
  const kicked: number[] = [];
  witness.subscribe('$SYS.REQ.SERVER.PING.STATSZ', message =>
    witness.publish(message.reply, JSON.stringify({ server: { id: server }, statsz: {} })),
  );
  witness.subscribe('$SYS.REQ.SERVER.*.CONNZ', message =>
    witness.publish(message.reply, JSON.stringify({ data: { connections: [] } })),
  );
  witness.subscribe('$SYS.REQ.SERVER.*.KICK', message => {
    kicked.push(JSON.parse(Buffer.from(message.data).toString()).cid);
    witness.publish(message.reply, '{}');
  });
  const open = () => {
    const live = new LiveConnections({ connection: broker.connect(), clock, log: silentLog });
    live.start();
    return live;
  };
  const requesters = [open(), open()] as const;
  await clock.advance(1_000);
  /** Lets both requesters hear that a client came or went, as the broker tells it. */
  const tell = async (what: 'CONNECT' | 'DISCONNECT', id: number, instance: string, mark = '') => {
    const name = `node-1 instance=${instance}`;
    const shown = mark ? `${user} ${mark}` : user;
    const client = { id, host: '192.0.2.1', name, user: shown, start: '2026-01-01T00:00:00Z' };
    broker.inject(`$SYS.ACCOUNT.${nodesAccount}.${what}`, JSON.stringify({ server: { id: server }, client }));
    await clock.settle();
  };
  return { clock, kicked, requesters, tell };
}

const expected = (connection: number, instance: string): LiveConnection => ({
  server,
  connection,
  node: 'node-1',
  instance,
  host: '192.0.2.1',
  use: 'agent',
  mark: '',
});

test('a connection that one requester let in is known to the other, which can end it, until it goes', async () => {
  const { kicked, requesters, tell } = await begin();
  const [first, second] = requesters;
  first.expect(key, expected(7, 'one'));
  assert.equal(second.of(key), undefined);
  await tell('CONNECT', 7, 'one', 'granted');
  const { instance, mark, connection } = second.of(key) ?? {};
  assert.deepEqual([instance, mark, connection], ['one', 'granted', 7]);
  await second.end(key);
  assert.deepEqual(kicked, [7]);
  await tell('DISCONNECT', 7, 'one');
  for (const each of requesters) assert.equal(each.of(key), undefined);
});

test('a key that was refused and only asks why is nobody else’s second process', async () => {
  const { clock, kicked, requesters, tell } = await begin();
  await tell('CONNECT', 7, 'one');
  await tell('CONNECT', 8, 'two', 'refused');
  await clock.advance(5_000);
  for (const each of requesters) assert.equal(each.of(key)?.connection, 7);
  assert.deepEqual(kicked, []);
});

for (const order of [
  [7, 8],
  [8, 7],
]) {
  test(`of two processes of one key that two requesters let in at once, the second one is ended (told ${order})`, async () => {
    const { clock, kicked, requesters, tell } = await begin();
    const [first, second] = requesters;
    first.expect(key, expected(7, 'one'));
    second.expect(key, expected(8, 'two'));
    for (const id of order) await tell('CONNECT', id, id === 7 ? 'one' : 'two');
    assert.deepEqual(kicked, []);
    await clock.advance(2_000);
    assert.deepEqual([...new Set(kicked)], [8]);
    await tell('DISCONNECT', 8, 'two');
    for (const each of requesters) assert.equal(each.of(key)?.connection, 7);
  });
}

test('a requester that has stopped ends no process any more', async () => {
  const { clock, kicked, requesters, tell } = await begin();
  const [first, second] = requesters;
  await tell('CONNECT', 7, 'one');
  await tell('CONNECT', 8, 'two');
  first.stop();
  await clock.advance(10_000);
  assert.deepEqual(kicked, [8], 'the other requester ends it');
  second.stop();
});

test('a process that takes the place of one that goes is not ended, whichever is told first', async () => {
  const { clock, kicked, requesters, tell } = await begin();
  await tell('CONNECT', 7, 'one');
  await tell('CONNECT', 8, 'two');
  await tell('DISCONNECT', 7, 'one');
  await clock.advance(5_000);
  assert.deepEqual(kicked, []);
  for (const each of requesters) assert.equal(each.of(key)?.connection, 8);
});
