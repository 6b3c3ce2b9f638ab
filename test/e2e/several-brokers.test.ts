// An agent learns the addresses of the other servers of its NATS, keeps them, and goes there when its own is gone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { startNatsPair } from '../support/nats-pair.ts';
import type { NatsServer } from '../support/nats-server.ts';
import { muster } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';

describe('an agent that was told of one of two servers', () => {
  let first: NatsServer;
  let second: NatsServer;
  let cluster: Cluster;

  before(async () => {
    [first, second] = await startNatsPair();
    cluster = await Cluster.create({ servers: first.url });
  });
  after(async () => {
    await cluster.release();
    await Promise.all([first.release(), second.release()]);
  });

  /** Returns what the agent says; undefined while none runs. */
  async function status(): Promise<AgentStatus | undefined> {
    const { stdout } = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf('worker')]);
    return stdout === '' ? undefined : [readShown<AgentStatus>(stdout)].flat()[0];
  }
  const isAt = (server: NatsServer) => async () => (await status())?.broker === `connected to ${server.url}`;

  it('learns the other, goes there when its own is killed, and starts there while its own is away', async () => {
    const agent = await cluster.agent('worker', {}, { wait: false });
    await eventually('the agent is at the first server', isAt(first));
    await eventually('the agent has learned the second', async () =>
      ((await status())?.brokers?.learned ?? []).includes(second.url),
    );
    const { stdout } = await muster(['status', '--data-dir', cluster.folderOf('worker')]);
    assert.match(stdout, new RegExp(`${second.url}\\s+\\(learned\\)`));

    await first.kill();
    await eventually('the agent is at the second server', isAt(second));

    await agent.kill();
    await cluster.agent('worker', {}, { wait: false });
    await eventually('an agent that starts again finds the second server', isAt(second));
    assert.deepEqual((await status())?.brokers, { told: [first.url], learned: [second.url] });
  });
});
