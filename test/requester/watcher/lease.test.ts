// One requester holds the lease, the others stand by or take over, and the holder notices when it has lost the lease.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterBucket, ensureClusterId } from '../../../agent/requester/cluster/cluster-bucket.ts';
import type { Holder } from '../../../agent/requester/watcher/holder.ts';
import { leaseTimesMs } from '../../../agent/requester/watcher/holder-silence.ts';
import { Lease } from '../../../agent/requester/watcher/lease.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker, type FakeConnection } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { steadyRandom } from '../../support/steady-random.ts';
import { counting } from '../samples.ts';

function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const { log, lines } = recordLog();
  /** What happened to the leases, such as `a watches` and `a stands by`. */
  const changes: string[] = [];
  const holder = (name: string): Holder => ({
    requester: `node-${name}`,
    instance: `i-${name}`,
    host: `host-${name}`,
    pid: 4_000,
    since: '2026-01-01T00:00:00Z',
  });
  /** Opens the lease as a requester with this name, on a connection of its own. */
  const open = async (name: string, connection = broker.connect()) => {
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    const me = holder(name);
    const random = steadyRandom();
    const lease = await Lease.open({ bucket, connection, clusterId: 'c-1', random, me, clock, log });
    const onChange = () => void changes.push(`${name} ${lease.isHeld ? 'watches' : 'stands by'}`);
    lease.follow({ onChange, onRemoved: () => void changes.push(`${name} restores`) });
    return lease;
  };
  const entry = () => broker.openBucket('muster_v1').entries.get('lease');
  const stands = (): string | undefined =>
    entry()?.marker === false ? JSON.parse(String(Buffer.from(entry()?.value ?? []))).requester : undefined;
  return { clock, broker, log, lines, changes, holder, open, entry, stands };
}

/** Lets a holder be as SIGSTOP leaves it: it is connected, but neither answers nor renews. */
function suspend(broker: FakeBroker, connection: FakeConnection): void {
  connection.drop();
  broker.connect().subscribe('requester.lease.>', () => undefined);
}

describe('a second requester', () => {
  test('stands by while the first renews, and knows who watches', async () => {
    const { clock, open, stands, holder, changes } = begin();
    const first = await open('a');
    const second = await open('b');
    assert.equal(first.isHeld, true);
    assert.equal(second.isHeld, false);
    assert.deepEqual(second.holder, holder('a'));
    await assert.rejects(second.confirm(), { code: 'in_use', message: /^requester node-a \(process 4000/ });
    await clock.advance(3_600_000);
    assert.equal(stands(), 'node-a');
    assert.deepEqual(changes, []);
  });

  test('takes over at its start when the first has ended without giving the lease back', async () => {
    const { clock, broker, open, stands } = begin();
    const connection = broker.connect();
    await open('a', connection);
    await clock.advance(60_000);
    connection.drop();
    assert.equal((await open('b')).isHeld, true);
    assert.equal(stands(), 'node-b');
  });

  test('takes over without asking when the first gives the lease back', async () => {
    const { clock, broker, open, stands, changes } = begin();
    const first = await open('a');
    await open('b');
    await clock.advance(60_000);
    broker.deliver = () => assert.fail('somebody was asked');
    await first.release();
    await clock.advance(leaseTimesMs.look);
    assert.equal(stands(), 'node-b');
    assert.deepEqual(changes, ['b watches']);
  });

  test('takes over soon from a holder that nobody can reach, when the broker is one server', async () => {
    const { clock, broker, open, changes } = begin();
    const connection = broker.connect();
    await open('a', connection);
    await open('b');
    await clock.advance(60_000);
    connection.drop();
    await clock.advance(leaseTimesMs.renew);
    assert.deepEqual(changes, []);
    await clock.advance(4 * leaseTimesMs.look - 1);
    assert.deepEqual(changes, ['b watches']);
  });

  test('waits for the whole time in a cluster of servers, where such a holder may be on the other side of a cut', async () => {
    const { clock, broker, open, changes, stands } = begin();
    broker.isClustered = true;
    const connection = broker.connect();
    await open('a', connection);
    connection.drop();
    const second = await open('b');
    assert.equal(second.isHeld, false);
    await clock.advance(leaseTimesMs.expiry - 1);
    assert.equal(stands(), 'node-a');
    await clock.advance(leaseTimesMs.look);
    assert.deepEqual(changes, ['b watches']);
  });

  test('takes over from a holder that does not answer once it has not renewed for 6 s', async () => {
    const { clock, broker, open, stands } = begin();
    const connection = broker.connect();
    await open('a', connection);
    suspend(broker, connection);
    const opening = open('b');
    await clock.advance(leaseTimesMs.answer);
    await opening;
    await clock.advance(leaseTimesMs.expiry - leaseTimesMs.answer - 1);
    assert.equal(stands(), 'node-a');
    await clock.advance(2 * leaseTimesMs.look + leaseTimesMs.answer);
    assert.equal(stands(), 'node-b');
  });

  test('stands by while the holder renews, although its answers do not arrive', async () => {
    const { clock, broker, open, changes } = begin();
    await open('a');
    broker.deliver = subject => !subject.startsWith('_INBOX.');
    const opening = open('b');
    await clock.advance(leaseTimesMs.answer);
    await opening;
    await clock.advance(60_000);
    assert.deepEqual(changes, []);
  });

  test('takes over from a holder that answers but cannot renew, and that one stands by then', async () => {
    const { clock, broker, open, changes, stands } = begin();
    const first = await open('a');
    await clock.advance(leaseTimesMs.look / 2);
    await open('b');
    broker.storeFault = (operation, key) =>
      operation === 'put' && key === 'lease' && clock.monotonic() <= leaseTimesMs.expiry
        ? { fault: 'refused' }
        : undefined;
    await clock.advance(leaseTimesMs.sure);
    await assert.rejects(first.confirm(), { fault: 'refused' }, 'it may not act any more');
    await clock.advance(20_000);
    assert.equal(stands(), 'node-b');
    assert.deepEqual(changes, ['b watches', 'a stands by']);
    await clock.advance(60_000);
    assert.deepEqual(changes, ['b watches', 'a stands by']);
  });

  test('that starts at the same moment as others: exactly one watches', async () => {
    const { clock, open } = begin();
    const opened = Promise.all([open('a'), open('b'), open('c')]);
    await clock.advance(5_000);
    assert.equal((await opened).filter(({ isHeld }) => isHeld).length, 1);
  });

  test('of the same instance is the holder, after a start that failed half-way', async () => {
    const { open } = begin();
    await open('a');
    assert.equal((await open('a')).isHeld, true);
  });

  test('fails when the stored lease cannot be read, and leaves it', async () => {
    const { broker, open } = begin();
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    await bucket.put('lease', Buffer.from('{"requester":7}'), 0);
    await assert.rejects(open('a'), { code: 'bad_state', message: /muster_v1\/lease/ });
  });

  test('leaves a lease that was lost with the store to its holder, and takes it when that one is silent', async () => {
    for (const isSilent of [false, true]) {
      const { clock, broker, open, changes, stands } = begin();
      const connection = broker.connect();
      await open('a', connection);
      await clock.advance(leaseTimesMs.renew / 2);
      await open('b');
      if (isSilent) suspend(broker, connection);
      broker.openBucket(clusterBucket.name).entries.clear();
      await clock.advance(leaseTimesMs.look);
      assert.ok(!changes.includes('b watches'));
      await clock.advance(leaseTimesMs.expiry + leaseTimesMs.look);
      assert.equal(stands(), isSilent ? 'node-b' : 'node-a');
    }
  });

  test('takes a lease that cannot be read once nobody has renewed it', async () => {
    const { clock, broker, open, changes, stands, lines } = begin();
    const connection = broker.connect();
    await open('a', connection);
    await open('b');
    suspend(broker, connection);
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    await bucket.put('lease', Buffer.from('?'), (await bucket.get('lease'))?.revision ?? 0);
    await clock.advance(leaseTimesMs.expiry - leaseTimesMs.look);
    assert.deepEqual(changes, []);
    await clock.advance(3 * leaseTimesMs.look);
    assert.equal(stands(), 'node-b');
    assert.deepEqual(changes, ['b watches']);
    assert.equal(
      lines.filter(({ message }) => message.startsWith('the lease in the store cannot be read')).length,
      1,
    );
  });

  test('fails without a store', async () => {
    const { clock, broker, open } = begin();
    await open('a');
    broker.failNext('get', { fault: 'timeout' });
    const opening = assert.rejects(open('b'), { fault: 'timeout' });
    await clock.advance(6_000);
    await opening;
  });

  test('goes on looking while the store does not answer', async () => {
    const { clock, broker, open, changes } = begin();
    const first = await open('a');
    await open('b');
    await first.release();
    broker.storeFault = operation => (operation === 'get' ? { fault: 'refused' } : undefined);
    await clock.advance(60_000);
    assert.deepEqual(changes, []);
    broker.storeFault = undefined;
    await clock.advance(leaseTimesMs.look);
    assert.deepEqual(changes, ['b watches']);
  });
});

describe('the holder', () => {
  test('renews for as long as it lives', async () => {
    const { clock, entry, open } = begin();
    await open('a');
    const before = entry()?.revision ?? 0;
    await clock.advance(10 * leaseTimesMs.renew);
    assert.equal(entry()?.revision, before + 10);
  });

  test('that was taken over stands by, and does not give back the lease of another', async () => {
    const { clock, broker, open, changes, stands } = begin();
    const connection = broker.connect();
    const old = await open('a', connection);
    connection.drop();
    await open('b');
    connection.regain();
    await clock.advance(leaseTimesMs.renew);
    assert.deepEqual(changes, ['a stands by']);
    await clock.advance(20 * leaseTimesMs.renew);
    await old.release();
    assert.equal(stands(), 'node-b');
  });

  test('that stops while it learns that another one holds the lease leaves it there', async () => {
    const { broker, open, changes, stands } = begin();
    const connection = broker.connect();
    const old = await open('a', connection);
    connection.drop();
    await open('b');
    connection.regain();
    const renewing = assert.rejects(old.confirm({ anew: true }), { code: 'in_use' });
    await old.release();
    await renewing;
    assert.equal(stands(), 'node-b');
    assert.deepEqual(changes, []);
  });

  test('that stops while it takes the lease gives it back, and answers nobody any more', async () => {
    const { clock, broker, open, stands } = begin();
    const first = await open('a');
    const second = await open('b');
    await first.release();
    broker.storeFault = operation => {
      if (operation === 'put') void second.release();
      return undefined;
    };
    await clock.advance(2 * leaseTimesMs.look);
    broker.storeFault = undefined;
    assert.equal(stands(), undefined);
    const asking = broker.connect().request('requester.lease.c-1', '', leaseTimesMs.answer);
    await assert.rejects(asking, { fault: 'no_responders' });
  });

  test('watches again when the one that took over stops', async () => {
    const { clock, broker, open, changes } = begin();
    const connection = broker.connect();
    await open('a', connection);
    connection.drop();
    const other = await open('b');
    connection.regain();
    await clock.advance(leaseTimesMs.renew);
    await other.release();
    await clock.advance(leaseTimesMs.look);
    assert.deepEqual(changes, ['a stands by', 'a watches']);
  });

  test('keeps the lease while the broker is away', async () => {
    const { clock, broker, changes, lines, open, entry, stands } = begin();
    await open('a');
    broker.stop();
    await clock.advance(3_600_000);
    broker.start();
    const before = entry()?.revision ?? 0;
    await clock.advance(2 * leaseTimesMs.renew);
    assert.ok((entry()?.revision ?? 0) > before);
    assert.equal(stands(), 'node-a');
    assert.deepEqual(changes, []);
    assert.ok(lines.every(({ level }) => level === 'debug'));
  });

  for (const fault of ['timeout', 'disconnected', 'refused'] as const) {
    for (const applied of [false, true]) {
      test(`keeps the lease when a renewal ends in "${fault}"${applied ? ' although it was stored' : ''}`, async () => {
        const { clock, broker, changes, open, stands } = begin();
        await open('a');
        for (let i = 0; i < 3; i++) broker.failNext('put', { fault, applied });
        await clock.advance(100_000);
        assert.equal(stands(), 'node-a');
        assert.deepEqual(changes, []);
      });
    }
  }

  test('writes the lease into a new store at its next renewal, when the old one was lost', async () => {
    const { clock, broker, changes, open, stands } = begin();
    await open('a');
    await clock.advance(20_000);
    broker.wipe();
    broker.start();
    assert.equal(stands(), undefined);
    await clock.advance(leaseTimesMs.renew);
    assert.equal(stands(), 'node-a');
    assert.equal((await open('b')).isHeld, false);
    assert.deepEqual(changes, ['a restores']);
  });

  test('writes the lease again when it was deleted or cannot be read', async () => {
    const { clock, broker, changes, open, stands } = begin();
    await open('a');
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    for (const damage of ['purge', 'put'] as const) {
      const revision = (await bucket.get('lease'))?.revision ?? 0;
      if (damage === 'purge') broker.openBucket(clusterBucket.name).entries.clear();
      else await bucket.put('lease', Buffer.from('?'), revision);
      await clock.advance(leaseTimesMs.renew);
      assert.equal(stands(), 'node-a', damage);
      assert.ok(await bucket.get('cluster'), 'the cluster id is written again too');
    }
    assert.deepEqual(changes, ['a restores', 'a restores']);
  });

  test('that gives the lease back during a renewal leaves none', async () => {
    const { clock, broker, open, stands } = begin();
    const lease = await open('a');
    broker.failNext('put', { fault: 'timeout', applied: true });
    await clock.advance(leaseTimesMs.renew + 1_000);
    const released = lease.release();
    await clock.advance(60_000);
    await released;
    assert.equal(clock.pending, 0);
    // After a lost answer, the lease may still be in the store. Nobody answers for it, so the next requester need not wait.
    await open('b');
    assert.equal(stands(), 'node-b');
  });

  test('may give the lease back while the broker is away', async () => {
    const { clock, broker, open } = begin();
    const lease = await open('a');
    broker.stop();
    await lease.release();
    await lease.release();
    await clock.advance(60_000);
    assert.equal(clock.pending, 0);
  });
});

describe('a holder that wants to act', () => {
  /** Takes the lease as `a`, and lets no renewal succeed until `allow` is called. */
  const unrenewed = async () => {
    const begun = begin();
    const connection = begun.broker.connect();
    const lease = await begun.open('a', connection);
    let puts = 0;
    const refuse = () => {
      begun.broker.storeFault = (operation, key) => {
        if (operation !== 'put' || key !== 'lease') return undefined;
        puts++;
        return { fault: 'refused' };
      };
    };
    refuse();
    const allow = () => {
      begun.broker.storeFault = operation => void (operation === 'put' && puts++);
    };
    return { ...begun, connection, lease, allow, refuse, puts: () => puts };
  };
  /** Writes the lease of another requester, as if it had waited long enough. */
  const takeAway = async ({ broker, holder }: Pick<ReturnType<typeof begin>, 'broker' | 'holder'>) => {
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    const { storeFault } = broker;
    broker.storeFault = undefined;
    const value = Buffer.from(JSON.stringify(holder('b')));
    await bucket.put('lease', value, (await bucket.get('lease'))?.revision ?? 0);
    broker.storeFault = storeFault;
  };

  test('need not ask while a renewal is recent', async () => {
    const { clock, lease, puts } = await unrenewed();
    await clock.advance(leaseTimesMs.sure - 1);
    const before = puts();
    await lease.confirm();
    assert.equal(puts(), before);
  });

  test('renews first when the last renewal is too old, and may not act when that fails', async () => {
    const { clock, lease, allow, changes } = await unrenewed();
    await clock.advance(leaseTimesMs.sure);
    await assert.rejects(lease.confirm(), { fault: 'refused' });
    allow();
    await Promise.all([lease.confirm(), lease.confirm()]);
    await lease.confirm();
    assert.deepEqual(changes, []);
  });

  test('learns that another one took over, and may not act then', async () => {
    const open = await unrenewed();
    const { clock, lease, allow, changes } = open;
    await clock.advance(leaseTimesMs.sure);
    await takeAway(open);
    allow();
    for (let i = 0; i < 2; i++) {
      await assert.rejects(lease.confirm(), {
        code: 'in_use',
        message: /^requester node-b \(process 4000 on host-b\) watches/,
      });
    }
    assert.deepEqual(changes, ['a stands by']);
  });

  test('renews first after it was without the broker, which lets another one take over at once', async () => {
    const open = await unrenewed();
    const { lease, connection, allow, puts } = open;
    connection.drop();
    await assert.rejects(lease.confirm(), { fault: 'disconnected' });
    connection.regain();
    await assert.rejects(lease.confirm(), { fault: 'refused' });
    allow();
    const before = puts();
    await lease.confirm();
    assert.equal(puts(), before + 1);
    connection.drop();
    await takeAway(open);
    connection.regain();
    await assert.rejects(lease.confirm(), { code: 'in_use' });
  });

  test('renews first after the machine slept, when only the wall clock went on', async () => {
    const { clock, lease, refuse } = await unrenewed();
    clock.moveWall(leaseTimesMs.sure);
    refuse();
    await assert.rejects(lease.confirm(), { fault: 'refused' });
  });

  test('may not act once it has given the lease back', async () => {
    const { clock, lease, allow } = await unrenewed();
    allow();
    await lease.release();
    await clock.settle();
    await assert.rejects(lease.confirm(), { fault: 'disconnected' });
  });
});

describe("the cluster's id", () => {
  const open = async () => {
    const broker = new FakeBroker(new FakeClock());
    return { broker, bucket: await (await broker.connect().storage()).bucket(clusterBucket) };
  };

  test('is made by the first requester of a store and stays', async () => {
    const { bucket } = await open();
    const id = await ensureClusterId(bucket, counting('c'));
    assert.equal(id, 'c1');
    assert.equal(await ensureClusterId(bucket, counting('other')), 'c1');
    assert.equal(await ensureClusterId(bucket, counting('other'), 'remembered'), 'c1');
  });

  test('is the same for two requesters that make it at the same time', async () => {
    const { bucket } = await open();
    const [a, b] = await Promise.all([
      ensureClusterId(bucket, counting('a')),
      ensureClusterId(bucket, counting('b')),
    ]);
    assert.equal(a, b);
  });

  test('is written again into a store that was lost, or where it was deleted', async () => {
    const { bucket } = await open();
    assert.equal(await ensureClusterId(bucket, counting(), 'remembered'), 'remembered');
    await bucket.purge('cluster', (await bucket.get('cluster'))?.revision ?? 0, {});
    assert.equal(await ensureClusterId(bucket, counting(), 'again'), 'again');
  });

  test('that cannot be read is an error', async () => {
    for (const text of ['', '{}', '{"id":""}', '{"id":"a b"}', `{"id":"${'x'.repeat(129)}"}`]) {
      const { bucket } = await open();
      await bucket.put('cluster', Buffer.from(text), 0);
      await assert.rejects(ensureClusterId(bucket, counting()), {
        code: 'bad_state',
        message: /muster_v1\/cluster/,
      });
    }
  });

  test('is an error when the store does not answer', async () => {
    const { broker, bucket } = await open();
    for (const operation of ['get', 'put'] as const) {
      broker.failNext(operation, { fault: 'refused' });
      await assert.rejects(ensureClusterId(bucket, counting()), { fault: 'refused' });
    }
  });
});
