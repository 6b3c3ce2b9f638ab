// Tests a requester whose store lost records that the events tell of.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { newOperation } from '../../agent/protocol/operation.ts';
import { nodeBucket } from '../../agent/requester/roll/store.ts';
import { RequesterFixture } from './requester-fixture.ts';
import { computeInfo } from './samples.ts';

const keys = (fixture: RequesterFixture) => fixture.broker.openBucket(nodeBucket.name).entries;
const lostIds = (fixture: RequesterFixture) =>
  fixture.requester.directory.lostNodes().map(({ NodeID }) => NodeID);
const warnings = (fixture: RequesterFixture) =>
  fixture.lines.filter(({ message }) => /nothing is decided about them/.test(message));

/** Starts a requester with an approved, a rejected, a deleted and a pending node, and returns their records. */
async function cluster() {
  const fixture = await RequesterFixture.started();
  for (const id of ['approved', 'rejected', 'deleted', 'pending']) await fixture.register(id);
  await fixture.approve('approved', 'ours');
  await fixture.reject('rejected', 'not ours');
  await fixture.delete('deleted', 'sold');
  await fixture.live(1_000);
  return fixture;
}

/** The ways in which records vanish, for those of all nodes but the requester. */
const losses: Record<string, (fixture: RequesterFixture) => Promise<void>> = {
  'before the start': async fixture => {
    await fixture.kill();
    for (const id of [...keys(fixture).keys()]) if (id !== 'node-0') keys(fixture).delete(id);
    await fixture.start();
  },
  'while the broker is away': async fixture => {
    fixture.broker.stop();
    for (const id of [...keys(fixture).keys()]) if (id !== 'node-0') keys(fixture).delete(id);
    fixture.broker.start();
    await fixture.live(1_000);
  },
  'with the whole bucket': async fixture => {
    fixture.broker.stop();
    fixture.broker.buckets.delete(nodeBucket.name);
    fixture.broker.start();
    await fixture.live(1_000);
  },
  'under the running requester': async fixture => {
    for (const id of [...keys(fixture).keys()]) if (id !== 'node-0') keys(fixture).delete(id);
    await fixture.live(10_000);
  },
};

for (const [when, lose] of Object.entries(losses)) {
  describe(`records that were lost ${when}`, () => {
    test('are shown, and nothing is decided about their nodes', async () => {
      const fixture = await cluster();
      await lose(fixture);
      assert.deepEqual(lostIds(fixture), ['approved', 'deleted', 'rejected']);
      const { state, reason, nodes } = fixture.requester.status();
      assert.deepEqual([state, nodes?.lost, nodes?.pending], ['degraded', 3, 0]);
      assert.match(reason ?? '', /lost the records of 3 nodes; see: muster store rebuild --dry-run/);
      assert.deepEqual(
        warnings(fixture).map(({ fields }) => fields.records),
        [3],
      );
      for (const id of ['approved', 'rejected']) {
        const answer = await fixture.register(id);
        assert.equal(answer.value?.Muster?.Code, 'unavailable');
        assert.match(answer.error ?? '', new RegExp(`lost the record of node ${id}; .*muster store rebuild`));
        const body = { Info: computeInfo(id), ...fixture.senderOf(id) };
        assert.equal((await fixture.ask(id, 'UpdateNodeInfo/v1', body)).value?.Muster?.Code, 'unavailable');
        await fixture.heartbeat(id);
        await assert.rejects(fixture.approve(id), { code: 'bad_state', hint: /muster store rebuild/ });
        await assert.rejects(fixture.reject(id), { code: 'bad_state' });
      }
      const body = { Info: computeInfo('deleted'), ...fixture.senderOf('deleted') };
      assert.equal((await fixture.ask('deleted', 'UpdateNodeInfo/v1', body)).value?.Muster?.Code, 'deleted');
      assert.equal((await fixture.register('pending')).value?.Muster?.Code, 'registered');
      assert.deepEqual([...keys(fixture).keys()].sort(), ['node-0', 'pending']);
      assert.deepEqual(fixture.table(), [
        'node-0 Requester APPROVED UNKNOWN',
        'pending Compute PENDING UNKNOWN',
      ]);
    });

    test('are written again when an operator wants it, and no event tells of it', async () => {
      const fixture = await cluster();
      await lose(fixture);
      const events = fixture.events().length;
      const operation = newOperation(fixture.clock.now(), randomUUID());
      for (const id of lostIds(fixture))
        await fixture.finish(fixture.requester.directory.rebuild(id, { actor: 'ann', operation }));
      const { State, Decisions } = await fixture.finish(fixture.requester.directory.explain(operation));
      assert.equal(State, 'stands');
      assert.ok(Decisions.some(({ NodeID, Kind }) => NodeID === 'approved' && Kind === 'rebuilt'));
      assert.equal(fixture.requester.status().state, 'ready');
      assert.equal(fixture.lines.at(-2)?.message, 'the store has all records again');
      await assert.rejects(fixture.requester.directory.rebuild('approved', { actor: 'ann' }), {
        code: 'not_found',
      });
      const { Membership, Muster } = fixture.requester.directory.get('approved');
      assert.equal(Membership, 'APPROVED');
      assert.deepEqual(Object.values(Muster.Decision ?? {}).slice(0, 3), ['approve', 'ours', 'ann']);
      const body = { Info: computeInfo('approved'), ...fixture.senderOf('approved') };
      const update = await fixture.ask('approved', 'UpdateNodeInfo/v1', body);
      assert.equal(update.value?.Muster?.Code, 'handshake_required');
      assert.equal(fixture.events().length, events);
      assert.equal((await fixture.register('approved')).value?.Muster?.Code, 'reconnected');
      assert.equal((await fixture.register('rejected')).value?.Muster?.Code, 'rejected');
      await fixture.kill();
      await fixture.start();
      assert.deepEqual(lostIds(fixture), []);
      assert.deepEqual(fixture.table().slice(0, 1), ['approved Compute APPROVED UNKNOWN']);
    });
  });
}

describe('the health of nodes whose records were lost', () => {
  const health = (fixture: RequesterFixture) =>
    fixture.events().flatMap(({ subject, type, data }) => {
      const kind = type.replace('org.muster.node.', '');
      return data.current?.health ? [`${subject} ${data.previous?.health} ${kind}`] : [];
    });

  for (const isRestarted of [false, true]) {
    const when = isRestarted ? 'also after a restart meanwhile' : 'while the requester runs';
    test(`goes on from what was announced, ${when}`, async () => {
      const fixture = await RequesterFixture.started();
      const ids = ['heard', 'silent'];
      for (const id of ids) {
        await fixture.register(id);
        await fixture.approve(id);
      }
      await fixture.live(60_000, ids);
      const before = ids.map(id => `${id} UNKNOWN healthy`);
      assert.deepEqual(health(fixture), before);
      for (const id of ids) keys(fixture).delete(id);
      if (isRestarted) await fixture.kill();
      if (isRestarted) await fixture.start();
      await fixture.live(60_000);
      assert.deepEqual(lostIds(fixture), ids);
      for (const id of ids) await fixture.finish(fixture.requester.directory.rebuild(id, { actor: 'ann' }));
      await fixture.register('heard');
      await fixture.live(30_000, ['heard']);
      assert.deepEqual(health(fixture), before, 'nothing is told again');
      await fixture.live(60_000, ['heard']);
      assert.deepEqual(health(fixture), [...before, 'silent HEALTHY unknown']);
    });
  }
});

test("the requester's own record is written again when it was lost with others under it", async () => {
  const fixture = await cluster();
  keys(fixture).clear();
  await fixture.live(10_000);
  assert.deepEqual(lostIds(fixture), ['approved', 'deleted', 'rejected']);
  assert.deepEqual(fixture.table(), ['node-0 Requester APPROVED UNKNOWN']);
});

test('an event of a deletion that contradicts the record in the store sends no node away', async () => {
  const fixture = await cluster();
  const genuine = fixture
    .events()
    .find(({ subject, type }) => subject === 'approved' && type.endsWith('approved'));
  assert.ok(genuine);
  const forged = {
    ...genuine,
    id: genuine.id.replace(/\d+$/, '999'),
    type: 'org.muster.node.deleted',
    data: { node: 'approved', previous: {}, current: {}, reason: 'forged', actor: 'mallory' },
  };
  fixture.broker.connect().publish('node.events.approved.deleted', JSON.stringify(forged));
  await fixture.live(1_000);
  await fixture.kill();
  await fixture.start();
  assert.deepEqual(lostIds(fixture), ['approved']);
  const body = { Info: computeInfo('approved'), ...fixture.senderOf('approved') };
  for (const subject of ['UpdateNodeInfo/v1', 'RegisterNode/v1'] as const)
    assert.equal((await fixture.ask('approved', subject, body)).value?.Muster?.Code, 'unavailable', subject);
});

describe('a lost record', () => {
  test('is given up when its node is deleted, and the node may then register as a new one', async () => {
    const fixture = await cluster();
    await losses['before the start']?.(fixture);
    await fixture.delete('rejected');
    assert.deepEqual(lostIds(fixture), ['approved', 'deleted']);
    assert.equal((await fixture.register('rejected')).value?.Muster?.Code, 'registered');
    await fixture.live(1_000);
    await fixture.kill();
    await fixture.start();
    assert.deepEqual(lostIds(fixture), ['approved', 'deleted']);
    assert.equal(fixture.requester.directory.get('rejected').Membership, 'PENDING');
  });

  test('is not lost any more when somebody restores it', async () => {
    const fixture = await cluster();
    const before = new Map(keys(fixture));
    await losses['while the broker is away']?.(fixture);
    fixture.broker.stop();
    for (const [id, entry] of before) keys(fixture).set(id, entry);
    fixture.broker.start();
    await fixture.live(1_000);
    assert.deepEqual(lostIds(fixture), []);
    assert.equal(fixture.requester.directory.get('approved').Membership, 'APPROVED');
    assert.equal(fixture.requester.status().state, 'ready');
  });

  test('is remembered when the events are lost later, until the requester stops', async () => {
    const fixture = await cluster();
    await losses['while the broker is away']?.(fixture);
    fixture.broker.wipe();
    fixture.broker.start();
    await fixture.live(3_000);
    assert.deepEqual(lostIds(fixture), ['approved', 'deleted', 'rejected']);
  });

  test('of which an older state came back is lost too, and is replaced', async () => {
    const fixture = await cluster();
    const approved = keys(fixture).get('approved');
    assert.ok(approved);
    await fixture.reject('approved', 'broken');
    await fixture.live(1_000);
    fixture.broker.stop();
    keys(fixture).set('approved', approved);
    fixture.broker.start();
    await fixture.live(1_000);
    assert.deepEqual(lostIds(fixture), ['approved']);
    await fixture.finish(fixture.requester.directory.rebuild('approved', { actor: 'ann' }));
    assert.equal(fixture.requester.directory.get('approved').Membership, 'REJECTED');
  });
});

test('an older record that comes back and says the same is not announced a second time', async () => {
  const fixture = await cluster();
  const approved = keys(fixture).get('approved');
  assert.ok(approved);
  await fixture.reject('approved', 'broken');
  await fixture.approve('approved');
  await fixture.live(180_000);
  await fixture.kill();
  keys(fixture).set('approved', approved);
  await fixture.start();
  await fixture.live(1_000);
  assert.deepEqual(lostIds(fixture), []);
  const ids = fixture.events().flatMap(({ id, type }) => (/(approved|rejected)$/.test(type) ? id : []));
  assert.deepEqual(ids, [...new Set(ids)]);
});

describe('an older record of a node that gave way to newer ones since', () => {
  /** Starts a requester with one place for nodes that wait, and lets `old` give way. Returns its former record. */
  async function withExpired(decide: (fixture: RequesterFixture) => Promise<void> = async () => undefined) {
    const fixture = await RequesterFixture.started({ settings: { maxPending: 1 } });
    await fixture.register('old');
    await decide(fixture);
    const former = keys(fixture).get('old');
    assert.ok(former);
    if (fixture.requester.directory.get('old').Membership !== 'PENDING') {
      await fixture.delete('old');
      await fixture.register('old');
    }
    await fixture.register('new');
    await fixture.live(1_000);
    assert.deepEqual(kindsOf(fixture, 'old').slice(-1), ['expired']);
    return { fixture, former };
  }

  const kindsOf = (fixture: RequesterFixture, id: string) =>
    fixture
      .events()
      .flatMap(({ subject, type }) => (subject === id ? type.replace('org.muster.node.', '') : []));

  /** The ways in which the older record comes back. */
  const returns: Record<string, (fixture: RequesterFixture, comeBack: () => void) => Promise<void>> = {
    'before the start': async (fixture, comeBack) => {
      await fixture.kill();
      comeBack();
      await fixture.start();
    },
    'while the broker is away': async (fixture, comeBack) => {
      fixture.broker.stop();
      comeBack();
      fixture.broker.start();
      await fixture.live(1_000);
    },
    'after its marker was removed': async (fixture, comeBack) => {
      await fixture.live(120_000, ['new']);
      assert.equal(keys(fixture).has('old'), false);
      fixture.broker.stop();
      comeBack();
      fixture.broker.start();
      await fixture.live(1_000);
    },
  };

  for (const [when, comesBack] of Object.entries(returns)) {
    test(`counts for nothing when it comes back ${when}`, async () => {
      const { fixture, former } = await withExpired();
      await comesBack(fixture, () => keys(fixture).set('old', former));
      assert.deepEqual(lostIds(fixture), []);
      assert.deepEqual(
        fixture.table().map(line => line.split(' ')[0]),
        ['new', 'node-0'],
      );
      await fixture.delete('new');
      const before = kindsOf(fixture, 'old').length;
      assert.equal((await fixture.register('old')).value?.Muster?.Code, 'registered');
      await fixture.live(1_000);
      assert.deepEqual(kindsOf(fixture, 'old').slice(before), ['registered']);
    });

    test(`is removed after a while when it comes back ${when}`, async () => {
      const { fixture, former } = await withExpired();
      await comesBack(fixture, () => keys(fixture).set('old', former));
      await fixture.live(120_000, ['new']);
      assert.deepEqual([...keys(fixture).keys()].sort(), ['new', 'node-0']);
    });

    test(`is for the operator to judge when it was decided about and comes back ${when}`, async () => {
      const { fixture, former } = await withExpired(each => each.approve('old'));
      await comesBack(fixture, () => keys(fixture).set('old', former));
      assert.deepEqual(lostIds(fixture), ['old']);
      await fixture.finish(fixture.requester.directory.rebuild('old', { actor: 'ann' }));
      assert.deepEqual(lostIds(fixture), []);
      await fixture.kill();
      await fixture.start();
      assert.deepEqual(lostIds(fixture), []);
      assert.deepEqual(
        fixture.table().map(line => line.split(' ')[0]),
        ['new', 'node-0'],
      );
    });
  }
});

test('while the events cannot be read, a node without a record is neither registered nor sent away', async () => {
  const fixture = await cluster();
  fixture.broker.stop();
  fixture.broker.buckets.delete(nodeBucket.name);
  fixture.broker.storeFault = operation => (operation === 'last' ? { fault: 'timeout' } : undefined);
  fixture.broker.start();
  const deleted = { Info: computeInfo('deleted'), ...fixture.senderOf('deleted') };
  const answer = await fixture.ask('deleted', 'UpdateNodeInfo/v1', deleted);
  assert.equal(answer.value?.Muster?.Code, 'unavailable');
  assert.equal((await fixture.register('rejected')).value?.Muster?.Code, 'unavailable');
  const refusal = { code: 'unreachable', message: /^nothing was decided: the store may have lost records/ };
  await assert.rejects(fixture.reject('approved'), refusal);
  fixture.broker.storeFault = undefined;
  await fixture.live(20_000);
  assert.deepEqual(lostIds(fixture), ['approved', 'deleted', 'rejected']);
});
