// One requester holds the lease, others are refused or take over, and the holder notices when it has lost the lease.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterBucket, ensureClusterId } from '../../agent/requester/cluster/cluster-bucket.ts';
import {
  type Holder,
  type Lease,
  type LeaseOptions,
  leaseTimesMs,
  takeLease,
} from '../../agent/requester/lease.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker, type FakeConnection } from '../support/fake-connection.ts';
import { recordLog } from '../support/log-lines.ts';
import { steadyRandom } from '../support/steady-random.ts';
import { counting } from './samples.ts';

function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const { log, lines } = recordLog();
  const lost: string[] = [];
  const holder = (name: string): Holder => ({
    requester: `node-${name}`,
    instance: `i-${name}`,
    host: `host-${name}`,
    pid: 4_000,
    since: '2026-01-01T00:00:00Z',
  });
  /** Takes the lease as a requester with this name, on a connection of its own. */
  const take = async (name: string, connection = broker.connect(), more: Partial<LeaseOptions> = {}) => {
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    return takeLease({
      bucket,
      connection,
      clusterId: 'c-1',
      random: steadyRandom(),
      me: holder(name),
      clock,
      log,
      onLost: by => lost.push(`${name} to ${by.requester}`),
      ...more,
    });
  };
  const entry = () => broker.openBucket('muster_v1').entries.get('lease');
  const stands = () =>
    entry()?.marker === false ? JSON.parse(String(Buffer.from(entry()?.value ?? []))) : undefined;
  /** Lets `ms` pass and returns the outcome of `work`; 'waiting' when it has none yet. */
  const after = async (ms: number, work: Promise<Lease>): Promise<string> => {
    let outcome = 'waiting';
    work.then(
      () => {
        outcome = 'taken';
      },
      error => {
        outcome = `${error.code ?? error.fault}: ${error.message}`;
      },
    );
    await clock.advance(ms);
    return outcome;
  };
  return { clock, broker, log, lines, lost, holder, take, entry, stands, after };
}

/** Subscribes like a holder that SIGSTOP has stopped: it is connected but does not answer. */
function suspend(broker: FakeBroker, connection: FakeConnection): void {
  connection.drop();
  broker.connect().subscribe('requester.lease.>', () => undefined);
}

describe('a second requester', () => {
  test('is refused while the first answers, with the name of the first', async () => {
    const { take, stands, holder } = begin();
    await take('a');
    await assert.rejects(take('b'), {
      name: 'MusterError',
      code: 'in_use',
      message:
        "requester node-a (process 4000 on host-a, since 2026-01-01T00:00:00Z) already keeps this cluster's roll",
    });
    assert.deepEqual(stands(), holder('a'));
  });

  test('takes over at once when the first has ended without giving the lease back', async () => {
    const { clock, broker, take, after, stands } = begin();
    const connection = broker.connect();
    await take('a', connection);
    await clock.advance(60_000);
    connection.drop();
    assert.equal(await after(0, take('b')), 'taken');
    assert.equal(stands().requester, 'node-b');
  });

  test('takes over without asking when the first gave the lease back', async () => {
    const { clock, broker, take, after, stands } = begin();
    const lease = await take('a');
    await lease.release();
    await clock.advance(60_000);
    assert.equal(stands(), undefined);
    broker.deliver = () => assert.fail('somebody was asked');
    assert.equal(await after(0, take('b')), 'taken');
  });

  test('takes over from a holder that does not answer once it has not renewed for 15 s', async () => {
    const { clock, broker, take, after, stands } = begin();
    const connection = broker.connect();
    await take('a', connection);
    suspend(broker, connection);
    const work = take('b');
    assert.equal(await after(leaseTimesMs.expiry, work), 'waiting');
    assert.equal(stands().requester, 'node-a');
    assert.equal(await after(leaseTimesMs.answer + 1_000, work), 'taken');
    assert.equal(stands().requester, 'node-b');
    await clock.advance(0);
  });

  test('is refused while the holder renews, although its answers do not arrive', async () => {
    const { broker, take, after } = begin();
    await take('a');
    broker.deliver = subject => !subject.startsWith('_INBOX.');
    assert.match(await after(20_000, take('b')), /^in_use: requester node-a/);
  });

  test('that waits is refused when the holder answers again', async () => {
    const { broker, take, after } = begin();
    await take('a');
    broker.deliver = subject => !subject.startsWith('_INBOX.');
    const work = take('b');
    assert.equal(await after(leaseTimesMs.answer, work), 'waiting');
    broker.deliver = undefined;
    assert.match(await after(1_000, work), /^in_use/);
  });

  test('that waits can be stopped', async () => {
    const { clock, broker, take, after, stands } = begin();
    const connection = broker.connect();
    await take('a', connection);
    suspend(broker, connection);
    const stopping = new AbortController();
    const work = take('b', broker.connect(), { signal: stopping.signal });
    assert.equal(await after(5_000, work), 'waiting');
    stopping.abort();
    assert.match(await after(leaseTimesMs.answer, work), /^disconnected/);
    assert.equal(stands().requester, 'node-a');
    await clock.advance(60_000);
    assert.equal(stands().requester, 'node-a');
  });

  test('does not accept an answer of another requester in the place of the holder', async () => {
    const { broker, take, after, stands, holder } = begin();
    let holding = broker.connect();
    await take('a', holding);
    // One requester has lost the lease and has not noticed it yet. The other sends a malformed answer.
    const answers = { b: JSON.stringify(holder('z')), c: 'hello', d: '{}' };
    for (const [name, answer] of Object.entries(answers)) {
      holding.drop();
      const other = broker.connect();
      other.subscribe('requester.lease.c-1', message => void message.respond(answer));
      holding = broker.connect();
      const work = take(name, holding);
      assert.equal(await after(10_000, work), 'waiting');
      await other.close();
      assert.equal(await after(1_000, work), 'taken');
      assert.equal(stands().requester, `node-${name}`);
    }
  });

  test('that starts at the same moment as another gets the lease, or is refused', async () => {
    const { clock, take } = begin();
    const works = Promise.allSettled([take('a'), take('b'), take('c')]);
    await clock.advance(5_000);
    const outcomes = (await works).map(each => (each.status === 'fulfilled' ? 'taken' : each.reason.code));
    assert.deepEqual(outcomes.sort(), ['in_use', 'in_use', 'taken']);
  });

  test('of the same instance is the holder, after a start that failed half-way', async () => {
    const { take } = begin();
    await take('a');
    await take('a');
  });

  test('fails when the stored lease cannot be read, and leaves it', async () => {
    const { broker, take } = begin();
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    await bucket.put('lease', Buffer.from('{"requester":7}'), 0);
    await assert.rejects(take('a'), { code: 'bad_state', message: /muster_v1\/lease/ });
  });

  test('fails without a store', async () => {
    const { clock, broker, take, after } = begin();
    await take('a');
    for (const operation of ['get', 'put'] as const) {
      broker.failNext(operation, { fault: 'timeout' });
      assert.match(await after(6_000, take('a')), /^timeout/);
    }
    const connection = broker.connect();
    const work = take('b', connection);
    broker.deliver = () => false;
    await clock.settle();
    connection.drop();
    assert.match(await after(0, work), /^disconnected/);
  });
});

describe('the holder', () => {
  test('renews for as long as it lives', async () => {
    const { clock, entry, take } = begin();
    await take('a');
    const before = entry()?.revision ?? 0;
    await clock.advance(10 * leaseTimesMs.renew);
    assert.equal(entry()?.revision, before + 10);
  });

  test('that was taken over stops answering, and learns once who took over', async () => {
    const { clock, broker, take, lost, after, stands } = begin();
    const connection = broker.connect();
    const old = await take('a', connection);
    connection.drop();
    assert.equal(await after(0, take('b')), 'taken');
    connection.regain();
    await clock.advance(leaseTimesMs.renew);
    assert.deepEqual(lost, ['a to node-b']);
    await clock.advance(20 * leaseTimesMs.renew);
    assert.deepEqual(lost, ['a to node-b']);
    await old.release();
    assert.equal(stands().requester, 'node-b', 'it does not give back the lease of another');
    await assert.rejects(take('c'), { message: /node-b/ });
  });

  test('keeps the lease while the broker is away', async () => {
    const { clock, broker, lost, lines, take, entry, stands } = begin();
    await take('a');
    broker.stop();
    await clock.advance(3_600_000);
    broker.start();
    const before = entry()?.revision ?? 0;
    await clock.advance(2 * leaseTimesMs.renew);
    assert.ok((entry()?.revision ?? 0) > before);
    assert.equal(stands().requester, 'node-a');
    assert.deepEqual(lost, []);
    assert.ok(lines.every(({ level }) => level === 'debug'));
  });

  for (const fault of ['timeout', 'disconnected', 'refused'] as const) {
    for (const applied of [false, true]) {
      test(`keeps the lease when a renewal ends in "${fault}"${applied ? ' although it was stored' : ''}`, async () => {
        const { clock, broker, lost, take, stands } = begin();
        await take('a');
        for (let i = 0; i < 3; i++) broker.failNext('put', { fault, applied });
        await clock.advance(100_000);
        assert.equal(stands().requester, 'node-a');
        await assert.rejects(take('b'), { code: 'in_use' });
        assert.deepEqual(lost, []);
      });
    }
  }

  test('writes the lease into a new store at its next renewal, when the old one was lost', async () => {
    const { clock, broker, lost, take, stands } = begin();
    await take('a');
    await clock.advance(20_000);
    broker.wipe();
    broker.start();
    assert.equal(stands(), undefined);
    await clock.advance(leaseTimesMs.renew);
    assert.equal(stands().requester, 'node-a');
    await assert.rejects(take('b'), { code: 'in_use' });
    assert.deepEqual(lost, []);
  });

  test('writes the lease again when it was deleted or cannot be read', async () => {
    const { clock, broker, lost, take, stands } = begin();
    await take('a');
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    for (const damage of ['purge', 'put'] as const) {
      const revision = (await bucket.get('lease'))?.revision ?? 0;
      if (damage === 'purge') broker.openBucket(clusterBucket.name).entries.clear();
      else await bucket.put('lease', Buffer.from('?'), revision);
      await clock.advance(leaseTimesMs.renew);
      assert.equal(stands()?.requester, 'node-a', damage);
      assert.ok(await bucket.get('cluster'), 'the cluster id is written again too');
    }
    assert.deepEqual(lost, []);
  });

  test('that gives the lease back during a renewal leaves none', async () => {
    const { clock, broker, take, stands } = begin();
    const lease = await take('a');
    broker.failNext('put', { fault: 'timeout', applied: true });
    await clock.advance(leaseTimesMs.renew + 1_000);
    const released = lease.release();
    await clock.advance(60_000);
    await released;
    assert.equal(clock.pending, 0);
    // After a lost answer, the lease may still be in the store. Nobody answers for it, so the next requester need not wait.
    await take('b');
    assert.equal(stands().requester, 'node-b');
  });

  test('that gives the lease back at the moment of a renewal leaves none', async () => {
    const { clock, broker, take, stands } = begin();
    const connection = broker.connect();
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    let lease: Lease | undefined;
    let released: Promise<void> | undefined;
    const put: typeof bucket.put = (...write) => {
      queueMicrotask(() => {
        released = lease?.release();
      });
      return bucket.put(...write);
    };
    lease = await take('a', connection, { bucket: { ...bucket, put } });
    await clock.advance(leaseTimesMs.renew);
    assert.ok(released);
    await released;
    await clock.advance(60_000);
    assert.equal(stands(), undefined);
  });

  test('may give the lease back while the broker is away', async () => {
    const { clock, broker, take } = begin();
    const lease = await take('a');
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
    const open = begin();
    const connection = open.broker.connect();
    const lease = await open.take('a', connection);
    let puts = 0;
    const refuse = () => {
      open.broker.storeFault = (operation, key) => {
        if (operation !== 'put' || key !== 'lease') return undefined;
        puts++;
        return { fault: 'refused' };
      };
    };
    refuse();
    const allow = () => {
      open.broker.storeFault = operation => void (operation === 'put' && puts++);
    };
    return { ...open, connection, lease, allow, refuse, puts: () => puts };
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
    const { clock, lease, allow, lost } = await unrenewed();
    await clock.advance(leaseTimesMs.sure);
    await assert.rejects(lease.confirm(), { fault: 'refused' });
    allow();
    await Promise.all([lease.confirm(), lease.confirm()]);
    await lease.confirm();
    assert.deepEqual(lost, []);
  });

  test('learns that another one took over, and never acts again', async () => {
    const open = await unrenewed();
    const { clock, lease, allow, lost } = open;
    await clock.advance(leaseTimesMs.sure);
    await takeAway(open);
    allow();
    for (let i = 0; i < 2; i++) {
      await assert.rejects(lease.confirm(), {
        code: 'in_use',
        message: /^requester node-b \(process 4000 on host-b\) took over/,
      });
    }
    assert.deepEqual(lost, ['a to node-b']);
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
