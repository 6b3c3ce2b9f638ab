// A requester on a cluster of three real NATS servers: the store is born on three, decisions go on after the loss of one, and
// after the loss of two nothing is decided or lost until one is back.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { NatsCluster } from '../support/nats-cluster.ts';
import { type OnThreeServers, startOnThreeServers } from '../support/on-three-servers.ts';
import { muster } from '../support/program.ts';

describe('a requester on three NATS servers', () => {
  let started: OnThreeServers | undefined;
  let nats: NatsCluster;
  let cluster: Cluster;
  /** What the last acknowledged decision made of the node. */
  let decided = 'PENDING';

  before(async () => {
    started = await startOnThreeServers();
    ({ nats, cluster } = started);
  });
  after(() => started?.release());

  /** What the last decision was refused with. */
  let refusedWith = '';

  /** Decides the opposite of the last decision. Returns whether that was acknowledged. */
  async function decide(): Promise<boolean> {
    const action = decided === 'APPROVED' ? 'reject' : 'approve';
    try {
      await cluster.decide('node-1', action);
    } catch (error) {
      // An earlier attempt whose answer was lost may stand.
      refusedWith = String(error);
      if (!/has been (approved|rejected)|already/i.test(refusedWith)) return false;
    }
    decided = action === 'approve' ? 'APPROVED' : 'REJECTED';
    return true;
  }

  const membership = async () => (await cluster.node('node-1'))?.Membership;

  it('is born on three, and goes on deciding when the server that takes the writes is killed', async t => {
    await eventually('each stream is on three servers', async () => {
      const { store = [] } = await cluster.status();
      return (
        store.length === 3 && store.every(({ replicas, others }) => replicas === 3 && others.length === 2)
      );
    });
    await eventually('a decision is made', decide);
    const { store = [] } = await cluster.status();
    const leader = store.find(({ stream }) => stream === 'KV_node_v1')?.leader ?? '';
    await nats.server(nats.indexOf(leader)).kill();
    const began = performance.now();
    await eventually('a decision is made again', decide);
    t.diagnostic(`time without decisions: ${Math.round(performance.now() - began)} ms`);
    assert.equal(await membership(), decided);
    await nats.server(nats.indexOf(leader)).start();
  });

  it('refuses decisions while two are away, loses nothing, and heals by itself', async () => {
    await eventually('all servers have everything', async () => {
      const { store = [] } = await cluster.status();
      return (
        store.length === 3 &&
        store.every(({ leader, others }) => leader && others.every(each => each.current))
      );
    });
    const { store = [] } = await cluster.status();
    const leader = nats.indexOf(store.find(({ stream }) => stream === 'KV_node_v1')?.leader ?? '');
    const away = [leader, (leader + 1) % 3];
    await Promise.all(away.map(index => nats.server(index).kill()));
    const action = () => (decided === 'APPROVED' ? 'reject' : 'approve');
    let refusal = { code: 0 as number | null, stderr: '' };
    await eventually('a decision is refused', async () => {
      refusal = await cluster.command('node', action(), 'node-1', '--api-token-file', tokenFile());
      // Before the server that is left misses the others, it says only that there is no leader.
      return /2 of 3 servers are away; nothing is decided until one is back/.test(refusal.stderr);
    }).catch(cause => {
      throw new Error(refusal.stderr, { cause });
    });
    assert.equal(refusal.code, 1, refusal.stderr);
    assert.match(refusal.stderr, /no quorum/);
    // The server that is left may take itself for the leader for some seconds more.
    await eventually('the status says so first, and names the two', async () => {
      const { code, stdout } = await muster(['status', '--data-dir', cluster.folderOf('node-0')]);
      const [, streams = '', names = ''] =
        /^requester node-0 trouble no quorum: 2 of 3 servers are away; nothing is decided until one is back \(([^)]*)\) to do start the NATS servers that are away \(([^)]*) did not/.exec(
          stdout.replaceAll(/\s+/g, ' '),
        ) ?? [];
      const named = names.split(', ').sort().join();
      return (
        code === 1 &&
        /NODE_EVENTS/.test(streams) &&
        named ===
          away
            .map(each => `s${each}`)
            .sort()
            .join()
      );
    });
    const config = join(cluster.folder, 'node-0-requester.yaml');
    await eventually('a backup is refused, and says why', async () => {
      const backup = await muster(['backup', join(cluster.folder, 'muster.backup'), '--config', config]);
      return backup.code === 69 && /^Error: the store cannot be copied: .*\nHint: {2}no/.test(backup.stderr);
    });
    await eventually('the list says of when it is', async () => {
      const { stdout, stderr } = await cluster.command('node', 'list');
      return /what is shown is as of \d{4}-/.test(stderr) && /^node-1 /m.test(stdout);
    });
    await nats.server(away[0] ?? 0).start();
    // The two may stand for leader at the same time, so the choice can take several rounds.
    await eventually('a decision is made again', decide, 120_000).catch(error =>
      assert.fail(`${error}: ${refusedWith}`),
    );
    assert.equal(await membership(), decided);
    await nats.server(away[1] ?? 0).start();
    // The server that has just come back may be the one that is asked for the events, before it has all of them.
    let kinds: string[] = [];
    await eventually('the registration is told', async () => {
      kinds = await cluster.kindsOf('node-1');
      return kinds.includes('registered');
    });
    assert.equal(kinds.filter(kind => kind === 'registered').length, 1);
  });

  const tokenFile = () => `${cluster.folderOf('node-0')}/requester/operator.token`;
});
