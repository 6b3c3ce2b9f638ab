// A requester that is killed during registrations, restarted or suspended loses nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BrokerError, Connection } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { muster, type Program } from '../support/program.ts';

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

  it('loses and doubles none of 200 registrations when it is killed after the 100th is stored', async () => {
    const fleet = await Fleet.connect(broker.url, 200);
    try {
      // The requester is killed when the store announces the 100th record, while others are being written. The next one may
      // write one of these 100 again, and must not be killed for that.
      const first = requester;
      const stored = await fleet.followStore(ids => {
        if (ids.size === 100) first.signal('SIGKILL');
      });
      fleet.registerAll(8);
      await requester.finished;
      const before = [...stored];
      assert.ok(before.length >= 100 && before.length < 200, `${before.length} were stored`);
      requester = await cluster.requester();
      await eventually('all are registered', async () => (await cluster.nodes()).length === 201);
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
      assert.equal(new Set(ids2).size, ids2.length, 'an event was announced twice');
    } finally {
      await fleet.close();
    }
  });

  it('has the same nodes after a restart, and knows their health after one heartbeat', async () => {
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

  it('answers what it was asked before it stops: nobody waits for an answer that does not come', async () => {
    const subject = 'node.management.n-asks.UpdateResources/v1';
    const body = JSON.stringify({ NodeID: 'n-asks', AvailableCapacity: {}, QueueUsedCapacity: {} });
    // Stops the requester while 64 senders ask for ever, each until it gets no answer, and counts why they got none.
    const stopWhileAsked = async () => {
      const ended = new Map<string, number>();
      const answers = { count: 0 };
      const ask = () =>
        spy.request(subject, body, 10_000).then(
          () => undefined,
          error => (error as BrokerError).fault,
        );
      const askUntilNobodyListens = async () => {
        for (;;) {
          const fault = await ask();
          if (fault !== undefined) return void ended.set(fault, (ended.get(fault) ?? 0) + 1);
          answers.count++;
        }
      };
      await eventually('the requester listens', async () => (await ask()) === undefined);
      const senders = Array.from({ length: 64 }, askUntilNobodyListens);
      await eventually('the requester has answered', () => answers.count > 1_000);
      assert.equal((await requester.stop()).code, 0);
      await Promise.all(senders);
      requester = await cluster.requester();
      return ended;
    };
    let ended = await stopWhileAsked();
    // The requester takes 300 ms at most for its last answers, for which a busy machine may stand still.
    for (let again = 0; again < 4 && ended.has('timeout'); again++) ended = await stopWhileAsked();
    assert.deepEqual([...ended], [['no_responders', 64]]);
  });

  it('announces no node as UNHEALTHY after it was suspended for 3 × nodeUnknownAfter', async () => {
    const silenceEvents = async () =>
      (await cluster.kindsOf('node-1')).filter(kind => /unhealthy|unknown/.test(kind)).length;
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const before = await silenceEvents();
    // The broker keeps these nine seconds of heartbeats for the suspended requester.
    const beats = { seen: 0 };
    const listening = spy.subscribe('bacalhau.global.compute.node-1.out.heartbeat', () => beats.seen++);
    requester.signal('SIGSTOP');
    const statusOf = async (id: string) => {
      const { code, stdout } = await muster(['status', '--data-dir', cluster.folderOf(id)]);
      return `${code} ${stdout.replaceAll(/\s+/g, ' ')}`;
    };
    const suspended = statusOf('node-0');
    await eventually('3 × nodeUnknownAfter of heartbeats', () => beats.seen >= 45);
    const [own, node] = [await suspended, await statusOf('node-1')];
    requester.signal('SIGCONT');
    assert.match(own, /^1 requester trouble the process in \S+ does not answer: no answer within 5 s to do /);
    assert.match(node, /^1 agent node-1 trouble the requester has not answered for \d+ s to do /);
    listening.unsubscribe();
    for (let look = 0; look < 20; look++) assert.equal(await cluster.stateOf('node-1'), 'APPROVED HEALTHY');
    const heartbeats = (await cluster.status()).counters.heartbeats;
    await eventually(
      'several checks passed',
      async () => (await cluster.status()).counters.heartbeats > heartbeats + 10,
    );
    assert.equal(await silenceEvents(), before);
  });

  it('stands by after it was suspended until another one took over, and tells nothing twice', async () => {
    const other = await Cluster.create({ servers: broker.url });
    const watcherOf = (of: Cluster) => of.status().then(({ watcher }) => watcher);
    try {
      await other.requester({}, { id: 'node-00' });
      assert.equal(await watcherOf(other), 'node-0');
      const earlier = new Set((await other.events()).map(({ id }) => id));
      requester.signal('SIGSTOP');
      await eventually('the other one watches', async () => (await watcherOf(other)) === 'node-00');
      await other.decide('node-1', 'reject', { message: 'it was stopped', requester: 'node-00' });
      requester.signal('SIGCONT');
      await cluster.decide('node-1', 'approve', { message: 'it is back' });
      await eventually('it stands by', async () => (await watcherOf(cluster)) === 'node-00');
      for (const each of [cluster, other]) await each.until('node-1', 'APPROVED HEALTHY');
      // On a busy machine its agent may be silent for a moment, which is told too.
      const told = async () =>
        (await other.events())
          .filter(({ id, subject }) => subject === 'node-1' && !earlier.has(id))
          .filter(({ type }) => /\.(approved|rejected)$/.test(type))
          .map(({ data }) => data.reason);
      await eventually('both decisions are told', async () => (await told()).includes('it is back'));
      assert.deepEqual(await told(), ['it was stopped', 'it is back']);
    } finally {
      requester.signal('SIGCONT');
      await other.release();
    }
    await eventually('it watches again', async () => (await watcherOf(cluster)) === 'node-0');
  });

  it('is refused under the id of another requester of the store, and names that one', async () => {
    const { folder } = cluster;
    const options = { 'api.port': 0, dataDir: `${folder}/second`, 'node.id': 'node-0' };
    const second = await cluster.requester(options, { wait: false, id: 'node-00' });
    const { code, stderr } = await second.finished;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /requester node-0 \(process \d+ on .*already keeps this cluster's roll, under the id/,
    );
  });

  it('is refused in a folder that another requester uses, and names that one', async () => {
    const second = await cluster.requester({ 'api.port': 0 }, { wait: false });
    const { code, stderr } = await second.finished;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`another requester holds .*process ${requester.pid}, node node-0`));
  });
});
