// Tests the content of the roll after a restart, a crash or the loss of the store, and what is announced then.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertNoDoubles, RequesterFixture, withoutIncarnation } from './requester-fixture.ts';
import { computeInfo } from './samples.ts';

const hour = 3_600_000;

describe('a restart', () => {
  test('keeps membership and information, sends nodes nothing, and has the right health after one heartbeat', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['node-1', 'node-2', 'node-3']) await fixture.register(id, id !== 'node-3');
    await fixture.approve('node-1');
    await fixture.reject('node-2');
    await fixture.live(60_000, ['node-1', 'node-2', 'node-3']);
    const before = fixture.table();
    const count = fixture.announced().length;
    await fixture.kill();
    const sent: string[] = [];
    fixture.broker.deliver = subject => {
      if (!/^(node\.events|requester|muster\.watch$|_INBOX)/.test(subject)) sent.push(subject);
      return true;
    };
    await fixture.start();
    await fixture.clock.advance(10_000);
    assert.deepEqual(sent, []);
    fixture.broker.deliver = undefined;
    assert.deepEqual(
      fixture.table(),
      before.map(line => line.replace(/ HEALTHY$/, ' UNKNOWN')),
    );
    for (const id of ['node-1', 'node-2', 'node-3']) await fixture.heartbeat(id);
    assert.deepEqual(fixture.table(), before);
    await fixture.live(200_000, ['node-1', 'node-2', 'node-3']);
    assert.equal(fixture.announced().length, count, 'nothing has changed');
    assert.deepEqual(fixture.requester.directory.get('node-1').Info.Labels, { zone: 'a' });
  });

  test('announces after nodeDisconnectedAfter what changed meanwhile', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['gone', 'stays', 'returns']) await fixture.register(id);
    await fixture.live(60_000, ['gone', 'stays', 'returns']);
    await fixture.live(60_000, ['gone', 'stays']);
    assert.equal(fixture.announced().at(-1), 'returns unhealthy');
    const count = fixture.announced().length;
    await fixture.kill();
    await fixture.clock.advance(hour);
    await fixture.start();
    await fixture.live(44_999, ['stays', 'returns']);
    assert.deepEqual(fixture.announced().slice(count), []);
    await fixture.live(1, ['stays', 'returns']);
    assert.deepEqual(fixture.announced().slice(count).sort(), ['gone unknown', 'returns healthy']);
    await fixture.live(200_000, ['stays', 'returns']);
    assert.equal(fixture.announced().length, count + 2);
    assertNoDoubles(fixture);
  });

  test('treats a node that was deleted and registered again as new', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    await fixture.delete('node-1');
    await fixture.register('node-1');
    await fixture.kill();
    await fixture.start();
    await fixture.live(60_000);
    assert.equal(fixture.announced().at(-1), 'node-1 registered', 'it is UNKNOWN, which needs no event');
    await fixture.heartbeat('node-1');
    assert.equal(fixture.announced().at(-1), 'node-1 healthy');
  });

  test('makes no difference for a node that was deleted and registers again', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    await fixture.kill();
    await fixture.start();
    await fixture.live(60_000, ['node-1']);
    await fixture.delete('node-1');
    await fixture.register('node-1');
    await fixture.heartbeat('node-1');
    assert.deepEqual(fixture.announced(), [
      'node-1 registered',
      'node-1 healthy',
      'node-1 deleted',
      'node-1 registered',
      'node-1 healthy',
    ]);
  });
});

describe('a crash between a write and its announcement', () => {
  /** Makes the broker store records but no events. */
  const refuseEvents = (fixture: RequesterFixture) => {
    fixture.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
  };
  const restart = async (fixture: RequesterFixture) => {
    await fixture.kill();
    fixture.broker.storeFault = undefined;
    await fixture.start();
    await fixture.clock.advance(10_000);
  };

  test('is announced once at the next start', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    refuseEvents(fixture);
    await fixture.approve('node-1', 'mine');
    await fixture.kill();
    assert.deepEqual(fixture.announced(), ['node-1 registered']);
    for (let i = 0; i < 3; i++) await restart(fixture);
    assert.deepEqual(fixture.announced(), ['node-1 registered', 'node-1 approved']);
    const { id, data } = fixture.events().at(-1) ?? {};
    assert.equal(withoutIncarnation(id ?? ''), 'node-1:3');
    assert.equal(data?.reason, 'mine');
    assertNoDoubles(fixture);
  });

  test('is announced also when the stream has a higher revision, from another program or a lost store', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    fixture.broker.inject('node.events.node-1.updated', '{"id":"node-1:4000"}');
    refuseEvents(fixture);
    await fixture.approve('node-1');
    for (let i = 0; i < 3; i++) {
      await restart(fixture);
      // After this time the broker no longer recognises an event that is sent twice.
      await fixture.clock.advance(hour);
    }
    assert.deepEqual(
      fixture
        .events()
        .flatMap(({ id, type }) => (type?.endsWith('approved') ? [withoutIncarnation(id)] : [])),
      ['node-1:3'],
    );
  });

  test('does not change the health that was announced', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    refuseEvents(fixture);
    await fixture.approve('node-1');
    await restart(fixture);
    await fixture.live(60_000, ['node-1']);
    assert.deepEqual(fixture.announced(), ['node-1 registered', 'node-1 healthy', 'node-1 approved']);
  });

  test('with several changes of one node announces them in order', async () => {
    const fixture = await RequesterFixture.started();
    refuseEvents(fixture);
    await fixture.register('node-1');
    await fixture.register('node-1', true, { zone: 'b' });
    await fixture.approve('node-1');
    await fixture.reject('node-1');
    await fixture.approve('node-1');
    await restart(fixture);
    assert.deepEqual(fixture.announced(), [
      'node-1 registered',
      'node-1 updated',
      'node-1 approved',
      'node-1 rejected',
      'node-1 approved',
    ]);
    assertNoDoubles(fixture);
  });

  test('with very many changes of one node announces all, the older ones together', async () => {
    const fixture = await RequesterFixture.started();
    refuseEvents(fixture);
    await fixture.register('node-1');
    for (let i = 0; i < 50; i++) {
      await fixture.approve('node-1');
      await fixture.reject('node-1');
    }
    await restart(fixture);
    const events = fixture.events().filter(({ subject }) => subject === 'node-1');
    assert.equal(withoutIncarnation(events[0]?.id ?? ''), 'node-1:2');
    assert.equal(withoutIncarnation(events.at(-1)?.id ?? ''), 'node-1:102');
    assert.equal(
      events.reduce((sum, { data }) => sum + 1 + (data.coalesced ?? 0), 0),
      101,
    );
    assertNoDoubles(fixture);
  });

  test('is announced for a deletion too, with its reason from the marker', async () => {
    const fixture = await RequesterFixture.started();
    refuseEvents(fixture);
    await fixture.register('node-1');
    await fixture.delete('node-1', 'moved to "Köln" \u2192 gone');
    await restart(fixture);
    assert.deepEqual(fixture.announced(), ['node-1 registered', 'node-1 deleted']);
    const { data } = fixture.events().at(-1) ?? {};
    assert.equal(data?.reason, 'moved to "Köln" \u2192 gone');
    assert.equal(data?.actor, 'ann');
    assert.deepEqual(data?.previous, { membership: 'PENDING' });
  });

  test('is announced for a deletion and a registration after it', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    refuseEvents(fixture);
    await fixture.delete('node-1', 'old');
    await fixture.register('node-1');
    await restart(fixture);
    assert.deepEqual(fixture.announced().slice(2), ['node-1 deleted', 'node-1 registered']);
    await fixture.live(60_000, ['node-1']);
    assert.equal(
      fixture.announced().at(-1),
      'node-1 healthy',
      'the earlier health was that of the deleted node',
    );
    assertNoDoubles(fixture);
  });

  test('does not announce an event again whose acknowledgement was lost', async () => {
    const fixture = await RequesterFixture.started();
    fixture.broker.storeFault = operation =>
      operation === 'publish' ? { fault: 'timeout', applied: true } : undefined;
    await fixture.register('node-1');
    await fixture.approve('node-1');
    await restart(fixture);
    assert.deepEqual(fixture.announced(), ['node-1 registered', 'node-1 approved']);
    assertNoDoubles(fixture);
  });

  test('does not announce an event again that a forged one of its kind covers', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.register('node-1', true, { zone: 'b' });
    // The broker itself drops a second copy within two minutes.
    await fixture.live(300_000, ['node-1']);
    const updates = () => fixture.events().filter(({ type }) => type === 'org.muster.node.updated');
    const [genuine] = updates();
    assert.ok(genuine);
    const forged = {
      ...genuine,
      id: 'node-1:somebody:1',
      data: { node: 'node-1', previous: {}, current: {} },
    };
    fixture.broker.inject('node.events.node-1.updated', JSON.stringify(forged));
    await fixture.kill();
    await fixture.start();
    await fixture.live(5_000);
    assert.equal(updates().filter(({ id }) => id === genuine.id).length, 1);
  });

  test('leaves nothing in the record after the announcement', async () => {
    const fixture = await RequesterFixture.started();
    refuseEvents(fixture);
    await fixture.register('node-1');
    await restart(fixture);
    await fixture.register('node-1');
    const { value } = fixture.broker.openBucket('node_v1').entries.get('node-1') ?? {};
    assert.doesNotMatch(Buffer.from(value ?? []).toString(), /Changes/);
  });

  test('after the 100th of 200 registrations loses and doubles nothing', async () => {
    const fixture = await RequesterFixture.started();
    const ids = Array.from({ length: 200 }, (_, i) => `node-${i + 1}`);
    for (const id of ids.slice(0, 100)) await fixture.register(id);
    await fixture.kill();
    await fixture.start();
    assert.equal(fixture.requester.status().nodes?.total, 101);
    for (const id of ids.slice(80)) await fixture.register(id);
    assert.equal(fixture.requester.status().nodes?.total, 201);
    assert.deepEqual(
      fixture.announced(),
      ids.map(id => `${id} registered`),
    );
    assertNoDoubles(fixture);
  });
});

describe('a store that is lost', () => {
  test('is set up again, and nodes register as new ones', async () => {
    const fixture = await RequesterFixture.started();
    const { clusterId } = fixture.requester.status();
    assert.ok(clusterId);
    await fixture.register('node-1');
    await fixture.approve('node-1');
    await fixture.live(60_000, ['node-1']);
    fixture.broker.wipe();
    fixture.broker.start();
    await fixture.clock.advance(5_000);
    assert.deepEqual(fixture.table(), ['node-0 Requester APPROVED UNKNOWN']);
    const report = await fixture.ask('node-1', 'UpdateNodeInfo/v1', {
      Info: computeInfo('node-1'),
      ...fixture.senderOf('node-1'),
    });
    assert.equal(report.value?.Muster?.Code, 'handshake_required');
    assert.equal((await fixture.register('node-1')).value?.Muster?.Code, 'registered');
    await fixture.heartbeat('node-1');
    assert.deepEqual(fixture.table(), [
      'node-0 Requester APPROVED UNKNOWN',
      'node-1 Compute PENDING HEALTHY',
    ]);
    assert.deepEqual(fixture.announced(), ['node-1 registered', 'node-1 healthy']);
    await assert.rejects(fixture.finish(fixture.newRequester(fixture.broker.connect()).start()), {
      code: 'in_use',
    });
    await fixture.finish(fixture.requester.stop());
    await fixture.start();
    assert.equal(fixture.requester.status().clusterId, clusterId);
  });

  test('is set up again also when it does not answer at first', async () => {
    const fixture = await RequesterFixture.started();
    const { clusterId } = fixture.requester.status();
    assert.ok(clusterId);
    fixture.broker.wipe();
    for (const operation of ['get', 'put', 'stream', 'get', 'put'] as const) {
      fixture.broker.failNext(operation, { fault: 'timeout' });
    }
    fixture.broker.start();
    await fixture.clock.advance(60_000);
    assert.deepEqual(fixture.table(), ['node-0 Requester APPROVED UNKNOWN']);
    await fixture.finish(fixture.requester.stop());
    await fixture.start();
    assert.equal(fixture.requester.status().clusterId, clusterId);
  });

  test('has nothing of the earlier nodes', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['node-1', 'node-2']) await fixture.register(id);
    await fixture.live(60_000, ['node-1', 'node-2']);
    fixture.broker.wipe();
    fixture.broker.start();
    await fixture.clock.settle();
    for (const id of ['node-1', 'node-2']) await fixture.heartbeat(id);
    assert.equal(fixture.requester.status().counters.heartbeatsUnknown, 2);
    await fixture.live(hour);
    assert.deepEqual(fixture.announced(), []);
  });
});
