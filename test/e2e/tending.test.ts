// Nodes are cordoned, drained, labelled and decided about while the requester that does it is killed, and another one goes on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { Program } from '../support/program.ts';
import { type OneOfTwo, TwoRequesters } from '../support/two-requesters.ts';

describe('nodes that two requesters tend', () => {
  let two: TwoRequesters;
  let busy: string;
  const commands: Program[] = [];
  const crowd = Array.from({ length: 40 }, (_, index) => `crowd-${index}`);

  before(async () => {
    // The tests run beside others, and what is tested here is no silence of the nodes.
    two = await TwoRequesters.start({
      'requester.nodeDisconnectedAfter': '20s',
      'requester.nodeUnknownAfter': '40s',
    });
    busy = join(two.cluster.folder, 'busy');
    await writeFile(busy, '2');
    await Promise.all([two.join(crowd), two.cluster.agent('worker', { 'compute.busyFile': busy })]);
    await two.cluster.decide('worker', 'approve');
  });

  after(async () => {
    await Promise.all(commands.map(each => each.kill()));
    await two?.release();
  });

  /** Starts a command that asks the requesters at these addresses, the first one first. */
  const commandAt = (addresses: readonly string[], ...args: string[]) => {
    const program = new Program([...args, '--api-servers', addresses.join()]);
    commands.push(program);
    return program;
  };
  /** Starts a command that asks first the requester that dies in each test. */
  const command = (...args: string[]) => commandAt([two.one, two.other].map(addressOf), ...args);
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await command(...args).finished;
    assert.deepEqual([code, stdout], [0, 'Ok\n'], stderr);
  };
  const viewOf = async (at: OneOfTwo, id: string) =>
    (await at.nodes()).find(({ Info }) => Info.NodeID === id);
  const labelsOf = async (at: OneOfTwo) => {
    const { rack, site } = (await viewOf(at, 'worker'))?.Info.Labels ?? {};
    return [rack, site];
  };
  /** Returns what the surviving requester tells of cordons and labels of a node, in order. */
  const toldOf = async (id: string) =>
    (await two.other.events())
      .filter(({ subject, type }) => subject === id && /cordoned|drained|labelled/.test(type))
      .map(({ type }) => type.replace('org.muster.node.', ''));
  /** Returns the nodes of which it tells such a decision with the reason `all`, in alphabetical order. */
  const decided = async (kind: 'approved' | 'rejected') =>
    (await two.other.events())
      .filter(({ type, data }) => type.endsWith(`.${kind}`) && data.reason === 'all')
      .map(({ subject }) => subject)
      .sort();

  it('end what was begun when the one that watches is killed, and whoever looks on sees it', async () => {
    assert.equal((await two.roles()).watcher, two.one);
    const list = command('node', 'list', '--watch');
    const events = command('events', '--follow', '--node', 'worker');
    await list.untilPrinted(/ worker +is APPROVED/);
    await ok('node', 'cordon', 'crowd-0', '-m', 'disk swap', '--for', '3s');
    const draining = command('node', 'drain', 'worker', '--wait');
    await draining.untilPrinted(/worker still runs 2 executions/);
    await ok('node', 'label', 'worker', 'rack=b7', '-m', 'moved');
    await two.one.program?.kill();
    await rm(busy);
    const { code, stdout, stderr } = await draining.finished;
    assert.deepEqual([code, stdout], [0, 'Ok\nworker: drained\n'], stderr);
    await ok('node', 'label', 'worker', 'site=fra');
    assert.deepEqual(await labelsOf(two.other), ['b7', 'fra']);
    await list.untilPrinted(/ worker +note: .*drained/);
    await events.untilPrinted(/ labelled +site=fra/);
    await eventually('the cordon that was for a time ends', async () => (await toldOf('crowd-0')).length > 1);
    assert.deepEqual(await toldOf('crowd-0'), ['cordoned', 'uncordoned']);
    assert.equal((await viewOf(two.other, 'crowd-0'))?.Muster.Cordon, undefined);
    const told = ['cordoned', 'labelled', 'drained', 'labelled'];
    assert.deepEqual(await toldOf('worker'), told);
    const shown = events.stdout.match(/ (cordoned|labelled|drained) /g)?.map(word => word.trim());
    assert.deepEqual(shown, told, 'the follower sees each once');
  });

  it('are decided about once each when the one that is asked dies in the middle, and the next one goes on', async t => {
    await startMortal(t);
    assert.deepEqual(await labelsOf(two.one), ['b7', 'fra'], 'it knows what was decided without it');
    const approve = ['approve', '--filter-approval', 'pending', '--yes', '-m', 'all'];
    const { code, stdout, stderr } = await command('node', ...approve).finished;
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.match(/^\S+(?=: approved$)/gm)?.sort(), crowd.toSorted());
    await eventually('each is told of', async () => (await decided('approved')).length >= crowd.length);
  });

  it('can be tried again by the printed command when nobody else could be asked', async t => {
    await startMortal(t);
    const all = [...crowd, 'worker'].sort();
    const reject = ['reject', '--filter-approval', 'approved', '--yes', '-m', 'all'];
    const { code, stdout, stderr } = await commandAt([addressOf(two.one)], 'node', ...reject).finished;
    assert.equal(code, 69, stderr);
    const [, open = ''] =
      /^Error: (\d+) of 41 nodes were not rejected; \d+ of them were not tried$/m.exec(stderr) ?? [];
    assert.equal(stdout.split('\n').length - 1 + Number(open), all.length, stdout + stderr);
    assert.match(stderr, /may\s+stand or not \(operation OPERATION\)$/m);
    const [, line = ''] = /^Hint: {2}to try these again: muster (.*)$/m.exec(stderr) ?? [];
    const words = line.split(' ').filter(word => !word.startsWith('--api-servers='));
    const again = await command(...words).finished;
    // Those that stand are named, and not for another attempt.
    assert.match(
      again.stderr,
      /^Error: (?:(\d+) of \d+ nodes were not rejected\n {2}\1 × node ID|1 of \d+ nodes was not rejected\n {2}node \S+) already rejected\n$/m,
    );
    assert.doesNotMatch(again.stderr, /try these again/);
    await eventually('each is told of', async () => (await decided('rejected')).length >= all.length);
    assert.deepEqual([await decided('approved'), await decided('rejected')], [crowd.toSorted(), all]);
  });

  /** Starts the dead requester again, so that it dies in the middle of the decisions to come. */
  const startMortal = async (t: TestContext) => {
    const way = await startDeadlyWay(t, two.server.port, 10, () => two.one.program?.signal('SIGKILL'));
    await two.one.start({ 'nats.servers': way });
  };
});

const addressOf = ({ port }: OneOfTwo) => `127.0.0.1:${port}`;

/**
 * Starts a way to the broker for one requester. When the requester has sent the decision number `last`, it is killed: by `die`. The
 * broker has that decision then, and the requester does not know it. Returns the address of the way.
 */
async function startDeadlyWay(
  t: TestContext,
  broker: number,
  last: number,
  die: () => void,
): Promise<string> {
  let decisions = 0;
  const way = createServer(requester => {
    const server = connect(broker, '127.0.0.1');
    requester.on('data', data => {
      server.write(data);
      const before = decisions;
      decisions += data.toString('latin1').match(/PUB \$KV\.node_v1\.(crowd|worker)/g)?.length ?? 0;
      if (before < last && decisions >= last) die();
    });
    server.on('data', data => decisions < last && requester.write(data));
    for (const [socket, other] of [
      [requester, server],
      [server, requester],
    ] as const)
      socket.on('error', () => undefined).on('close', () => other.destroy());
  }).listen(0, '127.0.0.1');
  await once(way, 'listening');
  t.after(() => way.close());
  return `nats://127.0.0.1:${(way.address() as AddressInfo).port}`;
}
