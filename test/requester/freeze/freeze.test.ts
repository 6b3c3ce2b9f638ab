// All requesters of a roll hold their writes during a freeze, and it ends by itself whatever is killed. With a fake clock.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterBucket, encode } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { Freeze } from '../../../agent/requester/freeze/freeze.ts';
import { FreezeFollower } from '../../../agent/requester/freeze/freeze-follower.ts';
import {
  type FreezeMember,
  type FreezePurpose,
  type FreezeRecord,
  freezeTimesMs,
} from '../../../agent/requester/freeze/freeze-record.ts';
import { storedStreams } from '../../../agent/requester/stored-streams.ts';
import { leaseTimesMs } from '../../../agent/requester/watcher/holder-silence.ts';
import { Lease } from '../../../agent/requester/watcher/lease.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { attemptTimesMs } from '../../../agent/transport/attempts.ts';
import type { Bucket } from '../../../agent/transport/port.ts';
import { bytes } from '../../support/connections.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker, type FakeConnection } from '../../support/fake-connection.ts';
import { steadyRandom } from '../../support/steady-random.ts';
import { counting } from '../samples.ts';

const clusterId = 'c-1';

/** A requester, as far as a freeze needs one: it follows freezes, and says that it is there. */
class Member {
  readonly name: string;
  readonly connection: FakeConnection;
  readonly follower: FreezeFollower;
  /** A bucket whose writes are held. */
  bucket!: Bucket;
  readonly reopened: string[] = [];
  readAgain = 0;
  peers: string[] = [];
  /** Processes that it has heard of, besides `peers`. */
  remembered: FreezeMember[] = [];
  #presence: { unsubscribe(): void } | undefined;

  constructor(name: string, broker: FakeBroker, clock: FakeClock) {
    this.name = name;
    this.connection = broker.connect();
    this.follower = new FreezeFollower({ clock, log: silentLog, streams: storedStreams });
  }

  async start(): Promise<void> {
    const storage = await this.connection.storage();
    this.bucket = await this.follower.guard(storage).bucket(clusterBucket);
    const reopen = async (stream: string) => {
      this.reopened.push(stream);
      return false;
    };
    await this.follower.follow({
      connection: this.connection,
      storage: { reopen, readAgain: () => void this.readAgain++ },
      bucket: await storage.bucket(clusterBucket),
      clusterId,
      me: member(this.name),
      peers: () => [...this.peers.map(member), ...this.remembered],
    });
    this.reopened.splice(0);
    this.#presence ??= this.connection.subscribe(`requester.peers.${clusterId}`, message => {
      message.respond(encode({ ...member(this.name), pid: 1, since: '', version: '1', watches: false }));
    });
  }

  /** Ends its part in freezes, as a requester of an earlier version, or one that is suspended, with `isThere`. */
  cease({ isThere }: { isThere: boolean }): void {
    this.follower.stop();
    if (!isThere) this.#presence?.unsubscribe();
  }

  /** Writes, and tells whether that was carried out yet. */
  write(key: string): { isDone: boolean } {
    const write = { isDone: false };
    void this.bucket.put(`${this.name}-${key}`, bytes('x'), 0).then(() => {
      write.isDone = true;
    });
    return write;
  }

  /** Begins a write that lasts until the function is called that this returns. */
  async writeSlowly(): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<number>();
    const slow = { put: () => promise } as unknown as Bucket;
    const storage = { bucket: () => Promise.resolve(slow) };
    const held = await this.follower.guard(storage as never).bucket(clusterBucket);
    void held.put('slow', bytes('x'), 0);
    return () => resolve(1);
  }
}

const member = (name: string) => ({ requester: `node-${name}`, instance: `i-${name}`, host: `host-${name}` });

async function start(...names: string[]) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const members = names.map(name => new Member(name, broker, clock));
  for (const each of members) await each.start();
  const random = counting('f-');
  const beginWith = async (purpose: FreezePurpose, isDead?: (record: FreezeRecord) => boolean) => {
    const connection = broker.connect();
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    const holder = { requester: 'node-a', host: 'host-a', pid: 7, since: '2026-01-01T00:00:00Z' };
    return {
      connection,
      freeze: Freeze.begin({ connection, bucket, clusterId, holder, purpose, isDead, clock, random }),
    };
  };
  /** Begins a freeze, and lets time pass until it has begun. */
  const begin = async (purpose: FreezePurpose = 'backup') => {
    const { connection, freeze } = await beginWith(purpose);
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    freeze.then(settle, settle);
    for (let waited = 0; !isSettled && waited < 30_000; waited += 100) await clock.advance(100);
    return { connection, freeze: await freeze };
  };
  const record = () => broker.openBucket('muster_v1').entries.get('freeze');
  return { clock, broker, members, begin, beginWith, record };
}

describe('a freeze', () => {
  test('holds the writes of every requester until it ends', async () => {
    const { clock, members, begin, record } = await start('a', 'b', 'c');
    const { freeze } = await begin();
    const writes = members.map(each => each.write('1'));
    await clock.advance(5_000);
    assert.deepEqual(
      writes.map(({ isDone }) => isDone),
      [false, false, false],
    );
    await freeze.confirm('records');
    await freeze.end();
    await clock.settle();
    assert.deepEqual(
      writes.map(({ isDone }) => isDone),
      [true, true, true],
    );
    assert.equal(record()?.marker, true);
  });

  test('lets records be written again while the events are still held', async () => {
    const { clock, members, begin } = await start('a', 'b');
    const { freeze } = await begin();
    await freeze.confirm('records');
    await freeze.releaseRecords();
    const writes = members.map(each => each.write('1'));
    await clock.settle();
    assert.deepEqual(
      writes.map(({ isDone }) => isDone),
      [true, true],
    );
    await freeze.confirm('events');
    assert.throws(() => freeze.assertHolds('records'));
    await freeze.end();
  });

  test('is seen at the next look by a requester that did not hear of its end', async () => {
    const { clock, members, begin } = await start('a', 'b');
    const { connection, freeze } = await begin();
    // What it tells from now on is lost.
    connection.publish = () => true;
    await freeze.end();
    const write = members[1]?.write('1');
    await clock.settle();
    assert.equal(write?.isDone, false);
    await clock.advance(1_000);
    assert.equal(write?.isDone, true);
  });

  test('ends by itself when its holder is killed', async () => {
    const { clock, members, begin } = await start('a', 'b');
    const { connection } = await begin();
    await connection.close();
    const writes = members.map(each => each.write('1'));
    await clock.advance(6_000);
    assert.deepEqual(
      writes.map(({ isDone }) => isDone),
      [false, false],
    );
    await clock.advance(2_000);
    assert.deepEqual(
      writes.map(({ isDone }) => isDone),
      [true, true],
    );
  });

  test('of a move opens what its holder had shut only when the holder cannot remove it any more', async () => {
    const { clock, members, begin, record } = await start('a', 'b');
    const { connection, freeze } = await begin('move');
    const silentHost = () => members[0]?.follower.silentMover?.host;
    assert.equal(silentHost(), undefined);
    assert.ok(freeze.ageMs < 2_000);
    await connection.close();
    await clock.advance(15_000);
    assert.equal(silentHost(), 'host-a');
    await clock.advance(100_000);
    assert.throws(() => freeze.assertHolds('records', 0.5), /60 s only/);
    assert.deepEqual(
      members.flatMap(({ reopened }) => reopened),
      [],
    );
    await clock.advance(10_000);
    assert.deepEqual(members[1]?.reopened, ['KV_muster_v1', 'KV_node_v1', 'NODE_EVENTS']);
    assert.equal(record()?.marker, true);
    assert.equal(silentHost(), undefined);
  });

  test('lasts no longer than its time, and then says so', async () => {
    const { clock, members, begin } = await start('a', 'b');
    const { freeze } = await begin();
    const write = members[1]?.write('1');
    await clock.advance(9_000);
    assert.equal(write?.isDone, false);
    await clock.advance(3_000);
    assert.equal(write?.isDone, true);
    await assert.rejects(freeze.confirm('records'), {
      code: 'failed',
      message: /could be held for 10 s only/,
    });
    await freeze.end();
  });

  test('counts time in which its holder slept', async () => {
    const { clock, begin } = await start('a');
    const { freeze } = await begin();
    clock.moveWall(11_000);
    assert.throws(() => freeze.assertHolds('records'), { code: 'failed' });
    await freeze.end();
  });

  test('is refused when a requester does not hold its writes, and then nothing is held', async () => {
    const { clock, members, begin, record } = await start('a', 'b');
    members[1]?.cease({ isThere: true });
    await assert.rejects(begin(), {
      code: 'failed',
      message: 'requester node-b on host-b does not say that it holds its writes; nothing was done',
    });
    const write = members[0]?.write('1');
    await clock.settle();
    assert.equal(write?.isDone, true);
    assert.equal(record()?.marker, true);
  });

  test('is refused for one that only another requester has heard of a short time ago', async () => {
    const { members, begin } = await start('a', 'b');
    members[1]?.cease({ isThere: false });
    if (members[0]) members[0].peers = ['b'];
    await assert.rejects(begin(), /requester node-b on host-b does not say/);
  });

  test('waits for no process that others remember of a requester that was started again, if it is silent', async () => {
    const { members, begin } = await start('a', 'b');
    const [first, second] = members;
    if (!first || !second) assert.fail();
    const earlier = { ...member('b'), instance: 'i-earlier' };
    first.remembered = [earlier];
    await (await begin()).freeze.end();
    // One that says itself that it is there has not ended.
    second.connection.subscribe(`requester.peers.${clusterId}`, message => {
      message.respond(encode({ ...earlier, pid: 2, since: '', version: '1', watches: false }));
    });
    await assert.rejects(begin(), /node-b on host-b does not say/);
  });

  test('needs nobody when no requester runs', async () => {
    const { begin } = await start();
    const { freeze } = await begin();
    await freeze.end();
  });

  for (const purpose of ['backup', 'move'] as const)
    test(`for a ${purpose} is refused when a write does not end, and then nothing is held`, async () => {
      const { clock, members, begin, record } = await start('a', 'b');
      const end = await members[0]?.writeSlowly();
      await assert.rejects(
        begin(purpose),
        /node-a on host-a does not hold its writes: a write to the store does not end; nothing was done/,
      );
      const write = members[1]?.write('1');
      await clock.settle();
      assert.deepEqual([write?.isDone, record()?.marker], [true, true]);
      end?.();
    });

  test('of a move waits for a write that is repeated because the store was away', async () => {
    const { clock, members, begin } = await start('a', 'b');
    const end = await members[0]?.writeSlowly();
    const early = members[1]?.write('early');
    await clock.settle();
    clock.after(attemptTimesMs.all, () => end?.());
    const { freeze } = await begin('move');
    const late = members.map(each => each.write('late'));
    await clock.advance(5_000);
    assert.deepEqual([early?.isDone, ...late.map(({ isDone }) => isDone)], [true, false, false]);
    await freeze.confirm('records');
    await freeze.end();
  });

  test('of a backup that waited for a write still holds the records', async () => {
    const { clock, members, begin } = await start('a', 'b');
    const end = await members[0]?.writeSlowly();
    clock.after(freezeTimesMs.quiet + 2_000, () => end?.());
    const { freeze } = await begin('backup');
    const late = members[1]?.write('late');
    await clock.advance(1_000);
    await freeze.confirm('records');
    assert.equal(late?.isDone, false);
    await freeze.end();
  });

  test('excludes another one while it lasts', async () => {
    const { begin, record } = await start('a');
    const { freeze } = await begin();
    await assert.rejects(begin(), { code: 'conflict', message: /is being backed up by process 7 on host-a/ });
    await freeze.confirm('records');
    assert.equal(record()?.marker, false);
    await freeze.end();
    await (await begin()).freeze.end();
  });

  test('takes the place of a backup whose holder is silent, and of a move only when its holder is dead', async () => {
    const { clock, begin, beginWith } = await start();
    await (await begin('backup')).connection.close();
    await (await begin('move')).connection.close();
    await assert.rejects(begin('move'), { code: 'conflict', message: /is being moved/ });
    const { freeze } = await beginWith('move', ({ holder }) => holder.pid === 7);
    await clock.advance(3_000);
    await (await freeze).end();
  });

  test('is kept by a requester that starts meanwhile', async () => {
    const { clock, broker, begin } = await start('a');
    const { freeze } = await begin();
    const late = new Member('late', broker, clock);
    await late.start();
    const write = late.write('1');
    let isReleased = false;
    void late.follower.released().then(() => {
      isReleased = true;
    });
    await clock.advance(3_000);
    assert.deepEqual(
      [write.isDone, isReleased, late.follower.holder],
      [false, false, 'node-a (process 7 on host-a)'],
    );
    await freeze.end();
    await clock.settle();
    assert.deepEqual([write.isDone, isReleased], [true, true]);
  });
});

test('the lease is not renewed during a freeze, and its holder keeps it', async () => {
  const { clock, members, begin } = await start('a', 'b');
  const changes: string[] = [];
  const leases: Lease[] = [];
  for (const { name, bucket, connection, follower } of members) {
    const me = { ...member(name), pid: 1, since: '' };
    const isFrozen = () => follower.isFrozen;
    const lease = await Lease.open({
      bucket,
      connection,
      clusterId,
      random: steadyRandom(),
      me,
      clock,
      log: silentLog,
      isFrozen,
    });
    lease.follow({ onChange: () => void changes.push(name), onRemoved: () => void changes.push('removed') });
    leases.push(lease);
  }
  const { freeze } = await begin('move');
  await clock.advance(leaseTimesMs.expiry * 3);
  await freeze.end();
  await clock.advance(leaseTimesMs.expiry * 3);
  assert.deepEqual(
    leases.map(({ isHeld }) => isHeld),
    [true, false],
  );
  assert.deepEqual(changes, []);
  await Promise.all(leases.map(each => each.release()));
});
