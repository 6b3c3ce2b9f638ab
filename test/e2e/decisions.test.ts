// An operator's decision reaches the node, and a node cannot undo it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { muster } from '../support/program.ts';

describe("an operator's decision", () => {
  let broker: NatsServer;
  let cluster: Cluster;

  before(async () => {
    broker = await startNatsServer();
    cluster = await Cluster.create({ servers: broker.url });
    await cluster.requester();
  });

  after(async () => {
    await cluster.release();
    await broker.release();
  });

  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await cluster.command('node', ...args);
    assert.deepEqual([code, stdout], [0, 'Ok\n'], stderr);
    // On a NATS that asks nobody, an approval says what it is worth.
    assert.match(stderr, args[0] === 'approve' ? /^Warning: no key of \S+ is checked/ : /^$/);
  };

  it('to delete a node silences its agent until register, SIGHUP or a restart brings it back as PENDING', async () => {
    const agent = await cluster.agent('gone');
    const waysBack = [
      async () => {
        const { code, stdout } = await muster(['agent', 'register', '--data-dir', cluster.folderOf('gone')]);
        assert.deepEqual([code, stdout], [0, 'Ok\n']);
      },
      async () => agent.signal('SIGHUP'),
      async () => {
        await agent.stop();
        await cluster.agent('gone');
      },
    ];
    for (const bringBack of waysBack) {
      await ok('approve', 'gone');
      await cluster.until('gone', 'APPROVED HEALTHY');
      const quiet = agent.logged(quietSentence).length;
      await ok('delete', 'gone');
      await cluster.until('gone', undefined);
      await eventually('the agent is quiet', () => agent.logged(quietSentence).length > quiet);
      assert.equal(await cluster.sentinel('gone'), undefined);
      await bringBack();
      await cluster.until('gone', 'PENDING HEALTHY');
    }
    const told = async () => (await cluster.kindsOf('gone')).filter(kind => kind === 'deleted').length;
    await eventually('each is told', async () => (await told()) >= 3);
    assert.equal(await told(), 3);
  });

  it('to delete a node whose agent is stopped lets the agent register as new at its next start', async () => {
    const agent = await cluster.agent('absent');
    await agent.stop();
    await ok('delete', 'absent', '-m', 'retired');
    await cluster.until('absent', undefined);
    await cluster.agent('absent');
    await cluster.until('absent', 'PENDING HEALTHY');
    await eventually('its deletion is told', async () =>
      (await cluster.kindsOf('absent')).includes('deleted'),
    );
    const deleted = (await cluster.events()).find(
      event => event.type.endsWith('deleted') && event.subject === 'absent',
    );
    assert.equal(deleted?.data.reason, 'retired');
  });

  it('to approve a rejected node brings it back without a restart of its agent', async () => {
    const agent = await cluster.agent('heal');
    await ok('reject', 'heal', '-m', 'malicious node?');
    await agent.untilPrinted(/rejected by an operator/);
    await cluster.until('heal', 'REJECTED HEALTHY');
    // A rejected node sends heartbeats, but does not report its resources.
    const beats = async () => (await cluster.node('heal'))?.ConnectionState.LastHeartbeat;
    const last = await beats();
    await eventually('its heartbeats go on', async () => (await beats()) !== last);
    await ok('approve', 'heal');
    await agent.untilPrinted(/"msg":"approved"/);
    await cluster.until('heal', 'APPROVED HEALTHY');
  });

  it('to delete a rejected node keeps it away', async () => {
    const agent = await cluster.agent('out');
    await ok('reject', 'out');
    await agent.untilPrinted(/rejected by an operator/);
    await ok('delete', 'out');
    await agent.untilPrinted(/deleted by an operator; it is quiet/);
    assert.equal(await cluster.node('out'), undefined);
  });

  it('to approve node-1 does not approve node-10, and a beginning of an id decides nothing', async () => {
    await cluster.agent('node-1');
    await cluster.agent('node-10');
    await ok('approve', 'node-1');
    assert.match((await cluster.stateOf('node-1')) ?? '', /^APPROVED/);
    assert.match((await cluster.stateOf('node-10')) ?? '', /^PENDING/);
    const { code, stderr } = await cluster.command('node', 'approve', 'node-');
    assert.equal(code, 1);
    assert.match(stderr, /node not found: node-\nHint: +did you mean node-1 or node-10\?/);
    const only = await cluster.command('node', 'delete', 'node-1', '-m', 'sold');
    assert.equal(only.stdout, 'Ok\n');
    const again = await cluster.command('node', 'delete', 'node-1');
    assert.deepEqual([again.code, again.stderr], [1, 'Error: node not found: node-1\n']);
    assert.match((await cluster.stateOf('node-10')) ?? '', /^PENDING/);
  });

  it('that two operators make at the same time is carried out once, and the second one gets a conflict', async () => {
    await cluster.agent('both');
    const results = await Promise.all([1, 2].map(() => cluster.command('node', 'approve', 'both')));
    assert.deepEqual(results.map(result => result.code).sort(), [0, 1]);
    assert.match(results.map(result => result.stderr).join(''), /node both already approved/);
    const told = async () => (await cluster.kindsOf('both')).filter(kind => kind === 'approved').length;
    await eventually('it is told', async () => (await told()) > 0);
    assert.equal(await told(), 1);
  });

  it('about many nodes is as many events, each with an operation of its own, and is undone by one command', async () => {
    const fleet = await Fleet.connect(broker.url, 60, 'many-');
    fleet.registerAll();
    await eventually('the nodes are registered', () => fleet.sessions.size === 60);
    const decide = async (action: string, ...args: string[]) => {
      const { code, stdout, stderr } = await cluster.command('node', action, ...args, '--yes', '-o', 'json');
      assert.equal(code, 0, stderr);
      return (JSON.parse(stdout) as { NodeID: string; Operation: string }[]).map(
        ({ NodeID, Operation }) => `${NodeID} ${Operation}`,
      );
    };
    const approved = await decide('approve', '--labels', 'fleet=test', '--filter-approval', 'pending');
    const rejected = await decide('reject', '--labels', 'fleet=test');
    await eventually('each decision has its event', async () => {
      const told = (await cluster.events())
        .filter(({ subject, type }) => subject.startsWith('many-') && /(approved|rejected)$/.test(type))
        .map(({ subject, data }) => `${subject} ${data.operation}`);
      return told.sort().join() === [...approved, ...rejected].sort().join();
    });
    assert.equal(new Set([...approved, ...rejected]).size, 120);
    assert.equal(
      (await cluster.nodes()).filter(({ Membership }) => Membership === 'REJECTED').length >= 60,
      true,
    );
    assert.equal(
      (await decide('delete', '--labels', 'fleet=test', '--filter-approval', 'rejected')).length,
      60,
    );
    await fleet.close();
  });

  it('leaves events, and those of an id that nobody has are an error', async () => {
    const unknown = await cluster.command('events', '--node', 'nobody-has-this');
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.stderr,
      /^Error: node not found: nobody-has-this is not on the roll, and no event of it is kept\n/,
    );
  });

  it('is not undone by heartbeats of an unknown node, which are only counted', async () => {
    const before = (await cluster.status()).counters.heartbeatsUnknown;
    const fleet = await Fleet.connect(broker.url, 1, 'stranger-');
    fleet.sessions.set('stranger-0', 'made-up');
    fleet.sendHeartbeats(1);
    await eventually(
      'the heartbeat is counted',
      async () => (await cluster.status()).counters.heartbeatsUnknown > before,
    );
    assert.equal(await cluster.stateOf('stranger-0'), undefined);
    await fleet.close();
  });
});

const quietSentence =
  'this node was deleted by an operator; it is quiet until: muster agent register, SIGHUP, or a restart';
