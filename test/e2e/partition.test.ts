// The routes of three NATS servers are cut, one server on this side and two on the other: the side with one decides nothing and
// judges nobody, the other side goes on, and after healing nobody has noticed.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import type { CloudEvent } from '../../agent/protocol/events.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { EventLedger } from '../campaign/event-ledger.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { NatsSites, sites } from '../support/nats-sites.ts';
import { muster, type Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';
import { OneOfTwo } from '../support/two-requesters.ts';

describe('three NATS servers that are cut in two, with a requester on each side', () => {
  let nats: NatsSites;
  let cluster: Cluster;
  let requesters: OneOfTwo[];
  const agents = sites.map(site => `agent-${site}`);
  const running = new Map<number, Program>();
  const decided: { node: string; reason: string }[] = [];

  before(async () => {
    nats = await NatsSites.make({ advertises: true });
    await nats.start('');
    cluster = await Cluster.create({
      servers: nats.server(0).url,
      settings: { 'requester.nodeDisconnectedAfter': '25s', 'requester.nodeUnknownAfter': '50s' },
    });
    requesters = [
      new OneOfTwo(cluster, 'node-0', cluster.apiPort),
      new OneOfTwo(cluster, 'node-b', await freePort(), { 'nats.servers': nats.server(1).url }),
    ];
    for (const requester of requesters) await requester.start();
    for (const site of sites) await startAgent(site);
  });

  /**
   * Starts the agent of a site, which knows the server there, and waits until it has learned the others. It is started again
   * when it leaves that server, as it does while the servers choose a leader for long.
   */
  async function startAgent(site: number) {
    const id = agents[site] ?? '';
    const { url } = nats.server(site);
    await eventually(`${id} is at its server and knows all`, async () => {
      const { broker = '', brokers } = (running.has(site) && (await agentStatus(id))) || {};
      if (broker === `connected to ${url}`) return brokers?.learned.length === 2;
      if (running.has(site) && !broker.startsWith('connected')) return false;
      await running.get(site)?.kill();
      running.set(site, await cluster.agent(id, { 'nats.servers': url }, { wait: false }));
      return false;
    });
  }

  after(async () => {
    await cluster?.release();
    await nats?.release();
  });

  async function agentStatus(id: string): Promise<AgentStatus | undefined> {
    const { stdout } = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf(id)]);
    return stdout === '' ? undefined : [readShown<AgentStatus>(stdout)].flat()[0];
  }

  const decide = async (at: OneOfTwo, node: string, action: 'approve' | 'reject') => {
    const reason = `${action} ${node} at ${at.id}, ${decided.length}`;
    const status = await at.decide(node, action, reason);
    // An attempt whose answer was lost may stand, and the next one is then a conflict.
    const stands = status === 200 || status === 409;
    if (stands) decided.push({ node, reason });
    return stands;
  };

  const expectNobodySilent = async (at: OneOfTwo) => {
    const nodes = (await at.nodes()).filter(({ Info }) => Info.NodeType === 'Compute');
    assert.deepEqual(
      nodes.filter(({ Muster }) => Muster.Health !== 'HEALTHY').map(({ Info }) => Info.NodeID),
      [],
      `${at.id} calls nobody silent`,
    );
  };

  /** Resolves when the agent of a site is connected to the server of another one. */
  async function untilAgentLeft(site: number) {
    const lonely = nats.server(site).url;
    await eventually('the agent of that side has gone to the other one', async () => {
      for (const each of requesters) await expectNobodySilent(each);
      const { broker } = (await agentStatus(agents[site] ?? '')) ?? {};
      return broker?.startsWith('connected') === true && !broker.endsWith(lonely);
    });
  }

  /** Cuts off the site of one requester, and mends it when the agent there has gone to the other side. */
  async function cutOff(t: TestContext, site: 0 | 1, action: 'approve' | 'reject') {
    const [few, most] = site === 0 ? requesters : requesters.toReversed();
    assert.ok(few && most);
    nats.cutOff(site, 'both', { onlyServers: true });
    const began = performance.now();
    const note = (what: string) => t.diagnostic(`${Math.round(performance.now() - began)} ms: ${what}`);
    await eventually(`${few.id} has no quorum`, async () => {
      await expectNobodySilent(few);
      return (await few.status()).troubles?.[0]?.code === 'no_quorum';
    });
    note('the side with one has no quorum');
    assert.ok(!(await decide(few, agents[2] ?? '', action)));
    await eventually(`${most.id} decides`, async () => {
      await expectNobodySilent(most);
      const { watcher } = await most.status();
      return watcher === most.id && (await decide(most, agents[2] ?? '', action));
    });
    note('the other side decides and watches');
    await untilAgentLeft(site);
    note('the agent has gone to the other side');
    nats.mend();
    let last: RequesterStatus | undefined;
    await eventually(`${few.id} knows who watches`, async () => {
      for (const each of requesters) await expectNobodySilent(each);
      last = await few.status();
      const isWell = last.troubles?.every(({ code }) => code !== 'no_quorum') ?? true;
      return last.watcher === most.id && isWell;
    }).catch(cause => {
      throw new Error(JSON.stringify({ ...last, counters: {} }), { cause });
    });
    await eventually(
      `${few.id} shows what was decided`,
      async () => (await few.stateOf(agents[2] ?? '')) === (await most.stateOf(agents[2] ?? '')),
    );
    await checkEvents();
  }

  /** Expects each decision to be told once, in order, and no node to be called silent or registered again. */
  async function checkEvents() {
    let events: CloudEvent[] = [];
    await eventually('every decision is told', async () => {
      events = (await requesters[0]?.events()) ?? [];
      const told = new Set(events.map(({ data }) => data.reason));
      return decided.every(({ reason }) => told.has(reason));
    });
    const ledger = new EventLedger('node-0');
    for (const event of events) ledger.add(Buffer.from(JSON.stringify(event)));
    assert.deepEqual(ledger.faults, []);
    for (const { reason } of decided)
      assert.equal(events.filter(({ data }) => data.reason === reason).length, 1, reason);
    const kindOf = ({ type }: CloudEvent) => type.replace('org.muster.node.', '');
    const registered = events.filter(event => kindOf(event) === 'registered');
    assert.equal(registered.length, agents.length + requesters.length);
    assert.deepEqual(
      events.filter(event => /^(unhealthy|unknown|left|conflict)$/.test(kindOf(event))),
      [],
    );
  }

  /** Returns the site of the requester that watches. On a busy machine, it may be another one than that which did last. */
  const watchedFrom = async (): Promise<0 | 1> =>
    (await requesters[0]?.status())?.watcher === 'node-0' ? 0 : 1;

  it('the requester that watches is on the side with one', async t => {
    await cutOff(t, await watchedFrom(), 'approve');
  });

  it('the requester that watches is on the side with two', async t => {
    for (const site of [0, 1]) await startAgent(site);
    await cutOff(t, (await watchedFrom()) === 0 ? 1 : 0, 'reject');
  });

  it('no requester is on the side with one', async t => {
    await startAgent(2);
    nats.cutOff(2, 'both', { onlyServers: true });
    const began = performance.now();
    await untilAgentLeft(2);
    t.diagnostic(`${Math.round(performance.now() - began)} ms until its agent has left it`);
    nats.mend();
    await checkEvents();
  });
});
