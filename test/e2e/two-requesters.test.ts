// Two requesters keep one roll: either decides, one watches, and nobody notices which of them was killed.
import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { CloudEvent } from '../../agent/protocol/events.ts';
import type { AuthoritiesView } from '../../agent/protocol/http-authorities.ts';
import { readJoinCode } from '../../agent/protocol/join-code.ts';
import { EventLedger } from '../campaign/event-ledger.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { Program } from '../support/program.ts';
import { SimulatedNode } from '../support/simulated-node.ts';
import { handKeys, OneOfTwo, TwoRequesters } from '../support/two-requesters.ts';

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);

describe('two requesters of one roll, on a NATS of your own', () => {
  let two: TwoRequesters;
  const decided: { node: string; reason: string }[] = [];

  before(async () => {
    // The tests run beside others, and what is tested here is no silence of the nodes.
    two = await TwoRequesters.start({
      'requester.nodeDisconnectedAfter': '20s',
      'requester.nodeUnknownAfter': '40s',
    });
  });

  after(() => two?.release());

  /** Lets new nodes in, which wait for a decision, and returns their ids. */
  const newcomers = async (prefix: string, count: number) =>
    (await two.join(named(prefix, count))).map(({ id }) => id);

  const decide = async (at: 'watcher' | 'standby', node: string, action: 'approve' | 'reject') => {
    const reason = `${action} ${node} at the ${at}, ${decided.length}`;
    const { [at]: requester } = await two.roles();
    assert.equal(await requester.decide(node, action, reason), 200, reason);
    decided.push({ node, reason });
  };

  /** Waits until all decisions were told, and expects each event once, in order, and no change of health. */
  const checkEvents = async () => {
    const { watcher } = await two.roles();
    let events: CloudEvent[] = [];
    await eventually('every decision is told', async () => {
      events = await watcher.events();
      const told = new Set(events.map(({ data }) => data.reason));
      return decided.every(({ reason }) => told.has(reason));
    });
    const ledger = new EventLedger('node-0');
    for (const event of events) ledger.add(Buffer.from(JSON.stringify(event)));
    assert.deepEqual(ledger.faults, []);
    for (const { node, reason } of decided)
      assert.equal(events.filter(({ data }) => data.reason === reason).length, 1, `${node}: ${reason}`);
    const registered = events
      .filter(({ type }) => type.endsWith('.registered'))
      .map(({ subject }) => subject);
    assert.deepEqual(registered.toSorted(), [...new Set(registered)].sort(), 'no node registers again');
    const silent = events.filter(({ type }) => /\.(unhealthy|unknown)$/.test(type));
    assert.deepEqual(silent, []);
  };

  it('both answer reads and take decisions, and each knows the other', async () => {
    const nodes = await newcomers('early', 12);
    await two.cluster.agent('read-agent');
    nodes.push('read-agent');
    for (const [index, node] of nodes.entries())
      await decide(index % 2 === 0 ? 'watcher' : 'standby', node, 'approve');
    for (const requester of [two.one, two.other]) {
      for (const node of nodes)
        await eventually(
          `${node} is shown`,
          async () => (await requester.stateOf(node)) === 'APPROVED HEALTHY',
        );
      const own = (await requester.nodes()).filter(({ Info }) => Info.NodeType === 'Requester');
      assert.deepEqual(own.map(({ Info }) => Info.NodeID).sort(), ['node-0', 'node-b']);
    }
    const { watcher } = await two.roles();
    // One that stands still for some seconds counts as gone until it is heard again.
    await eventually('each knows the other, and who watches', async () => {
      const [one, other] = [await two.one.status(), await two.other.status()];
      const peers = [one, other].map(status => status.peers?.map(({ requester }) => requester).join());
      return (
        peers.join(' ') === 'node-b node-0' && one.watcher === watcher.id && other.watcher === watcher.id
      );
    });
    const { stdout } = await two.cluster.command('node', 'list', '-o', 'wide');
    for (const { id } of [two.one, two.other])
      assert.match(
        stdout,
        new RegExp(`^${id} +Requester .* - +${id === watcher.id ? 'watches' : '-'} `, 'm'),
      );
    await checkEvents();
  });

  it('when the watcher is killed while nodes register, every decision stands and each event is told once', async () => {
    const { watcher, standby } = await two.roles();
    await two.cluster.agent('killed-agent');
    const nodes = await newcomers('killed', 8);
    await decide('watcher', 'killed-agent', 'approve');
    for (const node of nodes) await decide('standby', node, 'approve');
    const { session, registeredAt } = (await two.cluster.sentinel('killed-agent')) ?? {};
    assert.ok(session);
    const late = named('late', 16);
    const joining = two.join(late);
    for (const node of nodes.slice(0, 4)) await decide('watcher', node, 'reject');
    await watcher.program?.kill();
    for (const node of nodes.slice(4)) {
      const reason = `reject ${node} without the watcher`;
      assert.equal(await standby.decide(node, 'reject', reason), 200);
      decided.push({ node, reason });
    }
    await joining;
    await standby.untilItWatches();
    for (const node of nodes)
      assert.match((await standby.stateOf(node)) ?? '', /^REJECTED/, `${node} is as it was decided`);
    // The last ones may have been accepted a moment ago, and are UNKNOWN until their first heartbeat.
    for (const node of late)
      await eventually(`${node} is healthy`, async () => (await standby.stateOf(node)) === 'PENDING HEALTHY');
    await watcher.start();
    await checkEvents();
    assert.equal(await standby.stateOf('killed-agent'), 'APPROVED HEALTHY');
    const sentinel = await two.cluster.sentinel('killed-agent');
    assert.deepEqual(
      [sentinel?.session, sentinel?.registeredAt],
      [session, registeredAt],
      'it keeps its session',
    );
  });

  it('a watcher that is stopped hands the watch over, and the other one goes on telling', async () => {
    const { watcher, standby } = await two.roles();
    const nodes = await newcomers('stopped', 4);
    assert.equal((await watcher.program?.stop())?.code, 0);
    await standby.untilItWatches();
    for (const node of nodes) {
      const reason = `approve ${node} after a stop`;
      assert.equal(await standby.decide(node, 'approve', reason), 200);
      decided.push({ node, reason });
    }
    await watcher.start();
    await checkEvents();
  });

  it('a watcher that was suspended for longer than its lease tells nothing twice when it wakes', async () => {
    const { watcher, standby } = await two.roles();
    const nodes = await newcomers('suspended', 8);
    const waiting = nodes.slice(0, 4).map(node => decide('watcher', node, 'approve'));
    watcher.program?.signal('SIGSTOP');
    await Promise.allSettled(waiting.map(each => Promise.race([each, standby.untilItWatches()])));
    await standby.untilItWatches();
    for (const node of nodes.slice(4)) {
      const reason = `reject ${node} while the watcher sleeps`;
      assert.equal(await standby.decide(node, 'reject', reason), 200);
      decided.push({ node, reason });
    }
    watcher.program?.signal('SIGCONT');
    await watcher.program?.untilPrinted(/another requester watches over the roll now; this one stands by/);
    await Promise.all(waiting);
    await checkEvents();
    assert.equal((await watcher.status()).watcher, standby.id);
  });

  it('one that was suspended while many events waited contradicts nothing when it wakes, and none is lost', async () => {
    const { watcher, standby } = await two.roles();
    const crowd = await two.join(named('crowd', 40));
    const answered = Promise.withResolvers<void>();
    const waiting = crowd.map(async ({ id }) => {
      const reason = `approve ${id} before the watcher sleeps`;
      // One that got no answer in time may stand or not.
      if ((await watcher.decide(id, 'approve', reason)) === 200) decided.push({ node: id, reason });
      answered.resolve();
    });
    // Each is UNKNOWN now, and HEALTHY with its next heartbeat. All of that is to be told.
    const leaving = crowd.map(node => node.ask('Leave/v1'));
    await answered.promise;
    watcher.program?.signal('SIGSTOP');
    await standby.untilItWatches();
    const again = crowd.slice(0, 20).map(async ({ id }) => {
      const reason = `reject ${id} while the watcher sleeps`;
      // The decision at the watcher may not stand yet.
      await eventually(reason, async () => (await standby.decide(id, 'reject', reason)) === 200);
      decided.push({ node: id, reason });
    });
    await Promise.all(again);
    watcher.program?.signal('SIGCONT');
    await eventually('it stands by', async () => (await watcher.status()).watcher === standby.id);
    await Promise.all([...waiting, ...leaving]);
    for (const { id } of crowd)
      await eventually(`${id} is healthy`, async () => / HEALTHY$/.test((await standby.stateOf(id)) ?? ''));
    await checkEvents();
    await eventually('the last that was told of each is that it is healthy', async () => {
      const last = new Map<string, string>();
      for (const { subject, data } of await standby.events())
        if (data.current.health) last.set(subject, data.current.health);
      return crowd.every(({ id }) => last.get(id) === 'HEALTHY');
    });
  });

  it('bring back a deleted node whose agent knows of its deletion, whichever of them is asked', async () => {
    const agent = await two.cluster.agent('back-agent');
    const quiet = /this node was deleted by an operator; it is quiet/g;
    for (const [index, requester] of [two.one, two.other].entries()) {
      assert.equal(await requester.decide('back-agent', 'delete', 'by mistake'), 200);
      await eventually('its agent knows', () => [...agent.stderr.matchAll(quiet)].length > index);
      assert.equal(await requester.decide('back-agent', 'undelete', 'was a mistake'), 200);
      await eventually(
        'it is back',
        async () => (await requester.stateOf('back-agent')) === 'PENDING HEALTHY',
      );
    }
  });

  it('a requester with the id of another one does not start, and names it', async t => {
    const { cluster } = two;
    const folder = join(cluster.folder, 'third');
    await cp(join(cluster.folderOf('node-0'), 'requester'), join(folder, 'requester'), {
      recursive: true,
      filter: path => !/\.(sock|tmp)$/.test(path),
    });
    const third = new Program([
      'requester',
      ...['--data-dir', folder, '--node-id', 'node-0', '--nats-servers', cluster.servers, '--api-port', '0'],
    ]);
    t.after(() => third.kill());
    const { code, stderr } = await third.finished;
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      /requester node-0 \(process \d+ on \S+, since \S+\) already keeps this cluster's roll/,
    );
    assert.match(stderr, /give this one another node\.id/);
  });
});

describe('a store of two requesters that is lost while one of them is cut off', () => {
  let two: TwoRequesters;
  before(async () => {
    two = await TwoRequesters.start();
  });
  after(() => two?.release());

  it('gets back what the watcher knows, and nothing that the other one remembers', async () => {
    const { watcher, standby } = await two.roles();
    const make = async (Name: string) => {
      const { status, text } = await watcher.send('POST', 'operators', { body: { Name, Actor: 'a test' } });
      assert.equal(status, 200, text);
      return (JSON.parse(text) as { Token: string }).Token;
    };
    const [revoked, kept] = [await make('ada'), await make('bob')];
    const isKnown = async (at: OneOfTwo, token: string) =>
      (await at.send('GET', 'operators', { token })).status === 200;
    for (const token of [revoked, kept])
      await eventually('the other one knows it', () => isKnown(standby, token));
    standby.program?.signal('SIGSTOP');
    // Its link ends, so it does not hear of what follows.
    await two.server.kill();
    await two.server.start();
    await eventually('an operator is revoked', async () => {
      const { status } = await watcher.send('DELETE', 'operators/ada', { body: { Actor: 'a test' } });
      // An attempt without an answer may have been carried out.
      return status === 200 || status === 404;
    });
    await two.server.kill();
    await two.server.wipe();
    await two.server.start();
    standby.program?.signal('SIGCONT');
    await eventually('both let in the operator who was not revoked', async () => {
      const found = await Promise.all([watcher, standby].map(at => isKnown(at, kept)));
      const states = await Promise.all([watcher, standby].map(at => at.status()));
      return found.every(Boolean) && states.every(({ state }) => state === 'ready');
    });
    await eventually(
      'the other one has forgotten the one who was',
      async () => !(await isKnown(standby, revoked)),
    );
    assert.equal(await isKnown(watcher, revoked), false);
    const names = JSON.parse((await watcher.send('GET', 'operators')).text) as {
      Operators: { Name: string }[];
    };
    assert.deepEqual(
      names.Operators.map(({ Name }) => Name).filter(name => /^(ada|bob)$/.test(name)),
      ['bob'],
    );
  });
});

describe('a second requester on the broker of the first one, over TLS', () => {
  const network = { 'broker.host': '0.0.0.0', 'broker.advertise': '127.0.0.1' };
  let cluster: Cluster;
  let first: OneOfTwo;
  let second: OneOfTwo;
  let flags: string[];

  before(async () => {
    cluster = await Cluster.create();
    first = new OneOfTwo(cluster, 'node-0', cluster.apiPort, network);
    const port = String(cluster.brokerPort);
    // The first start makes the CA.
    await (await first.start()).stop();
    flags = ['--broker-host', '0.0.0.0', '--broker-advertise', '127.0.0.1', '--broker-port', port];
    const key = await handKeys(cluster, 'node-b', ...flags);
    second = new OneOfTwo(cluster, 'node-b', await freePort(), {
      'nats.servers': `tls://127.0.0.1:${port}`,
      'nats.tls.caFile': join(cluster.folderOf('node-b'), 'requester', 'broker-ca.pem'),
    });
    await first.start({ 'broker.requesters': key });
    await second.start();
  });

  after(() => cluster?.release());

  const view = async () => JSON.parse((await first.send('GET', 'authorities')).text) as AuthoritiesView;
  const caFile = () => join(cluster.folder, 'ca.pem');

  /** Lets in new nodes over TLS and approves them. They leave with the test. */
  const approved = async (t: TestContext, ids: readonly string[]) => {
    await writeFile(caFile(), (await view()).CA);
    const reading = readJoinCode(await cluster.newJoinCode());
    assert.ok(reading.kind === 'valid');
    const entrance = {
      servers: `tls://127.0.0.1:${cluster.brokerPort}`,
      joinToken: reading.code.token,
      caFile: caFile(),
    };
    const nodes = ids.map(id => new SimulatedNode(id, entrance));
    t.after(() => Promise.all(nodes.map(node => node.close())));
    for (const node of nodes) {
      await node.connection.connected();
      // What was asked before and got no answer in time may have been carried out.
      await eventually('it registers', async () =>
        /^(registered|reconnected)$/.test((await node.ask('RegisterNode/v1')) ?? ''),
      );
      await eventually('it is approved', async () =>
        [200, 409].includes(await first.decide(node.id, 'approve', '')),
      );
      assert.match((await first.stateOf(node.id)) ?? '', /^APPROVED/);
    }
    return nodes;
  };

  it('is let in by its own key, asked whom to let in, and decides', async t => {
    assert.equal((await second.status()).trust, 'keys');
    // The code alone says where the broker is.
    await cluster.agent('node-1', { 'nats.servers': '' });
    // The next CA would wait for it.
    t.after(() => first.decide('node-1', 'reject', 'the test is over'));
    assert.equal(await second.decide('node-1', 'approve', 'by the second one'), 200);
    for (const requester of [first, second])
      await eventually(
        'it is approved',
        async () => (await requester.stateOf('node-1')) === 'APPROVED HEALTHY',
      );
  });

  it('waits and says so while the first one is gone with its broker, and goes on when that is back', async t => {
    await approved(t, ['waits']);
    await first.program?.stop();
    await eventually('it says so', async () => {
      const { broker, troubles = [] } = await second.status();
      return !broker.startsWith('connected') && troubles.length > 0;
    });
    assert.ok((await second.decide('waits', 'reject', 'without a broker')) >= 500);
    await first.start();
    await eventually('it is back', async () => (await second.status()).broker.startsWith('connected'));
    await eventually('it decides', async () => (await second.decide('waits', 'reject', 'it is back')) < 500);
    await eventually('both know', async () => /^REJECTED/.test((await first.stateOf('waits')) ?? ''));
  });

  it('tells each node of the next CA, counts who keeps it whichever requester hears that, and both use it', async t => {
    const nodes = await approved(t, named('keeper', 12));
    // It was started again a moment ago, and counts what the second one hears once it knows of that one.
    await eventually('the first one knows the second', async () => {
      const { peers = [] } = await first.status();
      return peers.some(({ requester }) => requester === 'node-b');
    });
    const made = await first.send('POST', 'authorities', { body: { Force: false, Actor: 'a test' } });
    assert.equal(made.status, 200, made.text);
    const elsewhere = await second.send('POST', 'authorities', { body: { Force: false, Actor: 'a test' } });
    assert.equal(elsewhere.status, 409);
    assert.match(elsewhere.text, /requester node-0 makes the CA of the broker.*on the machine of node-0/s);
    const { Authorities, Missing, CA } = await view();
    const pins = Authorities.map(({ Pin }) => Pin);
    assert.deepEqual([pins.length, Missing], [2, nodes.length]);
    await writeFile(caFile(), CA);
    await eventually('both requesters tell', async () => {
      const told = await Promise.all(nodes.map(node => node.keep(pins.slice(0, 1))));
      return told.every(each => each?.join() === pins.join());
    });
    // Each says once that it keeps both, and either requester answers. An earlier report may be carried out later.
    for (const node of nodes)
      await eventually('it is heard', async () => (await node.keep(pins)) !== undefined);
    await eventually('all are counted', async () => (await view()).Missing === 0);

    await handKeys(cluster, 'node-b', ...flags);
    await second.program?.stop();
    await second.start();
    await first.program?.stop();
    await first.start();
    const [present] = (await view()).Authorities;
    assert.deepEqual(present, { Pin: pins[1], Use: 'present' });
    await eventually('the other is back', async () => (await second.status()).broker.startsWith('connected'));
    for (const node of nodes)
      await eventually(
        'it is back',
        async () => (await node.keep(pins))?.join() === pins.toReversed().join(),
      );
  });
});
