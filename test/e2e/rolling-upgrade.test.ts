// Two requesters and their agents are upgraded one after the other, and one requester goes back: an earlier program and the
// present one keep one roll together.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EventLedger } from '../campaign/event-ledger.ts';
import { earlierCommits, earlierProgram, whyNoEarlierProgram } from '../support/earlier-program.ts';
import { eventually } from '../support/eventually.ts';
import { muster, type Program } from '../support/program.ts';
import { newFolder } from '../support/temporary.ts';
import { type OneOfTwo, TwoRequesters } from '../support/two-requesters.ts';

describe('a rolling upgrade of two requesters', { skip: (await whyNoEarlierProgram()) ?? false }, () => {
  let earlier: { main: string };
  const present = {};
  let two: TwoRequesters;
  const crowd = ['crowd-0', 'crowd-1', 'crowd-2', 'crowd-3'];
  const newcomers: string[] = [];
  const agents = ['agent-earlier', 'agent-present'];
  const decided: { node: string; action: 'approve' | 'reject'; reason: string }[] = [];
  let agent: Program;
  let sentinels: unknown[];

  before(async () => {
    earlier = {
      main: await earlierProgram(join(await newFolder(), 'earlier'), earlierCommits.severalRequesters),
    };
    // What is tested here is no silence of the nodes.
    two = await TwoRequesters.start(
      { 'requester.nodeDisconnectedAfter': '20s', 'requester.nodeUnknownAfter': '40s' },
      earlier,
    );
    await two.join(crowd);
    agent = await two.cluster.agent('agent-earlier', {}, earlier);
    await two.cluster.agent('agent-present', {}, present);
    for (const id of agents) await decide(two.other, id, 'approve');
    sentinels = await readSentinels();
  });

  after(() => two?.release());

  const readSentinels = () =>
    Promise.all(
      agents.map(async id => {
        const { session, registeredAt } = (await two.cluster.sentinel(id)) ?? assert.fail(id);
        return [session, registeredAt];
      }),
    );

  async function decide(at: OneOfTwo, node: string, action: 'approve' | 'reject'): Promise<void> {
    const reason = `${action} ${node} at ${at.id}, ${decided.length}`;
    assert.equal(await at.decide(node, action, reason), 200, reason);
    decided.push({ node, action, reason });
  }

  const flip = (node: string) =>
    decided.findLast(each => each.node === node)?.action === 'approve' ? 'reject' : 'approve';

  async function isAllTold(at: OneOfTwo): Promise<boolean> {
    const reasons = new Set((await at.events()).map(({ data }) => data.reason));
    return decided.every(({ reason }) => reasons.has(reason));
  }

  /**
   * Decides about the crowd at a requester until `work` is done, and once at least. While nobody announces, 63 changes of a node wait
   * at most, and more of them are announced together. A fast machine decides that often, so now and then it waits for the events.
   */
  async function decidingAt(at: OneOfTwo, work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const ended = work.finally(() => {
      isDone = true;
    });
    for (let turn = 0; turn < crowd.length || !isDone; turn++) {
      const node = crowd[turn % crowd.length] ?? '';
      await decide(at, node, flip(node));
      if (turn % (20 * crowd.length) > 0 || turn === 0) continue;
      await eventually('what was decided is told', async () => isDone || (await isAllTold(at)));
    }
    await ended;
  }

  async function end(program: Program | undefined): Promise<void> {
    const stopped = await program?.stop();
    assert.equal(stopped?.code, 0, stopped?.stderr ?? 'it does not run');
    quiet(program);
  }

  /** Lets a requester end and start again with another program, while the other one takes the decisions. */
  async function replace(which: OneOfTwo, by: { main?: string }): Promise<void> {
    const beside = which === two.one ? two.other : two.one;
    const change = async () => {
      await end(which.program);
      // One that starts takes the lease too when nobody holds it, before a slow one beside it looks.
      await beside.untilItWatches();
      await which.start({}, by);
    };
    await decidingAt(beside, change());
    await decidingAt(which, letIn(`newcomer-${newcomers.length}`));
    await agree();
  }

  /** Makes a backup by the present program, on the machine of a requester. */
  const backup = (at: OneOfTwo) => {
    const [file, data] = [join(two.cluster.folder, `${at.id}.backup`), two.cluster.folderOf(at.id)];
    return muster(['backup', file, '--data-dir', data, '--nats-servers', two.server.url]);
  };

  /** Lets a node come in, which either requester may answer, and approves it. */
  async function letIn(id: string): Promise<void> {
    newcomers.push(id);
    await two.join([id]);
    await decide(two.one, id, 'approve');
  }

  /** Expects that both show every node as it was decided, and each event once, in order, with no further registration. */
  async function agree(): Promise<void> {
    for (const requester of [two.one, two.other]) {
      for (const node of [...crowd, ...agents, ...newcomers]) {
        const membership =
          decided.findLast(each => each.node === node)?.action === 'approve' ? 'APPROVED' : 'REJECTED';
        let seen: string | undefined;
        await eventually(`${requester.id} shows ${node} as ${membership} HEALTHY`, async () => {
          seen = await requester.stateOf(node);
          return seen === `${membership} HEALTHY`;
        }).catch(cause => assert.fail(`${requester.id} shows ${node} as ${seen}: ${cause}`));
      }
      await eventually('every decision is told', () => isAllTold(requester));
      const ledger = new EventLedger('node-0');
      const events = await requester.events();
      for (const event of events) ledger.add(Buffer.from(JSON.stringify(event)));
      assert.deepEqual(ledger.faults, []);
      const registered = events
        .filter(({ type }) => type.endsWith('.registered'))
        .map(({ subject }) => subject);
      assert.deepEqual(registered.toSorted(), [...new Set(registered)].sort(), 'no node registers again');
      assert.deepEqual(
        events.filter(({ type }) => /\.(unhealthy|unknown)$/.test(type)),
        [],
      );
    }
    assert.deepEqual(await readSentinels(), sentinels, 'they keep their sessions');
  }

  const quiet = (program: Program | undefined) =>
    assert.doesNotMatch(program?.stderr ?? '', /"level":"error"|set aside|cannot be read|registering again/);

  it('keeps every decision, event and registration when one, and then the other, is upgraded', async () => {
    const { watcher, standby } = await two.roles();
    for (const node of crowd) await decide(standby, node, 'approve');
    await replace(watcher, present);
    // What needs both is refused while they are of two versions, and says which of them cannot do it.
    const refused = await backup(watcher);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, new RegExp(`${standby.id}[^]*nothing was done[^]*of this version`));
    await agree();
    await replace(standby, present);
    assert.equal((await backup(standby)).code, 0);
  });

  it('goes on with an agent that is upgraded', async () => {
    const change = async () => {
      await end(agent);
      agent = await two.cluster.agent('agent-earlier', {}, present);
      await agent.untilPrinted(/"msg":"approved"/);
    };
    await decidingAt(two.other, change());
    await agree();
  });

  it('goes back to the earlier program at one of them, also when that one watches', async () => {
    const { watcher, standby } = await two.roles();
    await replace(standby, earlier);
    await replace(watcher, present);
    for (const { program } of [watcher, standby]) quiet(program);
    quiet(agent);
  });
});
