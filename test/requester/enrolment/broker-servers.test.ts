// Which servers a NATS of one's own has is asked of it, at most once a second.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerServers } from '../../../agent/requester/enrolment/broker-servers.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import { BrokerError, type Connection } from '../../../agent/transport/port.ts';
import { gatherOne } from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const idOf = (fill: number) => keyPairOf(new Uint8Array(32).fill(fill), 'node').publicKey;
const [one, two, forged] = [idOf(1), idOf(2), idOf(3)];

/** A NATS with one server. `change` replaces that, and `lists` counts how often the NATS was asked. */
function begin() {
  const clock = new FakeClock();
  let server = one;
  let lists = 0;
  let fault: BrokerError | undefined;
  const gather: Connection['gather'] = async (...asked) => {
    lists++;
    if (fault) throw fault;
    return gatherOne(server)(...asked);
  };
  const servers = new BrokerServers({ gather }, clock);
  return {
    clock,
    servers,
    lists: () => lists,
    change: (next: string) => {
      server = next;
    },
    fail: (next: BrokerError | undefined) => {
      fault = next;
    },
  };
}

test('a server is known after one list, and not asked about again', async () => {
  const { servers, lists } = begin();
  assert.deepEqual(await Promise.all([servers.has(one), servers.has(one)]), [true, true]);
  assert.equal(await servers.has(one), true);
  assert.equal(lists(), 1);
});

test('a server that comes just after a list is known with the next one, a second later', async () => {
  const { clock, servers, lists, change } = begin();
  assert.equal(await servers.has(one), true);
  change(two);
  const found = Promise.all([servers.has(two), servers.has(two)]);
  await clock.advance(999);
  assert.equal(lists(), 1);
  await clock.advance(1);
  assert.deepEqual(await found, [true, true]);
  assert.equal(lists(), 2);
  assert.equal(await servers.has(two), true);
});

test('who asks while a list is read waits for that one, and for the next one only if it has to', async () => {
  const { clock, servers, lists, change } = begin();
  const first = servers.has(one);
  await null;
  await null;
  assert.equal(lists(), 1);
  const [same, other] = [servers.has(one), servers.has(two)];
  change(two);
  assert.deepEqual(await Promise.all([first, same]), [true, true]);
  assert.equal(lists(), 1);
  await clock.advance(1_000);
  assert.equal(await other, true);
});

test('forged questions cost one list a second, however many there are', async () => {
  const { clock, servers, lists } = begin();
  const asked: Promise<boolean>[] = [];
  for (let count = 0; count < 100; count++) {
    asked.push(servers.has(forged));
    await clock.advance(100);
  }
  await clock.advance(1_000);
  assert.ok((await Promise.all(asked)).every(known => !known));
  assert.ok(lists() <= 11, String(lists()));
});

test('a NATS that does not answer is asked again', async () => {
  const { clock, servers, fail } = begin();
  fail(new BrokerError('timeout', 'silent'));
  await assert.rejects(servers.has(one), { fault: 'timeout' });
  fail(undefined);
  const found = servers.has(one);
  await clock.advance(1_000);
  assert.equal(await found, true);
});
