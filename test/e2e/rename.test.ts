// An operator gives nodes other ids, and their agents take them by themselves. All processes are real.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { muster, type Program } from '../support/program.ts';

describe('a node that is renamed', () => {
  let cluster: Cluster;
  let requester: Program;
  let agent: Program;

  before(async () => {
    cluster = await Cluster.create();
    requester = await cluster.requester();
    agent = await cluster.agentOnDisk('n-1');
    await cluster.decide('n-1', 'approve', { message: 'bought' });
    await run('label', 'n-1', 'rack=b7');
    await run('cordon', 'n-1', '-m', 'disk swap');
    await cluster.until('n-1', 'APPROVED HEALTHY');
  });

  after(() => cluster?.release());

  /** Runs a command about nodes, expects that it does its work, and returns what it printed. */
  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cluster.command('node', ...args);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /** Runs a command about nodes that is refused, and returns why. */
  async function refused(...args: string[]): Promise<string> {
    const { code, stderr } = await cluster.command('node', ...args);
    assert.equal(code, 1, stderr);
    return stderr;
  }

  it('goes on under its new id with all that was decided about it', async () => {
    const before = (await cluster.node('n-1')) ?? assert.fail();
    assert.equal(await run('rename', 'n-1', 'gpu-7', '-m', 'has a name now'), 'Ok\n');
    assert.equal(await cluster.node('n-1'), undefined);
    await cluster.until('gpu-7', 'APPROVED HEALTHY');
    const { Info, Muster } = (await cluster.node('gpu-7')) ?? assert.fail();
    assert.deepEqual(
      [Info.Labels?.rack, Muster.Cordon?.Reason, Muster.Decision?.Reason],
      ['b7', 'disk swap', 'bought'],
    );
    for (const name of ['Fingerprint', 'JoinCode', 'FirstRegisteredAt'] as const)
      assert.equal(Muster[name], before.Muster[name]);
    assert.equal(agent.running, true, 'nobody started the agent again');
    assert.equal(await cluster.idOnDisk('n-1'), 'gpu-7');
    await eventually('the events are told', async () => {
      const [own, former] = [await cluster.kindsOf('gpu-7'), await cluster.kindsOf('n-1')];
      return own[0] === 'renamed' && former.filter(kind => kind === 'renamed').length === 1;
    });
  });

  it('is found by whoever still knows its former id', async () => {
    assert.match(await run('explain', 'gpu-7'), /former ids +n-1, renamed by local/);
    for (const args of [['describe'], ['explain'], ['label', 'rack=b8'], ['approve'], ['undelete']]) {
      const [command = '', ...more] = args;
      assert.match(await refused(command, 'n-1', ...more), /was renamed to gpu-7/, command);
    }
  });

  it('takes its last id when its agent comes back, also after two renames and a restart of the requester', async () => {
    await agent.stop();
    await cluster.until('gpu-7', 'APPROVED UNKNOWN');
    await run('rename', 'gpu-7', 'gpu-8');
    await run('rename', 'gpu-8', 'gpu-9');
    assert.match((await cluster.node('gpu-9'))?.ConnectionState.LastHeartbeat ?? '', /^20/);
    await requester.stop();
    requester = await cluster.requester();
    agent = await cluster.agentOnDisk('n-1');
    await cluster.until('gpu-9', 'APPROVED HEALTHY');
    assert.deepEqual(
      (await cluster.node('gpu-9'))?.Muster.FormerIDs?.map(({ ID }) => ID),
      ['gpu-8', 'gpu-7', 'n-1'],
    );
    await run('rename', 'gpu-9', 'n-1', '-m', 'back again');
    await cluster.until('n-1', 'APPROVED HEALTHY');
    assert.equal(agent.logged('pending approval').length, 0);
  });

  it('keeps its id when the other one is taken, or its agent could not take it', async () => {
    await cluster.agent('fixed');
    assert.match(await refused('rename', 'n-1', 'fixed'), /the id fixed is taken/);
    assert.match(await refused('rename', 'n-1', 'node-0'), /the id node-0 is taken/);
    assert.match(await refused('rename', 'n-1', 'n-1'), /has this id already/);
    assert.match(await refused('rename', 'fixed', 'free'), /set by node\.id[\s\S]*remove node\.id there/);
    assert.match(await refused('rename', 'node-0', 'free'), /is a requester/);
    assert.match(await refused('rename', 'nobody', 'free'), /not found: nobody/);
    const { code, stderr } = await cluster.command('node', 'rename', 'n-1', 'gpu.7');
    assert.deepEqual([code, /letters, digits/.test(stderr)], [64, true]);
    const ids = (await cluster.nodes()).map(({ Info }) => Info.NodeID);
    assert.deepEqual(ids, ['fixed', 'n-1', 'node-0']);
  });

  it('leaves its former id to another machine, and a key that comes under another id unasked is refused', async () => {
    const newcomer = await cluster.agentOnDisk('gpu-7');
    await cluster.until('gpu-7', 'PENDING HEALTHY');
    await newcomer.stop();
    await writeFile(join(cluster.folderOf('gpu-7'), 'agent', 'node.yaml'), 'id: gpu-6\n');
    const moved = await cluster.agentOnDisk('gpu-7', {}, { wait: false });
    await moved.untilPrinted(/this key belongs to node gpu-7, not to gpu-6/);
    assert.equal(await cluster.idOnDisk('gpu-7'), 'gpu-6');
    assert.equal(await cluster.node('gpu-6'), undefined);
  });

  it('stays deleted when it is deleted before its agent knows the new id', async () => {
    const deleted = await cluster.agentOnDisk('n-2');
    await cluster.decide('n-2', 'approve');
    await cluster.until('n-2', 'APPROVED HEALTHY');
    await run('rename', 'n-2', 'gpu-2');
    await cluster.decide('gpu-2', 'delete');
    await deleted.untilPrinted(/"node":"gpu-2"[^\n]*this node was deleted by an operator; it is quiet/);
    assert.equal(await cluster.node('gpu-2'), undefined);
    assert.equal((await cluster.command('node', 'undelete', 'gpu-2')).code, 0);
    await cluster.until('gpu-2', 'APPROVED HEALTHY');
    await deleted.stop();
  });

  it('is let in again when an older backup knows it by its former id, once it is renamed again', async () => {
    const config = ['--config', join(cluster.folder, 'node-0-requester.yaml')];
    const file = join(cluster.folder, 'muster.backup');
    assert.equal((await muster(['backup', file, ...config])).code, 0);
    await run('rename', 'n-1', 'gpu-1');
    await cluster.until('gpu-1', 'APPROVED HEALTHY');
    const { clusterId = '' } = await cluster.status();
    await requester.stop();
    const restored = await muster(['restore', file, ...config, '--replace', clusterId]);
    assert.equal(restored.code, 0, restored.stderr);
    requester = await cluster.requester();
    await agent.untilPrinted(/this key belongs to node n-1, not to gpu-1/);
    assert.equal(await cluster.node('gpu-1'), undefined);
    await run('rename', 'n-1', 'gpu-1');
    await cluster.until('gpu-1', 'APPROVED HEALTHY');
    assert.equal(agent.running, true);
  });
});
