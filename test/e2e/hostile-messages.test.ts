// Ten thousand random and mutated messages on every subject cause no crash, change no membership and use up no memory.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { Requester } from '../../agent/requester/requester.ts';
import { requesterInfo } from '../../agent/requester/roll/own-info.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { captures } from '../support/captures.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const messages = 10_000;
const maxPending = 50;

describe('hostile messages', () => {
  let broker: NatsServer;
  let connection: Connection;
  let requester: Requester;
  let fleet: Fleet;

  before(async () => {
    broker = await startNatsServer();
    connection = await openConnection(broker.url, 'node-0');
    requester = new Requester({
      self: requesterInfo({
        nodeId: 'node-0',
        hostname: 'h',
        os: 'linux',
        architecture: 'amd64',
        labels: {},
      }),
      settings: {
        heartbeatFrequency: 100,
        heartbeatTopic: 'bacalhau.global.compute.{nodeId}.out.heartbeat',
        nodeDisconnectedAfter: 60_000,
        nodeUnknownAfter: 120_000,
        manualApproval: true,
        maxPending,
      },
      connection,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      host: 'h',
      pid: process.pid,
      onLost: error => assert.fail(error),
    });
    await requester.start();
    fleet = await Fleet.connect(broker.url, 6);
    fleet.registerAll();
    await eventually(
      'the fleet is on the roll',
      () => requester.directory.list().length === 7 && fleet.sessions.size === 6,
    );
    // PENDING nodes that were never heard would give way to the invented ones.
    fleet.sendHeartbeats(1);
    await eventually(
      'the fleet is heard',
      () => requester.directory.get('fleet-5').Muster.Health === 'HEALTHY',
    );
    for (const id of ['fleet-0', 'fleet-1']) {
      await requester.directory.approve(id, { reason: '', actor: 'test' });
    }
    await requester.directory.reject('fleet-2', { reason: '', actor: 'test' });
    await requester.directory.delete('fleet-3', { reason: '', actor: 'test' });
    fleet.sessions.delete('fleet-3');
  });

  after(async () => {
    await fleet.close();
    await requester.stop();
    await connection.close();
    await broker.release();
  });

  const memberships = () => requester.directory.list().map(node => `${node.Info.NodeID} ${node.Membership}`);

  it('change nothing, crash nothing and leave no memory in use', async t => {
    // The first flood fills caches and compiles code. The second one shows how much memory stays in use.
    await flood(1);
    const settled = await heapAfterCleaning();
    const before = memberships();
    const seed = Date.now() % 2 ** 31;
    t.diagnostic(`seed ${seed}`);
    await flood(seed);
    const rows = memberships();
    const known = new Set(before);
    assert.ok(
      before.every(row => rows.includes(row)),
      `changed: ${before.filter(row => !rows.includes(row))}`,
    );
    assert.ok(rows.filter(row => !known.has(row)).length <= maxPending);
    const heap = await heapAfterCleaning();
    assert.deepEqual(memberships(), before);
    assert.ok(heap < settled * 1.1, `heap ${settled} before, ${heap} after`);
    // The requester still works. A correct registration in a node's name was accepted, so the node has to register again.
    fleet.sessions.clear();
    fleet.registerAll();
    await eventually('the fleet is accepted again', () => fleet.sessions.has('fleet-4'));
    fleet.sendHeartbeats(1);
    await eventually(
      'it hears heartbeats',
      () => requester.directory.get('fleet-4').Muster.Health === 'HEALTHY',
    );
  });

  async function flood(seed: number): Promise<void> {
    const random = new SeededRandom(seed);
    for (let sent = 0; sent < messages; sent++) {
      fleet.connection.publish(subjectFor(random), payloadFor(random));
      // The broker limits the bytes that wait for one client. 500 messages are less than that.
      if (sent % 500 === 499) await fleet.connection.flush(10_000);
    }
    await fleet.connection.flush(10_000);
    // Requests are answered in order, so this answer comes last.
    await eventually('all messages are processed', async () => {
      const answer = await fleet.connection.request(
        'node.management.fleet-0.UpdateNodeInfo/v1',
        '{}',
        10_000,
      );
      return answer.data.length > 0;
    });
  }

  async function heapAfterCleaning(): Promise<number> {
    for (const node of requester.directory.list()) {
      const id = node.Info.NodeID;
      if (!/^(node-0|fleet-[01245])$/.test(id))
        await requester.directory.delete(id, { reason: '', actor: 'test' });
    }
    await eventually('its events are sent', () => requester.status().eventsWaiting === 0);
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    gc();
    await new Promise(resolve => setImmediate(resolve));
    gc();
    return process.memoryUsage().heapUsed;
  }
});

const ids = ['fleet-0', 'fleet-1', 'fleet-2', 'fleet-3', 'fleet-4', 'node-0', 'stranger'];
const methods = ['RegisterNode/v1', 'UpdateNodeInfo/v1', 'UpdateResources/v1', 'Leave/v1', 'Nope/v9', ''];

function subjectFor(random: SeededRandom): string {
  const id = random.number() < 0.3 ? `new-${random.below(1e6)}` : random.pick(ids);
  const subjects = [
    `node.management.${id}.${random.pick(methods)}`.replace(/\.$/, '.x'),
    `bacalhau.global.compute.${id}.out.heartbeat`,
    `node.events.${id}.approved`,
    `requester.lease.${id}`,
    `requester.echo.${id}`,
  ];
  return random.pick(subjects.slice(0, random.number() < 0.9 ? 2 : 5));
}

function payloadFor(random: SeededRandom): Uint8Array {
  const kind = random.number();
  if (kind < 0.2) return random.bytes(random.below(300));
  if (kind < 0.25) return random.bytes(70_000);
  if (kind < 0.3) return Buffer.from('['.repeat(random.below(5_000)));
  if (kind < 0.4)
    return Buffer.from(encodeHeartbeat({ NodeID: random.pick(ids), Sequence: 1 }, undefined, new Date(0)));
  const golden = random.pick(captures);
  const copy = Buffer.from(golden.bytes);
  if (random.number() < 0.5) {
    // A correct message with one word changed passes the decoder, so it tests the rules behind it.
    const text = copy.toString('latin1').replace(/n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607/g, random.pick(ids));
    return Buffer.from(text, 'latin1');
  }
  for (let change = 0; change <= random.number() * 5; change++) {
    copy[random.below(copy.length)] = random.below(256);
  }
  return copy.subarray(0, random.number() < 0.2 ? random.below(copy.length) : copy.length);
}
