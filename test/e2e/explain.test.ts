// Decisions whose answer was lost: they are repeated at another requester without harm, and `muster explain` says later what
// became of each.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connect } from 'nats';
import type { OperationView } from '../../agent/protocol/http-operations.ts';
import { newOperation } from '../../agent/protocol/operation.ts';
import { systemRandom } from '../../agent/system/random.ts';
import type { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { NatsCluster } from '../support/nats-cluster.ts';
import { type OnThreeServers, startOnThreeServers } from '../support/on-three-servers.ts';
import { muster, Program } from '../support/program.ts';
import { type OneOfTwo, TwoRequesters } from '../support/two-requesters.ts';

const operationOf = () => newOperation(new Date(), systemRandom.uuid());

describe('with two requesters', () => {
  let two: TwoRequesters;
  const nodes = ['node-1', 'node-2', 'node-3', 'node-4'];

  before(async () => {
    two = await TwoRequesters.start({
      'requester.nodeDisconnectedAfter': '20s',
      'requester.nodeUnknownAfter': '40s',
    });
    await two.join(nodes);
  });
  after(() => two?.release());

  /** Asks a requester by the command. Returns the exit code and what it says. */
  async function explain(operation: string, requester: OneOfTwo) {
    const { code, stdout, stderr } = await muster([
      ...['explain', operation, '-o', 'json', '--api-port', String(requester.port)],
    ]);
    return { code, stderr, view: code === 69 ? undefined : (JSON.parse(stdout) as OperationView) };
  }

  const eventsOf = async (operation: string) =>
    (await two.one.events()).filter(({ data }) => data.operation === operation);

  it('a repeated request is answered alike at either, is decided once, and told once', async () => {
    const operation = operationOf();
    for (const requester of [two.one, two.other, two.one])
      assert.equal(await requester.decide('node-1', 'approve', 'because', operation), 200);
    await eventually('its event is told', async () => (await eventsOf(operation)).length > 0);
    for (const requester of [two.one, two.other]) {
      const { code, view } = await explain(operation, requester);
      assert.deepEqual([code, view?.State], [0, 'stands']);
      const [decision] = view?.Decisions ?? [];
      assert.deepEqual(
        [decision?.NodeID, decision?.Kind, decision?.Reason, decision?.ClaimedActor],
        ['node-1', 'approved', 'because', 'a test'],
      );
      assert.equal(decision?.Event?.ID, (await eventsOf(operation))[0]?.id);
    }
    const later = operationOf();
    assert.equal(await two.other.decide('node-1', 'reject', 'after all', later), 200);
    assert.equal(await two.one.decide('node-1', 'approve', 'because', operation), 200);
    assert.equal((await two.other.stateOf('node-1'))?.split(' ')[0], 'REJECTED');
    const { code, view } = await explain(operation, two.one);
    assert.deepEqual([code, view?.State, view?.Decisions[0]?.Later?.Operation], [0, 'overtaken', later]);
    assert.equal((await eventsOf(operation)).length, 1);
  });

  it('commands go on at the other one when the first hangs, which does nothing more when it wakes', async t => {
    const { watcher, standby } = await two.roles();
    const token = `${two.cluster.folderOf('node-0')}/requester/operator.token`;
    const servers = [watcher, standby].map(({ port }) => `127.0.0.1:${port}`).join();
    const flags = ['--api-servers', servers, '--api-token-file', token];
    const following = new Program(['events', '--follow', '--node', 'node-2', ...flags]);
    t.after(() => following.kill());
    await eventually('the first one sends the events', () => /registered/.test(following.stdout));
    watcher.program?.signal('SIGSTOP');
    const { code, stderr } = await muster(['node', 'approve', 'node-2', '-m', 'once', ...flags]);
    assert.equal(code, 0, stderr);
    await eventually('the other one sends them', () => /approved/.test(following.stdout), 60_000);
    assert.match(following.stderr, /gives no sign of life/);
    watcher.program?.signal('SIGCONT');
    await eventually('its event is told', async () => (await two.cluster.kindsOf('node-2')).length > 1);
    await eventually('both know it', async () =>
      (await Promise.all([watcher, standby].map(each => each.stateOf('node-2')))).every(state =>
        state?.startsWith('APPROVED'),
      ),
    );
    const told = (await two.cluster.kindsOf('node-2')).filter(kind => kind === 'approved');
    assert.deepEqual(told, ['approved']);
  });

  it('one that hung does not carry out what its caller gave up, so that the later decision stands', async () => {
    const { watcher, standby } = await two.roles();
    const [given, later] = [operationOf(), operationOf()];
    standby.program?.signal('SIGSTOP');
    const asking = standby.send('PUT', 'nodes/node-4', {
      body: { Action: 'approve', Message: '', Actor: 'a test' },
      operation: given,
      signal: AbortSignal.timeout(1_000),
    });
    await assert.rejects(asking, { name: 'TimeoutError' });
    // A command may start so late on a busy machine that the other one counts as gone.
    const { text } = await watcher.send('GET', `operations/${given}`);
    const { Operation: meanwhile } = JSON.parse(text) as { Operation: OperationView };
    assert.equal(meanwhile.State, 'unknown');
    assert.deepEqual(meanwhile.Doubts, [
      `requester ${standby.id} does not answer: if it hangs, it may still carry out what it has got`,
    ]);
    assert.equal(await watcher.decide('node-4', 'reject', 'instead', later), 200);
    standby.program?.signal('SIGCONT');
    await eventually('it knows the later decision', async () =>
      /^REJECTED/.test((await standby.stateOf('node-4')) ?? ''),
    );
    // When the connection was reset before the request was read, it is unknown.
    await eventually('it has not carried out the first', async () => {
      const { view } = await explain(given, standby);
      return /^(refused|unknown)$/.test(view?.State ?? '');
    });
    await eventually('its event is told', async () => (await eventsOf(later)).length > 0);
    assert.match((await standby.stateOf('node-4')) ?? '', /^REJECTED/);
    const told = await two.cluster.kindsOf('node-4');
    assert.deepEqual(
      told.filter(kind => /^(approved|rejected)$/.test(kind)),
      ['rejected'],
    );
  });

  it('one that hung does not carry out what a caller gave up whose machine closes no connection', async () => {
    const { watcher, standby } = await two.roles();
    const operation = operationOf();
    const time = (await fetch(`http://127.0.0.1:${standby.port}/api/v1/auth`)).headers.get(
      'muster-requester-time',
    );
    standby.program?.signal('SIGSTOP');
    const asking = standby.send('PUT', 'nodes/node-4', {
      body: { Action: 'approve', Message: '', Actor: 'a test' },
      operation,
      headers: { 'muster-requester-time': time ?? '', 'muster-caller-wait': '1' },
    });
    asking.catch(() => undefined);
    assert.equal((await explain(operation, watcher)).view?.State, 'unknown');
    standby.program?.signal('SIGCONT');
    const { status, text } = await asking;
    assert.equal(status, 503, text);
    assert.match(text, /nothing was done: the request came after its caller had given up/);
    assert.match((await watcher.stateOf('node-4')) ?? '', /^REJECTED/);
  });

  it('the other one explains what the one that was killed has answered', async () => {
    const { watcher, standby } = await two.roles();
    const operation = operationOf();
    assert.equal(await watcher.decide('node-3', 'delete', 'gone', operation), 200);
    await watcher.program?.kill();
    const { code, view } = await explain(operation, standby);
    assert.deepEqual(
      [code, view?.State, view?.Decisions[0]?.NodeID, view?.Decisions[0]?.Kind],
      [0, 'stands', 'node-3', 'deleted'],
    );
    await standby.untilItWatches();
    await eventually('its event is told', async () => {
      const told = await explain(operation, standby);
      return told.view?.Decisions[0]?.Event !== undefined;
    });
    await watcher.start();
  });

  it('says what was refused, and what nobody has recorded', async () => {
    const refused = operationOf();
    assert.equal(await two.one.decide('node-9', 'approve', '', refused), 404);
    const { code, view } = await explain(refused, two.one);
    assert.deepEqual(
      [code, view?.State, view?.Refusals[0]?.Reason],
      [1, 'refused', 'node not found: node-9'],
    );
    for (const operation of [
      operationOf(),
      newOperation(new Date(0), systemRandom.uuid()),
      newOperation(new Date('2999-01-01'), systemRandom.uuid()),
    ]) {
      const unknown = await explain(operation, two.other);
      assert.deepEqual([unknown.code, unknown.view?.State], [1, 'unknown'], unknown.stderr);
    }
  });
});

describe('on three servers without a quorum', () => {
  let started: OnThreeServers | undefined;
  let nats: NatsCluster;
  let cluster: Cluster;

  before(async () => {
    started = await startOnThreeServers();
    ({ nats, cluster } = started);
  });
  after(() => started?.release());

  /** Has the server lead that the requester is connected to, so that it takes writes alone. Returns the others. */
  async function untilItsServerLeads() {
    const { broker } = await cluster.status();
    const own = nats.servers.findIndex(({ url }) => broker.includes(url));
    assert.ok(own >= 0, broker);
    const link = await connect({ servers: nats.server(own).url });
    const body = JSON.stringify({ placement: { preferred: `s${own}` } });
    await eventually('the server of the requester leads', async () => {
      // Nobody answers while another one is chosen.
      const ask = (method: string, text: string) =>
        link.request(`$JS.API.${method}.KV_node_v1`, text, { timeout: 1_000 }).catch(() => undefined);
      const info = (await ask('STREAM.INFO', ''))?.json<{ cluster?: { leader?: string } }>();
      if (info && info.cluster?.leader !== `s${own}`) await ask('STREAM.LEADER.STEPDOWN', body);
      return info?.cluster?.leader === `s${own}`;
    });
    await link.close();
    return nats.servers.filter((_, index) => index !== own);
  }

  /**
   * Approves a node by the command just when two servers are paused. When the server that led has already given that up, nothing
   * is written and the command says so; then it is done again.
   */
  async function decideWithoutQuorum() {
    const token = `${cluster.folderOf('node-0')}/requester/operator.token`;
    for (let attempts = 1; ; attempts++) {
      const away = await untilItsServerLeads();
      for (const server of away) server.pause();
      const asked = await cluster.command('node', 'approve', 'node-1', '--api-token-file', token);
      if (attempts === 5 || !/was not stored/.test(asked.stderr)) return { asked, away };
      for (const server of away) server.resume();
    }
  }

  it('a decision without an answer names its operation, which cannot be known then, and is known afterwards', async () => {
    const { asked, away } = await decideWithoutQuorum();
    assert.equal(asked.code, 69, asked.stderr);
    const [, operation = ''] = /muster explain ([0-9a-f-]{36})/.exec(asked.stderr.replace(/\s+/g, ' ')) ?? [];
    assert.ok(operation, asked.stderr);
    const now = await cluster.command('explain', operation);
    assert.equal(now.code, 69, now.stdout);
    assert.match(now.stderr.replace(/\s+/g, ' '), /it cannot be known now what became of operation/);
    for (const server of away) server.resume();
    let code: number | null = 69;
    await eventually(
      'it is known what became of it',
      async () => {
        ({ code } = await cluster.command('explain', operation));
        return code !== 69;
      },
      60_000,
    );
    const membership = code === 0 ? 'APPROVED' : 'PENDING';
    await eventually(
      `the roll says ${membership}`,
      async () => (await cluster.node('node-1'))?.Membership === membership,
    );
    // It may be repeated safely: whatever became of it, it stands afterwards, and is told once.
    const repeated = await fetch(`http://127.0.0.1:${cluster.apiPort}/api/v1/orchestrator/nodes/node-1`, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${await cluster.operatorToken()}`,
        'muster-operation': operation,
      },
      body: JSON.stringify({ Action: 'approve' }),
    });
    assert.equal(repeated.status, 200, await repeated.text());
    // Another server may be asked each time, which may not have all of them yet.
    let told: string[] = [];
    await eventually('it is told', async () => {
      told = (await cluster.kindsOf('node-1')).filter(kind => kind === 'approved');
      return told.length > 0;
    });
    assert.deepEqual(told, ['approved']);
  });
});
