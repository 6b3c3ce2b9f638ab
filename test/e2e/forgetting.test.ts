// A node that was deleted by mistake is brought back, and one that was forgotten returns with its history. All processes are
// real.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';

describe('a node that is gone', () => {
  let cluster: Cluster;
  let requester: Program;
  let agent: Program;

  before(async () => {
    cluster = await Cluster.create();
    requester = await cluster.requester();
    agent = await cluster.agent('node-1');
    await cluster.decide('node-1', 'approve');
    await run('label', 'node-1', 'rack=b7');
    await run('cordon', 'node-1', '-m', 'disk swap');
  });

  after(() => cluster?.release());

  /** Runs a command about nodes, expects that it does its work, and returns what it printed. */
  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cluster.command('node', ...args);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  const untilItIs = (membership: string, health: string) =>
    eventually(`node-1 is ${membership} ${health}`, async () => {
      const node = await cluster.node('node-1');
      return node?.Membership === membership && node.Muster.Health === health;
    });

  it('is brought back while its agent runs, with its labels and its cordon', async () => {
    await run('delete', 'node-1', '-m', 'by mistake');
    await agent.untilPrinted(/this node was deleted by an operator/);
    assert.equal(await cluster.node('node-1'), undefined);
    assert.match(await run('list', '--deleted'), /node-1 +APPROVED +deleted .*by mistake/);
    assert.equal(await run('undelete', 'node-1', '-m', 'was a mistake'), 'Ok\n');
    await untilItIs('APPROVED', 'HEALTHY');
    const { Info, Muster } = (await cluster.node('node-1')) ?? assert.fail();
    assert.deepEqual([Info.Labels?.rack, Muster.Cordon?.Reason], ['b7', 'disk swap']);
    const again = await cluster.command('node', 'undelete', 'node-1');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /node-1/);
  });

  it('is forgotten once it is silent, also after the requester restarted, and no other node is', async () => {
    const other = await cluster.agent('node-2');
    await agent.stop();
    await untilItIs('APPROVED', 'UNKNOWN');
    await requester.stop();
    requester = await cluster.requester();
    await eventually('the silence of node-1 is known', async () =>
      /node-1/.test((await cluster.command('node', 'prune', '--silent-for', '1s', '--dry-run')).stdout),
    );
    await run('prune', '--silent-for', '1s', '--yes');
    assert.equal(await cluster.node('node-1'), undefined);
    assert.ok(await cluster.node('node-2'));
    assert.equal(other.running, true);
    assert.match(await run('list', '--deleted'), /node-1 +APPROVED +forgotten/);
  });

  it('returns as PENDING by itself, and everybody sees what was decided about it before', async () => {
    agent = await cluster.agent('node-1');
    await untilItIs('PENDING', 'HEALTHY');
    assert.match(await run('describe', 'node-1'), /was here before +approved by local/);
    assert.match(await run('explain', 'node-1'), /before/);
  });

  it('is told about once for each thing that was done', async () => {
    await eventually('the events are told', async () => {
      const kinds = (await cluster.events())
        .filter(({ subject }) => subject === 'node-1')
        .map(({ type }) => type.replace('org.muster.node.', ''))
        .filter(kind => /^(registered|approved|deleted|undeleted)$/.test(kind));
      assert.deepEqual(kinds, ['registered', 'approved', 'deleted', 'undeleted', 'deleted', 'registered']);
      return true;
    });
  });
});
