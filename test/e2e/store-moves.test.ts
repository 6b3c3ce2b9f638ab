// The store of two requesters moves between one and three NATS servers while operators decide at both of them. Then the move is
// killed at each of its steps, and the same command completes it.
import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { storedStreams } from '../../agent/requester/stored-streams.ts';
import { holdFolder } from '../../agent/system/role-socket.ts';
import type { CopyingConnection, StreamCopies } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { NatsCluster } from '../support/nats-cluster.ts';
import { startConnection } from '../support/open-connection.ts';
import { muster, Program } from '../support/program.ts';
import { OneOfTwo } from '../support/two-requesters.ts';

describe('the store of two requesters', () => {
  let nats: NatsCluster;
  let cluster: Cluster;
  let both: OneOfTwo[];
  let connection: CopyingConnection;
  let copies: StreamCopies;
  const nodes = ['node-1', 'node-2'];
  /** The reasons of the acknowledged decisions of each node, in order. */
  const acknowledged = new Map<string, string[]>(nodes.map(id => [id, []]));
  /** The number of decisions that were tried about each node. */
  const tried = new Map<string, number>();
  let isDeciding = false;
  let deciding: Promise<void>[] = [];

  before(async () => {
    nats = await NatsCluster.start();
    cluster = await Cluster.create({ servers: nats.urls.join(',') });
    connection = startConnection(nats.urls);
    await connection.connected();
    copies = await connection.copies();
    both = [
      new OneOfTwo(cluster, 'node-0', cluster.apiPort),
      new OneOfTwo(cluster, 'node-b', await freePort()),
    ];
    for (const each of both) await each.start();
    for (const id of nodes) await cluster.agent(id);
  });
  after(async () => {
    isDeciding = false;
    await Promise.all(deciding);
    await connection?.close(0);
    await cluster?.release();
    await nats?.release();
  });

  const config = () => ['--config', join(cluster.folder, 'node-0-requester.yaml')];
  const move = (to: 'raise' | 'lower', ...flags: string[]) => muster(['store', to, ...config(), ...flags]);
  const replicas = () => Promise.all(storedStreams.map(async name => (await copies.counts(name))?.replicas));

  /**
   * Lets each requester decide about a node of its own, again and again. With some time between two decisions, a record has room
   * for all that wait while nobody announces, also when the one that made them is killed too.
   */
  function decide({ betweenMs = 0 } = {}): void {
    isDeciding = true;
    deciding = nodes.map(async (id, at) => {
      while (isDeciding) {
        const count = (tried.get(id) ?? 0) + 1;
        tried.set(id, count);
        const reason = `${id} decision ${count}`;
        const action = count % 2 ? 'approve' : 'reject';
        // A requester that was killed takes nothing.
        const status = await both[at]?.decide(id, action, reason).catch(() => pause(50));
        // What was refused may be made again, and what got no answer may stand.
        if (status === 200) acknowledged.get(id)?.push(reason);
        if (betweenMs > 0) await pause(betweenMs);
      }
    });
  }

  async function endDeciding(): Promise<void> {
    isDeciding = false;
    await Promise.all(deciding);
  }

  /**
   * Each acknowledged decision has its event, in order, or one that says that it stands for it too: more than 63 may wait while
   * the event stream is away. The last one stands at both requesters.
   */
  async function assertNothingLost(): Promise<void> {
    for (const id of nodes) {
      const reasons = acknowledged.get(id) ?? [];
      for (const each of both) {
        await eventually(`${each.id} has the last decision of ${id}`, async () => {
          const node = (await each.nodes()).find(({ Info }) => Info.NodeID === id);
          return JSON.stringify(node).includes(reasons.at(-1) ?? '');
        });
      }
      let seen: unknown;
      await eventually(`each decision about ${id} was announced once`, async () => {
        const told = (await cluster.events()).filter(
          ({ subject, type }) => subject === id && /\.(approved|rejected)$/.test(type),
        );
        const mine = told.map(({ data }) => String(data.reason)).filter(reason => reasons.includes(reason));
        const coalesced = told.reduce((sum, { data }) => sum + Number(data.coalesced ?? 0), 0);
        seen = {
          told: told.length,
          coalesced,
          acknowledged: reasons.length,
          last: [mine.at(-1), reasons.at(-1)],
        };
        const isInOrder = mine.join() === reasons.filter(reason => mine.includes(reason)).join();
        return isInOrder && mine.at(-1) === reasons.at(-1) && told.length + coalesced >= reasons.length;
      }).catch(cause => {
        throw new Error(`${id}: ${JSON.stringify(seen)}`, { cause });
      });
      assert.equal((await cluster.kindsOf(id)).filter(kind => kind === 'registered').length, 1);
    }
    const events = await cluster.events();
    assert.equal(new Set(events.map(each => each.id)).size, events.length);
  }

  /** Returns what a requester has said against its store. That a busy server answers late is nothing against it. */
  const complaints = ({ program }: OneOfTwo): string[] =>
    (program?.stderr ?? '')
      .split('\n')
      .filter(line => /"level":"(warn|error)"/.test(line) && !line.includes('"code":"TIMEOUT"'))
      .filter(line => /store|lost|older|stands by/.test(line));

  it('says what would move, and changes nothing', async () => {
    const dry = await move('lower');
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^node_v1: \d+ messages, from 3 servers to one server$/m);
    assert.match(dry.stderr, /Nothing was changed/);
    const there = await move('raise', '--yes');
    assert.deepEqual([there.code, there.stdout], [0, 'The store is on 3 servers.\n']);
    assert.deepEqual(await replicas(), [3, 3, 3]);
  });

  it('moves to one server and back to three while both decide, and nothing is lost', async t => {
    const watcher = (await both[0]?.status())?.watcher;
    decide();
    for (const [to, count] of [
      ['lower', 1],
      ['raise', 3],
    ] as const) {
      await eventually(
        'some decisions were made',
        () => (acknowledged.get('node-2')?.length ?? 0) > 3 * count,
      );
      const done = await move(to, '--yes');
      assert.equal(done.code, 0, done.stderr);
      t.diagnostic(done.stderr.split('\n').at(-2) ?? '');
      assert.deepEqual(await replicas(), [count, count, count]);
    }
    const before = acknowledged.get('node-1')?.length ?? 0;
    await eventually('decisions go on', () => (acknowledged.get('node-1')?.length ?? 0) > before + 3);
    await endDeciding();
    await assertNothingLost();
    for (const each of both) {
      const status = await each.status();
      assert.equal(status.watcher, watcher);
      assert.deepEqual(complaints(each), []);
    }
    assert.equal(
      (await readdir(join(cluster.folderOf('node-0'), 'requester'))).includes('store-move'),
      false,
    );
  });

  it('is completed by the same command after a kill at each step', async () => {
    let to: 'raise' | 'lower' = 'lower';
    const steps = [/shutting NODE_EVENTS/, /removing NODE_EVENTS/, /removing muster_v1/, /waiting until/];
    for (const step of steps) {
      decide();
      const killed = new Program(['store', to, '--yes', ...config()]);
      await killed.untilPrinted(step);
      await killed.kill();
      if (step.source === 'removing NODE_EVENTS')
        await eventually('each requester says where to complete it', async () => {
          const all = await Promise.all(both.map(each => each.status()));
          return all.every(({ troubles }) => troubles?.[0]?.code === 'move_interrupted');
        });
      const done = await move(to, '--yes');
      assert.equal(done.code, 0, `after ${step}: ${done.stderr}`);
      assert.deepEqual(await replicas(), Array(3).fill(to === 'lower' ? 1 : 3));
      await endDeciding();
      to = to === 'lower' ? 'raise' : 'lower';
    }
    await assertNothingLost();
  });

  it('is moved while a requester is killed, which goes on where it was', async () => {
    let to: 'raise' | 'lower' = 'lower';
    for (const [at, step] of [/copying the store/, /removing muster_v1/].entries()) {
      decide({ betweenMs: 1_000 });
      // The one that watches, and the other one, in turn.
      const { watcher } = (await both[0]?.status()) ?? {};
      const victim = both.find(({ id }) => (id === watcher) === (at % 2 === 0));
      const moving = new Program(['store', to, '--yes', ...config()]);
      await moving.untilPrinted(step);
      await victim?.program?.kill();
      const restarted = victim?.start();
      const done = await moving.finished;
      assert.equal(done.code, 0, `after ${step}: ${done.stderr}`);
      await restarted;
      assert.deepEqual(await replicas(), Array(3).fill(to === 'lower' ? 1 : 3));
      await endDeciding();
      to = to === 'lower' ? 'raise' : 'lower';
    }
    await assertNothingLost();
  });

  it('is moved by one process at a time', async () => {
    const folder = join(cluster.folderOf('node-0'), 'requester', 'store-move');
    await mkdir(folder);
    const lock = await holdFolder(folder, () => ({}), String);
    const beside = await move('lower', '--yes');
    assert.equal(beside.code, 1, beside.stderr);
    assert.match(beside.stderr, /another process moves this store\nHint: {2}wait until it has ended/);
    await lock.close();
  });

  it('stays where it was, or is moved, when its move is interrupted, which says so', async () => {
    const early = new Program(['store', 'lower', '--yes', ...config()]);
    await early.untilPrinted(/asking all requesters/);
    early.signal('SIGINT');
    const stayed = await early.finished;
    assert.equal(stayed.code, 1, stayed.stderr);
    assert.match(stayed.stderr, /^The move ends before its next step/m);
    assert.match(stayed.stderr, /^Error: the move was interrupted; the store stays where it was$/m);
    assert.match(stayed.stderr, /^Hint: {2}.*muster store lower --yes$/m);
    assert.deepEqual(await replicas(), [3, 3, 3]);
    const late = new Program(['store', 'lower', '--yes', ...config()]);
    await late.untilPrinted(/removing NODE_EVENTS/);
    late.signal('SIGINT');
    const moved = await late.finished;
    assert.equal(moved.code, 0, moved.stderr);
    assert.match(moved.stderr, /^Streams were removed already, so the move goes on to its end/m);
    assert.deepEqual(await replicas(), [1, 1, 1]);
    const twice = new Program(['store', 'raise', '--yes', ...config()]);
    await twice.untilPrinted(/removing NODE_EVENTS/);
    twice.signal('SIGTERM');
    await twice.untilPrinted(/Again: it ends at once/);
    twice.signal('SIGINT');
    const ended = await twice.finished;
    assert.equal(ended.signal, 'SIGINT', ended.stderr);
    assert.match(ended.stderr, /^Error: the move was ended in its middle: /m);
    assert.match(ended.stderr, /^Hint: {2}run it again on this machine.*muster store raise --yes$/m);
    const done = await move('raise', '--yes');
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(await replicas(), [3, 3, 3]);
    await assertNothingLost();
  });

  it('is whole after a server was killed in the middle of a move', async t => {
    decide();
    const moving = new Program(['store', 'lower', '--yes', ...config()]);
    await moving.untilPrinted(/removing NODE_EVENTS/);
    await nats.server(2).kill();
    const first = await moving.finished;
    t.diagnostic(first.stderr);
    await nats.server(2).start();
    const done = await move('lower', '--yes');
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(await replicas(), [1, 1, 1]);
    await endDeciding();
    await assertNothingLost();
  });
});
