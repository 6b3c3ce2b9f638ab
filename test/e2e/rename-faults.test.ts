// Renames while requesters are killed, while another one is of an earlier version, and before a rollback. Each node stays under
// exactly one id, and each agent finds its own. All processes are real.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Bucket, Connection } from '../../agent/transport/port.ts';
import { earlierCommits, earlierProgram, whyNoEarlierProgram } from '../support/earlier-program.ts';
import { eventually } from '../support/eventually.ts';
import { connectAsRequester } from '../support/pinned-keys.ts';
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
  let connection: Connection | undefined;
  let records: Bucket;
  /** Called with the key of each record that is written. */
  let onWritten: (key: string) => void = () => undefined;
  /** After how many writes of a rename the requester is killed: of the copy, of the former record, of what is tidied up. */
  const moments = [1, 2, 3, 0, 1];

  before(async () => {
    two = await TwoRequesters.start({
      'requester.nodeDisconnectedAfter': '20s',
      'requester.nodeUnknownAfter': '40s',
    });
    await two.cluster.agentOnDisk('n-0');
    await two.cluster.decide('n-0', 'approve');
    connection = await connectAsRequester(two.cluster);
    records = await (await connection.storage()).bucket({ name: 'node_v1', history: 1 });
    await (await records.watch(({ key }) => onWritten(key))).ready;
  });

  after(async () => {
    await connection?.close(0);
    await two?.release();
  });

  /** Returns whether the store has a copy under this id that is not tidied up. Nobody is shown one before it counts. */
  const isUnderWay = async (newId: string): Promise<boolean> =>
    /"Arrival"/.test(Buffer.from((await records.get(newId))?.value ?? '').toString());

  it('ends, or does not begin, and no reader ever sees both ids or none', async () => {
    let id = 'n-0';
    for (const [round, moment] of moments.entries()) {
      await untilItIs(two.one, id, 'APPROVED HEALTHY');
      const newId = `n-${round + 1}`;
      const { watcher, standby } = await two.roles();
      const seen = new Set<string>();
      let isOver = false;
      const reading = (async () => {
        while (!isOver) {
          const ids = (await standby.nodes()).map(({ Info }) => Info.NodeID).filter(each => /^n-/.test(each));
          seen.add(ids.join(' and ') || 'none');
        }
      })();
      const end = () => watcher.program?.kill();
      const [from, to] = [id, newId];
      let writes = 0;
      onWritten = key => {
        if ((key === from || key === to) && ++writes === moment) void end();
      };
      const answer = rename(watcher, id, newId).catch(() => ({ status: 0 }));
      if (moment === 0) void end();
      // One that has answered before it could be killed is killed now.
      const { status } = await answer;
      await end();
      await standby.untilItWatches();
      // Whoever watches brings a rename to its end some seconds after it was begun.
      await eventually('the rename has ended, or has not begun', async () => {
        if (await isUnderWay(newId)) return false;
        const told = (await standby.events()).filter(({ type }) => type.endsWith('.renamed'));
        const left = told.filter(({ subject, data }) => subject === id && data.newId === newId);
        const come = told.filter(({ subject, data }) => subject === newId && data.formerId === id);
        return left.length === come.length;
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
