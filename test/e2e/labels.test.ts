// Labels of the control plane outlive whatever the node, the requester and an earlier program do. All processes are real.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Cluster } from '../support/cluster.ts';
import { earlierCommits, earlierProgram, whyNoEarlierProgram } from '../support/earlier-program.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { newFolder } from '../support/temporary.ts';

const noEarlier = (await whyNoEarlierProgram()) ?? false;

describe('labels of the control plane', () => {
  let cluster: Cluster;
  let requester: Program;
  let agent: Program;
  let operation: string;

  before(async () => {
    cluster = await Cluster.create();
    requester = await cluster.requester();
    agent = await cluster.approvedAgent('node-1', { 'node.labels': 'zone=own,disk=ssd' });
  });

  after(() => cluster?.release());

  const labels = async () => {
    const { zone, disk, rack } = (await cluster.node('node-1'))?.Info.Labels ?? {};
    return { zone, disk, rack };
  };
  const origins = async () =>
    (await cluster.node('node-1'))?.Muster.LabelOrigins?.map(({ Label, Actor, Reason, Own }) => ({
      Label,
      Actor,
      Reason,
      Own,
    }));
  const untilLabelled = (expected: object) =>
    eventually(`the labels are ${JSON.stringify(expected)}`, async () =>
      isDeepStrictEqual(await labels(), expected),
    );
  const given = [
    { Label: 'rack', Actor: 'local', Reason: 'moved', Own: undefined },
    { Label: 'zone', Actor: 'local', Reason: 'moved', Own: 'other' },
  ];

  it('are stronger than those of the node, also after requester and node were killed', async () => {
    await untilLabelled({ zone: 'own', disk: 'ssd', rack: undefined });
    const { stdout } = await cluster.command(
      ...['node', 'label', 'node-1', 'zone=z', 'rack=b7', '-m', 'moved', '-o', 'json'],
    );
    [{ Operation: operation }] = JSON.parse(stdout) as [{ Operation: string }];
    await requester.kill();
    await agent.kill();
    requester = await cluster.requester();
    agent = await cluster.agent('node-1', { 'node.labels': 'zone=other,disk=hdd' });
    await untilLabelled({ zone: 'z', disk: 'hdd', rack: 'b7' });
    assert.deepEqual(await origins(), given);
    const selected = await cluster.command('node', 'list', '--labels', 'rack=b7,zone=z', '-o', 'name');
    assert.equal(selected.stdout, 'node-1\n');
    const explained = await cluster.command('explain', operation);
    assert.match(explained.stdout, /stands\.\nnode-1: labelled at .* by local .*"moved"/);
  });

  it('are there again after an earlier program kept the roll', { skip: noEarlier }, async () => {
    await requester.stop();
    const main = await earlierProgram(join(await newFolder(), 'earlier'), earlierCommits.severalRequesters);
    requester = await cluster.requester({}, { main });
    await cluster.decide('node-1', 'reject');
    await cluster.decide('node-1', 'approve');
    await requester.stop();
    requester = await cluster.requester();
    await untilLabelled({ zone: 'z', disk: 'hdd', rack: 'b7' });
    assert.deepEqual(await origins(), given);
  });

  it('give the values of the node back, and each change is told once', async () => {
    const { code, stdout, stderr } = await cluster.command('node', 'label', 'node-1', 'zone-', 'rack=b8');
    assert.deepEqual([code, stdout], [0, 'Ok\n'], stderr);
    assert.deepEqual(await labels(), { zone: 'other', disk: 'hdd', rack: 'b8' });
    const explained = await cluster.command('explain', operation);
    assert.match(explained.stdout, /something\s+else was decided later/);
    const again = await cluster.command('node', 'label', 'node-1', 'zone-');
    assert.match(
      again.stderr,
      /^Error: the node itself sends the label zone of node node-1\nHint: .*node\.labels/,
    );
    await eventually('all of it is told', async () => {
      const told = (await cluster.events()).filter(({ type }) => type.endsWith('.labelled'));
      return told.length === 2;
    });
    const told = (await cluster.events()).filter(({ type }) => type.endsWith('.labelled'));
    assert.deepEqual(
      told.map(({ data }) => [data.labels, data.previousLabels, data.reason]),
      [
        [{ zone: 'z', rack: 'b7' }, { zone: null, rack: null }, 'moved'],
        [{ zone: null, rack: 'b8' }, { zone: 'z', rack: 'b7' }, undefined],
      ],
    );
    assert.match((await cluster.command('events', '--node', 'node-1')).stdout, /labelled +zone- rack=b8/);
  });
});
