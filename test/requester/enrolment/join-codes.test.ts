// A join code lets in as many nodes as it says, until it ends, from the network that it names. All else is told as what it is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import {
  codesToForget,
  keepAfterEndMs,
  maxCodes,
} from '../../../agent/requester/enrolment/join-code-rules.ts';
import { JoinCodes, type JoinCodeWish } from '../../../agent/requester/enrolment/join-codes.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { followSets } from '../follow-sets.ts';

const hour = 3_600_000;
const anyAddress = '203.0.113.9';

const wish = (more: Partial<JoinCodeWish> = {}): JoinCodeWish => ({
  lifetimeMs: hour,
  uses: 1,
  approve: false,
  labels: {},
  network: undefined,
  ...more,
});

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const { log, lines } = recordLog();
  const pins: string[] = [];
  const announced: string[] = [];
  const open = async () => {
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    const codes = new JoinCodes({
      bucket,
      clock,
      log,
      usesOf: id => pins.filter(each => each === id).length,
      events: {
        announce: (kind, { code, actor, claimedActor }) =>
          announced.push(`${kind} ${code} ${actor} ${claimedActor}`),
      },
    });
    await followSets(broker, bucket, [codes.set]);
    return codes;
  };
  return { clock, broker, lines, pins, announced, open, codes: await open() };
}

const codeOf = (error: unknown) => (error as { code?: string }).code;
const ada = { actor: 'ada', claimedActor: 'ada@desk' };
const bob = { actor: 'bob' };
const kindOf = (codes: JoinCodes, token: string, address = anyAddress) => codes.check(token, address).kind;

describe('a code', () => {
  test('lets in one node for an hour, and a second one is told that it is spent', async () => {
    const { codes, pins, announced, broker } = await begin();
    const { token, code } = await codes.create(wish(), ada);
    assert.match(code.id, /^[a-z2-7]{10}$/);
    assert.match(token, new RegExp(`^join-${code.id}-[A-Za-z0-9_-]{22}$`));
    assert.deepEqual(announced, [`join_code_created ${code.id} ada ada@desk`]);
    assert.equal(kindOf(codes, token), 'valid');
    pins.push(code.id);
    assert.equal(kindOf(codes, token), 'spent');
    assert.deepEqual(
      codes.list().map(({ id, used, state }) => ({ id, used, state })),
      [{ id: code.id, used: 1, state: 'spent' }],
    );
    const stored = [...broker.openBucket('muster_v1').entries.values()].map(({ value }) =>
      String(Buffer.from(value)),
    );
    assert.ok(stored.length === 1 && !stored.join().includes(token), 'the token is stored nowhere');
  });

  test('ends at its time, also when it was read again', async () => {
    const { clock, codes, open } = await begin();
    const { token } = await codes.create(wish({ uses: 5 }), ada);
    await clock.advance(hour - 1);
    assert.equal(kindOf(codes, token), 'valid');
    const again = await open();
    assert.equal(kindOf(again, token), 'valid');
    await clock.advance(1);
    assert.equal(kindOf(codes, token), 'expired');
    assert.equal(kindOf(again, token), 'expired');
  });

  test('that is revoked lets nobody in, and cannot be revoked twice', async () => {
    const { codes, open, announced } = await begin();
    const { token, code } = await codes.create(wish({ uses: 2 }), ada);
    const revoked = await codes.revoke(code.id, bob);
    assert.equal(revoked.state, 'revoked');
    assert.equal(revoked.record.revoked?.by, 'bob');
    assert.equal(kindOf(codes, token), 'revoked');
    assert.equal(kindOf(await open(), token), 'revoked');
    assert.equal(announced.at(-1), `join_code_revoked ${code.id} bob undefined`);
    await assert.rejects(codes.revoke(code.id, bob), /is revoked already/);
    await assert.rejects(codes.revoke('aaaaaaaaaa', bob), error => codeOf(error) === 'not_found');
  });

  test('stays used when a node that used it gave way and is forgotten', async () => {
    const { codes, pins, open } = await begin();
    const { token, code } = await codes.create(wish(), ada);
    pins.push(code.id);
    await codes.onGaveWay(code.id, { key: 'NKEY', at: '2026-01-01T00:00:00Z' });
    pins.pop();
    assert.equal(kindOf(codes, token), 'spent');
    const [again] = (await open()).list();
    assert.deepEqual([again?.used, again?.state], [1, 'spent']);
  });

  test('of a network lets in nobody from another one', async () => {
    const { codes } = await begin();
    const v4 = (await codes.create(wish({ network: '10.0.0.0/8' }), ada)).token;
    assert.equal(kindOf(codes, v4, '10.9.9.9'), 'valid');
    assert.equal(kindOf(codes, v4, '::ffff:10.9.9.9'), 'valid');
    assert.equal(kindOf(codes, v4, '192.168.0.1'), 'network');
    assert.equal(kindOf(codes, v4, ''), 'network');
    const v6 = (await codes.create(wish({ network: 'fd00::/8' }), ada)).token;
    assert.equal(kindOf(codes, v6, 'fd12::1'), 'valid');
    assert.equal(kindOf(codes, v6, '10.9.9.9'), 'network');
  });

  test('of another secret, or of no code at all, is unknown', async () => {
    const { codes } = await begin();
    const { token, code } = await codes.create(wish(), ada);
    const other = `join-${code.id}-${Buffer.alloc(16, 9).toString('base64url')}`;
    for (const text of [
      '',
      'x',
      other,
      token.slice(0, -1),
      `${token} `,
      token.replace(code.id, 'aaaaaaaaaa'),
    ])
      assert.deepEqual(codes.check(text, anyAddress), { kind: 'unknown' }, text);
  });

  test('gives its last use to one of two nodes that come at the same time', async () => {
    const { codes, pins } = await begin();
    const { token, code } = await codes.create(wish({ uses: 2 }), ada);
    pins.push(code.id);
    const release = codes.hold(code.id);
    assert.equal(kindOf(codes, token), 'spent');
    // The pin of the first one was not written, so the second one may have the use.
    release();
    release();
    assert.equal(kindOf(codes, token), 'valid');
  });

  test('that cannot be read lets nobody in, and the others go on', async () => {
    const { clock, broker, codes, open, lines } = await begin();
    const { token } = await codes.create(wish(), ada);
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    await bucket.put('code.aaaaaaaaaa', Buffer.from('{"hash":1}'), 0);
    await bucket.put('code.other', Buffer.from('?'), 0);
    const again = await open();
    assert.equal(again.list().length, 1);
    assert.equal(kindOf(again, token), 'valid');
    // Each of the two requesters says it once for each record, however often it reads the store.
    broker.stop();
    broker.start();
    await clock.settle();
    assert.equal(
      lines.filter(line => /record of the cluster cannot be read/.test(JSON.stringify(line))).length,
      4,
    );
  });

  test('keeps members of a later version when it is revoked', async () => {
    const { broker, codes, open } = await begin();
    const { code } = await codes.create(wish(), ada);
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    const entry = await bucket.get(`code.${code.id}`);
    const value = { ...JSON.parse(String(Buffer.from(entry?.value ?? []))), later: { a: 1 } };
    await bucket.put(`code.${code.id}`, Buffer.from(JSON.stringify(value)), entry?.revision ?? 0);
    await (await open()).revoke(code.id, bob);
    const after = JSON.parse(String(Buffer.from((await bucket.get(`code.${code.id}`))?.value ?? [])));
    assert.deepEqual(after.later, { a: 1 });
    assert.equal(after.revoked.by, 'bob');
  });
});

describe('a store that does not answer', () => {
  test('makes no code, and says so', async () => {
    const { broker, clock, codes, announced } = await begin();
    for (const fault of ['timeout', 'refused', 'no_space', 'disconnected'] as const) {
      broker.failNext('put', { fault });
      const made = assert.rejects(codes.create(wish(), ada), error => {
        assert.match((error as Error).message, /^no join code was made: /);
        const isDefinite = fault === 'refused' || fault === 'no_space';
        return codeOf(error) === (isDefinite ? 'failed' : 'unreachable');
      });
      await clock.advance(6_000);
      await made;
    }
    assert.deepEqual(codes.list(), []);
    assert.deepEqual(announced, []);
  });

  test('leaves no doubt about a revocation that stands although its answer was lost', async () => {
    const { broker, clock, codes } = await begin();
    const { token, code } = await codes.create(wish(), ada);
    broker.failNext('put', { fault: 'timeout', applied: true });
    const revoked = codes.revoke(code.id, bob);
    await clock.advance(6_000);
    assert.equal((await revoked).state, 'revoked');
    assert.equal(kindOf(codes, token), 'revoked');
  });

  test('says of a revocation that it may stand or not, and lets nobody in meanwhile', async () => {
    const { broker, clock, codes } = await begin();
    const { token, code } = await codes.create(wish(), ada);
    broker.failNext('put', { fault: 'timeout' });
    broker.failNext('get', { fault: 'disconnected' });
    const failed = assert.rejects(codes.revoke(code.id, bob), /may be revoked or not/);
    assert.equal(kindOf(codes, token), 'revoked');
    await clock.advance(6_000);
    await failed;
    assert.equal(kindOf(codes, token), 'revoked');
  });

  test('takes a revocation that is repeated because it may stand or not', async () => {
    for (const applied of [false, true]) {
      const { broker, clock, codes, open, announced } = await begin();
      const { token, code } = await codes.create(wish(), ada);
      broker.failNext('put', { fault: 'timeout', applied });
      broker.failNext('get', { fault: 'disconnected' });
      const failed = assert.rejects(codes.revoke(code.id, bob), /may be revoked or not/);
      await clock.advance(6_000);
      await failed;
      assert.equal((await codes.revoke(code.id, bob)).state, 'revoked');
      assert.equal(kindOf(await open(), token), 'revoked');
      assert.equal(announced.filter(text => text.startsWith('join_code_revoked')).length, 1);
      await assert.rejects(codes.revoke(code.id, bob), /is revoked already/);
    }
  });

  test('that did not take a revocation leaves the code as it was', async () => {
    const { broker, codes } = await begin();
    const { token, code } = await codes.create(wish(), ada);
    broker.failNext('put', { fault: 'refused' });
    await assert.rejects(codes.revoke(code.id, bob), error => codeOf(error) === 'failed');
    assert.equal(kindOf(codes, token), 'valid');
  });
});

test('a store that was lost gets its codes again', async () => {
  const { broker, codes, open } = await begin();
  const { token } = await codes.create(wish(), ada);
  broker.wipe();
  broker.start();
  await codes.set.restore();
  assert.equal(kindOf(await open(), token), 'valid');
  await codes.set.restore();
});

describe('old codes', () => {
  test('are kept for a week after their end, so that a late node is told why, and then forgotten', async () => {
    const { clock, broker, codes } = await begin();
    const { token } = await codes.create(wish(), ada);
    await clock.advance(hour + keepAfterEndMs);
    await codes.create(wish(), ada);
    assert.equal(kindOf(codes, token), 'expired');
    await clock.advance(1);
    await codes.create(wish(), ada);
    assert.equal(kindOf(codes, token), 'unknown');
    assert.equal(broker.openBucket('muster_v1').entries.size, 2);
  });

  test('give way to a new one when there are too many, and valid ones never do', () => {
    const now = new Date('2026-01-10T00:00:00Z');
    const record = (endsAt: string) => ({
      hash: '',
      at: '2026-01-01T00:00:00Z',
      by: '',
      endsAt,
      uses: 1,
      approve: false,
      labels: {},
    });
    const ends = fc.integer({ min: -6, max: 6 }).map(days => new Date(now.getTime() + days * 24 * hour));
    const some = fc.record({ endsAt: ends, used: fc.nat(1) });
    fc.assert(
      fc.property(fc.array(some, { minLength: maxCodes - 3, maxLength: maxCodes + 3 }), all => {
        const codes = all.map(({ endsAt, used }, index) => ({
          id: `${index}`,
          code: record(endsAt.toISOString()),
          used,
        }));
        const forgotten = new Set(codesToForget(codes, now, 1));
        const over = codes.filter(({ code, used }) => used > 0 || Date.parse(code.endsAt) <= now.getTime());
        const kept = codes.length - forgotten.size;
        assert.ok(kept <= maxCodes - 1 || forgotten.size === over.length);
        assert.ok(
          [...forgotten].every(id => over.some(each => each.id === id)),
          'a valid code was forgotten',
        );
        assert.ok(forgotten.size <= Math.max(0, codes.length + 1 - maxCodes), 'more than needed');
      }),
      { numRuns: 20 },
    );
  });

  test('that are all valid leave no room for another, and the operator is told', async () => {
    const { codes } = await begin();
    for (let count = 0; count < maxCodes; count++) await codes.create(wish(), ada);
    await assert.rejects(codes.create(wish(), ada), error => codeOf(error) === 'conflict');
    await codes.revoke(codes.list()[0]?.id ?? '', ada);
    await codes.create(wish(), ada);
    assert.equal(codes.list().length, maxCodes);
  });
});

test('whatever nodes come in what order, a code never has more uses than it says', () => {
  return fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.constantFrom('come', 'written', 'lost', 'restart'), { maxLength: 40 }),
      async (uses, steps) => {
        const { codes: first, pins, open } = await begin();
        const { token, code } = await first.create(wish({ uses }), ada);
        let codes = first;
        let writing: (() => void)[] = [];
        for (const step of steps) {
          if (step === 'come' && kindOf(codes, token) === 'valid') writing.push(codes.hold(code.id));
          if (step === 'written' && writing.length > 0) {
            pins.push(code.id);
            writing.shift()?.();
          }
          if (step === 'lost') writing.shift()?.();
          if (step === 'restart') {
            codes = await open();
            writing = [];
          }
          assert.ok(pins.length + writing.length <= uses);
        }
      },
    ),
    { numRuns: 50 },
  );
});
