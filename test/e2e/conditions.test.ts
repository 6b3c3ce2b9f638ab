// What is wrong with a node reaches those who listen: a condition is an event, a listener loses none, and the node's own status
// says what keeps it out. All processes are real.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import { Cluster } from '../support/cluster.ts';
import { earlierCommits, earlierProgram, whyNoEarlierProgram } from '../support/earlier-program.ts';
import { eventually } from '../support/eventually.ts';
import { muster, Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';

const noEarlier = await whyNoEarlierProgram();

describe('a condition of a node', () => {
  let cluster: Cluster;
  let requester: Program;
  let agent: Program;
  let cursorFile: string;
  /** The kinds of events of conditions that each run of the listener has written out. */
  const heard: string[] = [];

  before(async () => {
    cluster = await Cluster.create();
    cursorFile = join(cluster.folder, 'cursor');
    requester = await cluster.requester();
    agent = await cluster.approvedAgent('node-1', { 'node.declared.cpu': 4_096 });
  });

  after(() => cluster?.release());

  const kinds = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line))
      .filter(({ data }) => data.condition?.type === 'HardwareMismatch')
      .map(({ type, data }) => `${type.split('.').at(-1)} ${data.condition.type}`);

  /** Runs a listener until `kind` came and its cursor is kept, and kills it. */
  async function listenUntil(kind: string): Promise<void> {
    const args = ['events', '--follow', '-o', 'json', '--cursor-file', cursorFile];
    const listener = new Program([...args, '--api-port', String(cluster.apiPort)]);
    await eventually(`${kind} is heard`, () => kinds(listener.stdout).includes(kind));
    const last = () => JSON.parse(listener.stdout.split('\n').slice(0, -1).at(-1) ?? '{}').cursor;
    await eventually('its cursor is kept', async () => {
      const kept = await readFile(cursorFile, 'utf8').catch(() => '');
      return kept.trim() === last();
    });
    await listener.kill();
    heard.push(...kinds(listener.stdout));
  }

  // A busy machine may have other conditions for a while.
  const conditionEvents = async () =>
    (await cluster.events()).filter(({ data }) =>
      JSON.stringify(data.condition ?? '').includes('HardwareMismatch'),
    );
  const told = async () => (await conditionEvents()).map(({ type }) => type.split('.').at(-1));

  it('is told when it comes up, with its reason, and once over restarts of both', async () => {
    await listenUntil('condition-raised HardwareMismatch');
    const [raised] = await conditionEvents();
    assert.match(String(raised?.data.reason), /4096 declared/);
    await requester.kill();
    requester = await cluster.requester();
    await agent.stop();
    agent = await cluster.agent('node-1', { 'node.declared.cpu': 4_096 });
    await cluster.until('node-1', 'APPROVED HEALTHY');
    assert.deepEqual(await told(), ['condition-raised']);
  });

  it('is told when it is over, also while an earlier program keeps the roll, and a killed listener hears each event once', async () => {
    await requester.stop();
    // Without the history of the checkout, the present program stands for the earlier one.
    const folder = join(cluster.folder, 'earlier');
    const earlier = noEarlier ? {} : { main: await earlierProgram(folder, earlierCommits.severalRequesters) };
    requester = await cluster.requester({}, earlier);
    await agent.stop();
    agent = await cluster.agent('node-1');
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await requester.stop();
    requester = await cluster.requester();
    await listenUntil('condition-cleared HardwareMismatch');
    assert.deepEqual(heard, ['condition-raised HardwareMismatch', 'condition-cleared HardwareMismatch']);
    assert.deepEqual(await told(), ['condition-raised', 'condition-cleared']);
  });

  it('is not needed to know that a node is kept out: its status says why, and ends with 1', async () => {
    const status = (...more: string[]) =>
      muster(['status', '--data-dir', cluster.folderOf('node-1'), ...more]);
    // The requester was started again with its broker, and the agent may still be on its way there.
    await eventually('the agent is back', async () => (await status()).code === 0);
    await cluster.decide('node-1', 'reject', { message: 'not ours' });
    // On a busy machine the node may have another trouble for a moment, which ends with 1 too.
    await eventually('the node knows', async () => {
      const { code, stdout } = await status();
      return (
        code === 1 &&
        /^agent node-1\n {2}trouble +an operator rejected this node: not ours\n {2}to do +/.test(stdout)
      );
    });
    await eventually('that is all its trouble', async () => {
      const [shown] = readShown<AgentStatus[]>((await status('-o', 'json')).stdout);
      const troubles = shown?.troubles?.map(({ code, text }) => `${code}: ${text}`);
      return troubles?.join() === 'rejected: an operator rejected this node: not ours';
    });
  });
});
