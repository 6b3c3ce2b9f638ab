// Renames while requesters are killed, while another one is of an earlier version, and before a rollback. Each node stays under
// exactly one id, and each agent finds its own. All processes are real.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { earlierCommits, earlierProgram, whyNoEarlierProgram } from '../support/earlier-program.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { newFolder } from '../support/temporary.ts';
import { type OneOfTwo, TwoRequesters } from '../support/two-requesters.ts';

const rename = (at: OneOfTwo, id: string, newId: string) =>
  at.send('PUT', `nodes/${id}`, { body: { Action: 'rename', Exact: true, NewID: newId } });

// A key that an earlier version refuses comes again after half a minute at the latest.
const untilItIs = (at: OneOfTwo, id: string, state: string) =>
  eventually(`${id} is ${state} at ${at.id}`, async () => (await at.stateOf(id)) === state, 120_000);

describe('a rename while a requester is killed', () => {
  let two: TwoRequesters;
  const kills = 5;

  before(async () => {
    two = await TwoRequesters.start({
      'requester.nodeDisconnectedAfter': '20s',
      'requester.nodeUnknownAfter': '40s',
    });
    await two.cluster.agentOnDisk('n-0');
    await two.cluster.decide('n-0', 'approve');
  });

  after(() => two?.release());

  it('ends, or does not begin, and no reader ever sees both ids or none', async () => {
    for (let round = 1, id = 'n-0'; round <= kills; round++) {
      await untilItIs(two.one, id, 'APPROVED HEALTHY');
      const newId = `n-${round}`;
      const { watcher, standby } = await two.roles();
      const seen = new Set<string>();
      let isOver = false;
      const reading = (async () => {
        while (!isOver) {
          const ids = (await standby.nodes()).map(({ Info }) => Info.NodeID).filter(each => /^n-/.test(each));
          seen.add(ids.join(' and ') || 'none');
        }
      })();
      const answer = rename(watcher, id, newId).catch(() => ({ status: 0 }));
      // The moment is left to chance: any of them must do.
      await pause(round * 4);
      await watcher.program?.kill();
      const { status } = await answer;
      await standby.untilItWatches();
      await eventually('the rename has ended, or has not begun', async () => {
        const kinds = (await standby.events()).flatMap(({ type, data }) =>
          type.endsWith('.renamed') ? [data.newId ?? data.formerId] : [],
        );
        return kinds.filter(each => each === newId).length === kinds.filter(each => each === id).length;
      });
      await watcher.start();
      isOver = true;
      await reading;
      for (const ids of seen) assert.ok([id, newId].includes(ids), `round ${round}: ${ids}`);
      const isRenamed = (await standby.stateOf(newId)) !== undefined;
      if (status === 200) assert.ok(isRenamed, 'what was acknowledged stands');
      if (isRenamed) id = newId;
      const expected = isRenamed ? 'APPROVED HEALTHY' : undefined;
      for (const each of [two.one, two.other])
        await eventually(`${each.id} knows it`, async () => (await each.stateOf(newId)) === expected);
    }
  });
});

describe('a rename beside a requester of an earlier version', {
  skip: (await whyNoEarlierProgram()) ?? false,
}, () => {
  let two: TwoRequesters;
  let earlier: { main: string };
  const present = {};
  let agent: Program;

  before(async () => {
    const folder = join(await newFolder(), 'earlier');
    earlier = { main: await earlierProgram(folder, earlierCommits.severalRequesters) };
    two = await TwoRequesters.start();
    for (const id of ['n-1', 'n-2', 'n-3']) {
      agent = await two.cluster.agentOnDisk(id);
      await two.cluster.decide(id, 'approve');
      await untilItIs(two.one, id, 'APPROVED HEALTHY');
    }
    await two.other.program?.stop();
    await two.other.start({}, earlier);
  });

  after(() => two?.release());

  it('reaches the agent, and both requesters know the new id', async () => {
    const { status, text } = await rename(two.one, 'n-1', 'gpu-1');
    assert.equal(status, 200, text);
    for (const each of [two.one, two.other]) {
      await untilItIs(each, 'gpu-1', 'APPROVED HEALTHY');
      assert.equal(await each.stateOf('n-1'), undefined);
    }
    assert.equal(await two.cluster.idOnDisk('n-1'), 'gpu-1');
  });

  it('loses nothing when the present version goes away', async () => {
    assert.equal((await rename(two.one, 'n-2', 'gpu-2')).status, 200);
    await untilItIs(two.one, 'gpu-2', 'APPROVED HEALTHY');
    await agent.stop();
    assert.equal((await rename(two.one, 'n-3', 'gpu-3')).status, 200);
    await two.one.program?.stop();
    await two.one.start({}, earlier);
    for (const id of ['gpu-1', 'gpu-2']) await untilItIs(two.one, id, 'APPROVED HEALTHY');
    assert.equal(await two.one.decide('gpu-1', 'reject', 'by the earlier one'), 200);
    agent = await two.cluster.agentOnDisk('n-3', {}, { wait: false });
    await agent.untilPrinted(/this key belongs to node gpu-3, not to n-3/);
  });

  it('finds everything again when the present version is back, and so does an agent that was refused', async () => {
    await two.one.program?.stop();
    await two.one.start({}, present);
    // Either requester may be asked whether to let the agent in, and the earlier one would refuse it again.
    await two.other.program?.stop();
    await untilItIs(two.one, 'gpu-3', 'APPROVED HEALTHY');
    const node = (await two.one.nodes()).find(({ Info }) => Info.NodeID === 'gpu-1');
    assert.deepEqual([node?.Membership, node?.Muster.FormerIDs?.map(({ ID }) => ID)], ['REJECTED', ['n-1']]);
  });
});
