// Two versions of the program run side by side: an earlier agent with the present requester, and a present agent with the
// earlier requester. SECURITY.md promises that, under *Versions side by side*.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { earlierCommits, earlierProgram, whyNoEarlierProgram } from '../support/earlier-program.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { newFolder } from '../support/temporary.ts';

describe('two versions side by side', { skip: (await whyNoEarlierProgram()) ?? false }, () => {
  let earlier: { main: string };
  const present = {};
  /** The kinds of events that no report of a node causes. */
  const memberships = ['registered', 'approved', 'rejected', 'deleted', 'conflict'];

  before(async () => {
    earlier = { main: await earlierProgram(join(await newFolder(), 'earlier'), earlierCommits.oneRequester) };
  });

  // On a busy machine a role may warn about late answers.
  const quiet = ({ stderr }: Program) =>
    assert.doesNotMatch(stderr, /"level":"error"|set aside|cannot be read|registering again/);

  /** Lets agents of one version live with a requester of another one: join, approval, heartbeats, restarts and a new key. */
  async function liveTogether(cluster: Cluster, requesterOf: { main?: string }, agentOf: { main?: string }) {
    const lastHeartbeat = async () => (await cluster.node('node-1'))?.ConnectionState.LastHeartbeat;
    const sendsHeartbeats = async () => {
      const last = await lastHeartbeat();
      await eventually('another heartbeat', async () => (await lastHeartbeat()) !== last);
    };

    const requester = await cluster.requester({}, requesterOf);
    const agent = await cluster.agent('node-1', {}, agentOf);
    await cluster.until('node-1', 'PENDING HEALTHY');
    await cluster.decide('node-1', 'approve');
    await agent.untilPrinted(/"msg":"approved"/);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await sendsHeartbeats();
    const sentinel = await cluster.sentinel('node-1');

    // Each of them starts again, the agent while it is approved, and finds the other as it was.
    await agent.stop();
    const again = await cluster.agent('node-1', {}, agentOf);
    await again.untilPrinted(/"msg":"approved"/);
    await requester.stop();
    const next = await cluster.requester({}, requesterOf);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await sendsHeartbeats();
    assert.deepEqual(await cluster.sentinel('node-1'), sentinel, 'it need not register again');

    await cluster.decide('node-1', 'reject');
    await again.untilPrinted(/rejected by an operator/);
    await cluster.decide('node-1', 'approve');
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const kinds = async () => (await cluster.kindsOf('node-1')).filter(kind => memberships.includes(kind));
    // An event comes a moment after the decision.
    await eventually('every decision is told', async () => (await kinds()).length >= 4);
    assert.deepEqual(await kinds(), ['registered', 'approved', 'rejected', 'approved']);
    for (const each of [requester, agent, again, next]) quiet(each);
    await again.stop();
    await next.stop();
  }

  it('an earlier agent is at home with the present requester', async t => {
    const cluster = await Cluster.create();
    t.after(() => cluster.release());
    await liveTogether(cluster, present, earlier);
  });

  it('a present agent is at home with the earlier requester, whose store the present one takes over', async t => {
    const cluster = await Cluster.create();
    t.after(() => cluster.release());
    await liveTogether(cluster, earlier, present);
    const requester = await cluster.requester({}, present);
    const agent = await cluster.agent('node-1', {}, earlier);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    for (const each of [requester, agent]) quiet(each);
  });
});
