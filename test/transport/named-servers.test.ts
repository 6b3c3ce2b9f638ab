// Tests what a broker names of its cluster, and what a connection makes of it, on a pair of real servers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type NamedServers, readNamedServers } from '../../agent/transport/named-servers.ts';
import { connectTo, stateOf } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { startNatsPair } from '../support/nats-pair.ts';
import type { NatsServer } from '../support/nats-server.ts';

describe('the addresses that a broker names', () => {
  it('are read, and whatever a client cannot dial is left out', () => {
    const named = ['10.0.0.1:4222', 'nats.example.com:4223', '[2001:db8::1]:4222', '10.0.0.1:4222'];
    assert.deepEqual(readNamedServers(named), named.slice(0, 3));
    const bad = [
      '0.0.0.0:4222',
      '[::]:4222',
      'host',
      'host:0',
      'host:70000',
      'a@b:1',
      'a/b:1',
      ' a:1',
      '[1.2]:1',
    ];
    assert.deepEqual(readNamedServers([...bad, 7, null, {}, `${'a'.repeat(300)}:1`, 'x\u001b[2J:1']), []);
    for (const other of [undefined, null, 'a:1', { 0: 'a:1' }]) assert.deepEqual(readNamedServers(other), []);
  });

  it('are at most sixteen', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `host-${index}:4222`);
    assert.equal(readNamedServers(many).length, 16);
  });
});

describe('a connection to one of two servers', () => {
  let first: NatsServer;
  let second: NatsServer;
  before(async () => {
    [first, second] = await startNatsPair();
  });
  after(() => Promise.all([first.release(), second.release()]));

  /** Connects to the first server, and learns what the servers name. */
  async function learning() {
    const named: NamedServers[] = [];
    const learned = () => named.at(-1)?.addresses.map(address => `nats://${address}`) ?? [];
    const connection = connectTo(first.url, {
      learned,
      onNamed: each => named.push(each),
      pingIntervalMs: 100,
      maxUnansweredPings: 1,
      connectTimeoutMs: 1_000,
      firstWaitMs: 10,
    });
    await connection.connected();
    await eventually('both servers are named', () => learned().length === 2);
    return { connection, named };
  }

  it('learns of the other one, and goes there when its own is killed', async () => {
    const { connection, named } = await learning();
    assert.equal(named.at(-1)?.by.label, first.url);
    assert.equal(named.at(-1)?.isEncrypted, false);
    await first.kill();
    await stateOf(connection, 'disconnected');
    const { server } = await stateOf(connection, 'connected');
    assert.equal(server, second.url);
    await first.start();
    await connection.close(0);
  });

  it('goes to the other one when its own stands still', async t => {
    const { connection } = await learning();
    const stoppedAt = performance.now();
    first.pause();
    try {
      await stateOf(connection, 'disconnected');
      const { server } = await stateOf(connection, 'connected');
      assert.equal(server, second.url);
      t.diagnostic(
        `pings every 100 ms, one unanswered: moved after ${Math.round(performance.now() - stoppedAt)} ms`,
      );
    } finally {
      first.resume();
    }
    await connection.close(0);
  });

  it('goes to the other one when it is told to, and never when it knows no other', async () => {
    const { connection } = await learning();
    assert.equal(connection.moveOn(0), true);
    await stateOf(connection, 'disconnected');
    assert.equal(connection.moveOn(0), false, 'without a link there is nothing to leave');
    const { server } = await stateOf(connection, 'connected');
    assert.equal(server, second.url);
    await connection.close(0);

    const alone = connectTo(first.url);
    await alone.connected();
    assert.equal(alone.moveOn(0), false);
    assert.equal(alone.state.kind, 'connected');
  });
});
