// The requester fails: killed in the middle of registrations, suspended, started twice, restarted.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Connection } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import type { Program } from '../support/program.ts';

describe('a requester that fails', () => {
  let broker: NatsServer;
  let cluster: Cluster;
  let requester: Program;
  let spy: Connection;

  before(async () => {
    broker = await startNatsServer();
    spy = await openConnection(broker.url);
    cluster = await Cluster.create({ servers: broker.url });
    requester = await cluster.requester();
  });

  after(async () => {
    await spy.close();
    await cluster.release();
    await broker.release();
  });

  it('is killed after the 100th of 200 registrations is stored: all 200 end up on the roll, none lost, none doubled', async () => {
    const fleet = await Fleet.connect(broker.url, 200);
    try {
      // At the very moment in which the store tells of the 100th, with others on their way.
      const stored = await fleet.followStore(ids => {
        if (ids.size === 100) requester.signal('SIGKILL');
      });
      fleet.registerAll(8);
      await requester.finished;
      const before = [...stored];
      assert.ok(before.length >= 100 && before.length < 200, `${before.length} were stored`);
      requester = await cluster.requester();
      await eventually('all are on the roll', async () => (await cluster.nodes()).length === 201);
      const ids = (await cluster.nodes()).map(node => node.Info.NodeID);
      assert.equal(new Set(ids).size, 201);
      for (const id of before) assert.ok(ids.includes(id), `${id} was stored and is lost`);
      await eventually('each was announced', async () => {
        const events = await cluster.events();
        return (
          new Set(events.filter(event => event.type.endsWith('registered')).map(event => event.subject))
            .size === 201
        );
      });
      const ids2 = (await cluster.events()).map(event => event.id);
      assert.equal(new Set(ids2).size, ids2.length, 'an event was told twice');
    } finally {
      await fleet.close();
    }
  });

  it('is restarted: membership and information stay, no node is asked for anything, one heartbeat later all is right', async () => {
    const agent = await cluster.agent('node-1');
    assert.equal((await cluster.command('node', 'approve', 'node-1', '-m', 'ours')).stdout, 'Ok\n');
    await agent.untilPrinted(/"msg":"approved"/);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const before = await cluster.node('node-1');
    const sentinel = await cluster.sentinel('node-1');
    await requester.stop();
    requester = await cluster.requester();
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const after = await cluster.node('node-1');
    assert.deepEqual(after?.Info.Hostname, before?.Info.Hostname);
    assert.equal(after?.Muster.Decision?.Reason, 'ours');
    assert.equal((await cluster.sentinel('node-1'))?.session, sentinel?.session);
    assert.equal(agent.logged('registering again').length, 0);
  });

  it('is suspended for 3 × nodeUnknownAfter: no node becomes UNHEALTHY', async () => {
    const told = async () =>
      (await cluster.kindsOf('node-1')).filter(kind => /unhealthy|unknown/.test(kind)).length;
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const before = await told();
    // Nine seconds of the agent's heartbeats, which the broker keeps for the requester.
    const beats = { seen: 0 };
    const listening = spy.subscribe('bacalhau.global.compute.node-1.out.heartbeat', () => beats.seen++);
    requester.signal('SIGSTOP');
    await eventually('3 × nodeUnknownAfter of heartbeats', () => beats.seen >= 45);
    requester.signal('SIGCONT');
    listening.unsubscribe();
    for (let look = 0; look < 20; look++) assert.equal(await cluster.stateOf('node-1'), 'APPROVED HEALTHY');
    const heartbeats = (await cluster.status()).counters.heartbeats;
    await eventually(
      'several checks passed',
      async () => (await cluster.status()).counters.heartbeats > heartbeats + 10,
    );
    assert.equal(await told(), before);
  });

  it('is refused on a store that another one keeps, which it names', async () => {
    const second = await cluster.requester({ 'api.port': 0 }, { wait: false, id: 'node-00' });
    const { code, stderr } = await second.finished;
    assert.equal(code, 1);
    assert.match(stderr, /requester node-0 \(process \d+ on .*already keeps this cluster's roll/);
  });

  it('is refused in a folder that another one holds, which it names', async () => {
    const second = await cluster.requester({ 'api.port': 0 }, { wait: false });
    const { code, stderr } = await second.finished;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`another requester holds .*process ${requester.pid}, node node-0`));
  });
});
