// A machine is taken out for a while: cordoned, drained as its scheduler says, and given work again. All processes are real.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import { Cluster } from '../support/cluster.ts';
import { earlierCommits, earlierProgram, whyNoEarlierProgram } from '../support/earlier-program.ts';
import { eventually } from '../support/eventually.ts';
import { muster, Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';
import { newFolder } from '../support/temporary.ts';

const noEarlier = (await whyNoEarlierProgram()) ?? false;

describe('a machine that is taken out', () => {
  let cluster: Cluster;
  let busy: string;
  let requester: Program;
  let agent: Program;

  before(async () => {
    cluster = await Cluster.create();
    busy = join(cluster.folder, 'busy');
    requester = await cluster.requester();
    agent = await cluster.agent('node-1', { 'compute.busyFile': busy });
    await cluster.agent('untold');
    for (const id of ['node-1', 'untold']) await cluster.decide(id, 'approve');
  });

  after(() => cluster?.release());

  const command = (...args: string[]) => new Program([...args, '--api-port', String(cluster.apiPort)]);
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await cluster.command(...args);
    assert.deepEqual([code, stdout], [0, 'Ok\n'], stderr);
  };
  const cordonKinds = async () => (await cluster.kindsOf('node-1')).filter(kind => /cordon|drain/.test(kind));
  const status = async () => {
    const { stdout } = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf('node-1')]);
    return readShown<AgentStatus[]>(stdout)[0] ?? assert.fail(stdout);
  };
  const untilStatus = (what: string, isSo: (status: AgentStatus) => boolean) =>
    eventually(what, async () => isSo(await status()));

  it('is told to whoever asks: the node itself, the list, the description and the events', async () => {
    await untilStatus('it is schedulable', ({ schedulable }) => schedulable === true);
    await ok('node', 'cordon', 'node-1', '-m', 'disk swap', '--for', '2h');
    await untilStatus('it knows that it is cordoned', ({ schedulable }) => schedulable === false);
    const { cordon } = await status();
    assert.deepEqual([cordon?.reason, cordon?.actor, cordon?.drain], ['disk swap', 'local', undefined]);
    const text = await muster(['status', '--data-dir', cluster.folderOf('node-1')]);
    assert.match(
      text.stdout,
      /cordoned +gets no new work until \S+ \S+ UTC \(in 1?\d+ (?:min|h)\):\s+disk swap/,
    );
    await eventually('its event is told', async () => (await cordonKinds()).length > 0);
    const told = await cluster.command('events', '--node', 'node-1');
    assert.match(told.stdout, /cordoned .*"disk swap" {2}by local.* {2}until \S+ \S+ UTC\n/);
    assert.match((await cluster.command('node', 'list')).stdout, /node-1 .*cordoned: disk swap/);
    const described = (await cluster.command('node', 'describe', 'node-1')).stdout;
    assert.match(described, /cordoned +by local[\s\S]*\(in 1?\d+ (min|h)\)[\s\S]*why +disk swap/);
    const again = await cluster.command('node', 'cordon', 'node-1');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /node node-1 is already cordoned: disk swap/);
    const head = await cluster.command('node', 'cordon', 'node-0');
    assert.match(head.stderr, /node node-0 is a requester: it cannot be cordoned/);
  });

  it('says what still runs when the deadline of its drain passes, and stays cordoned', async () => {
    await writeFile(busy, '3\n');
    const { code, stderr } = await cluster.command('node', 'drain', 'node-1', '--wait', '--deadline', '1s');
    assert.equal(code, 1);
    assert.match(stderr, /the deadline has passed, and node-1 (still runs 3|has not said|is silent)/);
    assert.equal((await cluster.node('node-1'))?.Muster.Schedulable, false);
  });

  it('goes on to be drained after Ctrl-C, also over a restart of the requester', async () => {
    const waiting = command('node', 'drain', 'node-1', '--wait');
    await waiting.untilPrinted(/node-1 still runs 3 executions/);
    waiting.signal('SIGINT');
    const { signal, stderr } = await waiting.finished;
    assert.equal(signal, 'SIGINT');
    assert.match(stderr, /The drain goes on\. To end it: muster node uncordon node-1/);
    await requester.kill();
    requester = await cluster.requester();
    const again = command('node', 'drain', 'node-1', '--wait');
    await again.untilPrinted(/node-1 still runs 3 executions/);
    await rm(busy);
    assert.deepEqual([(await again.finished).code, again.stdout], [0, 'Ok\nnode-1: drained\n'], again.stderr);
    await untilStatus('it knows that it is drained', ({ cordon }) => cordon?.drain?.drainedAt !== undefined);
    await ok('node', 'uncordon', 'node-1', '-m', 'the new disk is in');
    await untilStatus('it is schedulable again', ({ schedulable }) => schedulable === true);
    await eventually('all of it is told', async () => {
      return (await cordonKinds()).join() === 'cordoned,cordoned,drained,uncordoned';
    });
  });

  it('is drained only once the agent that was killed at the end of its work reports again', async () => {
    await writeFile(busy, '2\n');
    const waiting = command('node', 'drain', 'node-1', '--wait');
    await waiting.untilPrinted(/node-1 still runs 2 executions/);
    await agent.kill();
    await rm(busy);
    await waiting.untilPrinted(/node-1 is silent; it ran 2 executions last/);
    assert.ok(waiting.running);
    agent = await cluster.agent('node-1', { 'compute.busyFile': busy });
    assert.equal((await waiting.finished).stdout, 'Ok\nnode-1: drained\n');
    await ok('node', 'uncordon', 'node-1');
  });

  it('is rejected while it is drained: that ends the wait, and a deadline that passes is in the list', async () => {
    await writeFile(busy, '2\n');
    await ok('node', 'drain', 'node-1', '--deadline', '1s');
    const waiting = command('node', 'drain', 'node-1', '--wait');
    await waiting.untilPrinted(/node-1 still runs 2 executions/);
    await eventually('the list says that it is late', async () =>
      / draining late/.test((await cluster.command('node', 'list')).stdout),
    );
    await cluster.decide('node-1', 'reject');
    const { code, stderr } = await waiting.finished;
    assert.equal(code, 1);
    assert.match(stderr, /^Error: node-1 is REJECTED, so it does not report what it runs$/m);
    await cluster.decide('node-1', 'approve');
    await ok('node', 'uncordon', 'node-1');
    await rm(busy);
  });

  it('is one of several: each is told of, and what could not be done', async () => {
    const both = await cluster.command('node', 'cordon', 'node-1', 'untold', '-m', 'new switch');
    assert.deepEqual(both.stdout.split('\n').sort(), ['', 'node-1: cordoned', 'untold: cordoned']);
    await ok('node', 'uncordon', 'untold');
    const selected = await cluster.command('node', 'uncordon', '--filter-approval', 'approved', '--yes');
    assert.equal(selected.stdout, 'node-1: uncordoned\n', selected.stderr);
    assert.match(selected.stderr, /Left out \(not cordoned\): untold/);
  });

  it('does not count as drained when it does not say what it runs', async () => {
    const waiting = command('node', 'drain', 'untold', '--wait');
    await waiting.untilPrinted(/untold does not say what it runs; set compute\.busyFile on that machine/);
    await ok('node', 'uncordon', 'untold');
    const { code, stderr } = await waiting.finished;
    assert.equal(code, 1);
    assert.match(stderr, /the drain of untold was ended/);
  });

  it('stays cordoned while an earlier program keeps the roll, and its end comes after that', {
    skip: noEarlier,
  }, async () => {
    await ok('node', 'cordon', 'node-1', '-m', 'kernel', '--for', '5s');
    await requester.stop();
    const main = await earlierProgram(join(await newFolder(), 'earlier'), earlierCommits.severalRequesters);
    requester = await cluster.requester({}, { main });
    await cluster.decide('node-1', 'reject');
    await cluster.decide('node-1', 'approve');
    await requester.stop();
    requester = await cluster.requester();
    await eventually(
      'it ends by itself',
      async () => (await cluster.node('node-1'))?.Muster.Schedulable === true,
    );
    await eventually('that is told once', async () => {
      const events = await cluster.events();
      const ends = events.filter(({ data }) => data.reason === 'its time is over');
      return ends.length === 1 && ends[0] === events.findLast(({ type }) => type.endsWith('cordoned'));
    });
  });
});
