// Tests two agents under one node id: which messages count as a conflict, and how often it is announced.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RequesterFixture } from './requester-fixture.ts';
import { computeInfo } from './samples.ts';

describe('a message of an older session', () => {
  const old = 's-old';

  test('while the newer session is alive is a conflict, announced at most once per node and minute', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.register('node-2');
    await fixture.live(60_000, ['node-1', 'node-2']);
    const conflicts = () => fixture.events().filter(({ type }) => type.endsWith('.conflict'));
    for (let second = 0; second < 61; second++) {
      await fixture.heartbeat('node-1', old);
      await fixture.heartbeat('node-1');
      await fixture.clock.advance(1_000);
    }
    assert.deepEqual(
      conflicts().map(({ subject }) => subject),
      ['node-1', 'node-1'],
    );
    assert.equal(fixture.requester.status().counters.conflicts, 61);
    assert.match(conflicts()[0]?.data.evidence?.rule ?? '', /older registration/);
    assert.deepEqual(conflicts()[0]?.data.current, { membership: 'PENDING' });
    await fixture.ask('node-2', 'UpdateResources/v1', {
      NodeID: 'node-2',
      AvailableCapacity: {},
      QueueUsedCapacity: {},
      Muster: { Session: old },
    });
    assert.equal(conflicts().length, 2, 'node-2 has been silent for a while');
    await fixture.heartbeat('node-2');
    await fixture.heartbeat('node-2', old);
    assert.equal(conflicts().at(-1)?.subject, 'node-2');
  });

  test('is no conflict just after a registration, or when the newer session is silent or deleted', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(44_999, ['node-1']);
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 0);
    await fixture.clock.advance(1);
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 1);
    await fixture.clock.advance(60_000);
    await fixture.heartbeat('node-1', old);
    await fixture.delete('node-1');
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 1);
    const { heartbeatsOtherSession, heartbeatsUnknown } = fixture.requester.status().counters;
    assert.deepEqual([heartbeatsOtherSession, heartbeatsUnknown], [3, 1]);
  });

  test('is no conflict when the same agent sent it, however late it comes', async () => {
    const fixture = await RequesterFixture.started();
    const sender = { Version: '0.1.0', Instance: 'i-1' };
    const register = async () => {
      const body = { Info: computeInfo('node-1'), Muster: sender };
      const session = (await fixture.ask('node-1', 'RegisterNode/v1', body)).value?.Muster?.Session;
      assert.ok(session);
      fixture.sessions.set('node-1', session);
      return session;
    };
    const earlier = [await register(), await register()];
    await register();
    await fixture.live(60_000, ['node-1']);
    for (const session of earlier) {
      await fixture.heartbeat('node-1', session);
      const body = { Info: computeInfo('node-1'), Muster: { ...sender, Session: session } };
      assert.match(
        (await fixture.ask('node-1', 'UpdateNodeInfo/v1', body)).error ?? '',
        /handshake required/,
      );
    }
    const { heartbeatsOtherSession, conflicts } = fixture.requester.status().counters;
    assert.deepEqual([heartbeatsOtherSession, conflicts], [2, 0]);
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 1);
  });

  test('is no conflict after a registration whose answer the store lost', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    // The write is stored, but its answer is lost, and so is the answer to the read after it.
    let stored = false;
    fixture.broker.storeFault = (operation, key) => {
      if (key !== 'node-1' || (operation === 'get' && !stored)) return undefined;
      stored = true;
      return { fault: 'timeout', applied: true };
    };
    const { error } = await fixture.register('node-1');
    fixture.broker.storeFault = undefined;
    assert.match(error ?? '', /does not answer; try again/);
    await fixture.heartbeat('node-1');
    const { heartbeatsOtherSession, conflicts } = fixture.requester.status().counters;
    assert.deepEqual([heartbeatsOtherSession, conflicts], [1, 0]);
  });

  test('is no conflict just after a Bacalhau node registered again', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1', false);
    await fixture.live(60_000, ['node-1']);
    await fixture.register('node-1', false);
    await fixture.heartbeat('node-1');
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 0);
    await fixture.live(60_000, ['node-1']);
    await fixture.heartbeat('node-1', old);
    assert.equal(fixture.requester.status().counters.conflicts, 1);
  });

  test('is announced again for a node that was deleted and registered again', async () => {
    const fixture = await RequesterFixture.started();
    const conflicts = () => fixture.events().filter(({ type }) => type.endsWith('.conflict')).length;
    await fixture.register('node-1');
    await fixture.live(60_000, ['node-1']);
    await fixture.heartbeat('node-1', old);
    assert.equal(conflicts(), 1);
    await fixture.delete('node-1');
    await fixture.register('node-1');
    await fixture.live(50_000, ['node-1']);
    await fixture.heartbeat('node-1', old);
    assert.equal(conflicts(), 2);
  });

  test('of very many nodes is announced once for each', async () => {
    const fixture = await RequesterFixture.started({ settings: { maxPending: 5_000 } });
    const ids = Array.from({ length: 1_100 }, (_, i) => `node-${i + 1}`);
    for (const id of ids) await fixture.register(id);
    await fixture.clock.advance(45_000);
    for (const id of ids) await fixture.heartbeat(id);
    for (let round = 0; round < 2; round++) for (const id of ids) await fixture.heartbeat(id, old);
    const conflicts = fixture.events().filter(({ type }) => type.endsWith('.conflict'));
    assert.equal(conflicts.length, ids.length);
  });
});

describe('two agents that take the session from each other', () => {
  test('every few seconds are a conflict, which names both hosts in event, log and view', async () => {
    const fixture = await RequesterFixture.started();
    const register = (host: string) =>
      fixture.ask('node-1', 'RegisterNode/v1', {
        Info: { ...computeInfo('node-1'), Hostname: host },
        Muster: { Version: '0.1.0', Instance: `i-${host}` },
      });
    const conflicts = () => fixture.events().filter(({ type }) => type.endsWith('.conflict'));
    await register('gpu-1');
    await register('gpu-7');
    await register('gpu-1');
    assert.equal(conflicts().length, 0, 'the first one may have been late');
    for (let i = 0; i < 10; i++) {
      await fixture.clock.advance(3_000);
      await register(i % 2 ? 'gpu-1' : 'gpu-7');
    }
    assert.equal(conflicts().length, 1);
    assert.deepEqual(conflicts()[0]?.data.evidence, {
      rule: 'two agents send messages in turn',
      agents: [
        { host: 'gpu-7', instance: 'i-gpu-7' },
        { host: 'gpu-1', instance: 'i-gpu-1' },
      ],
    });
    const { fields } = fixture.lines.find(({ message }) => /two agents/.test(message)) ?? {};
    assert.deepEqual([fields?.node, fields?.host, fields?.otherHost], ['node-1', 'gpu-7', 'gpu-1']);
    const { Muster } = fixture.requester.directory.get('node-1');
    assert.deepEqual(
      Muster.Conflict?.Agents.map(({ Host }) => Host),
      ['gpu-7', 'gpu-1'],
    );
    await fixture.clock.advance(60_000);
    await register('gpu-7');
    assert.equal(conflicts().length, 2, 'it is told again after a minute');
    await fixture.clock.advance(3_600_000);
    assert.equal(fixture.requester.directory.get('node-1').Muster.Conflict, undefined);
  });

  test('are a conflict also when both have the same session, from a copied data folder', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    const session = fixture.sessions.get('node-1');
    const report = (host: string) =>
      fixture.ask('node-1', 'UpdateNodeInfo/v1', {
        Info: { ...computeInfo('node-1'), Hostname: host },
        Muster: { Version: '0.1.0', Session: session, Instance: `i-${host}` },
      });
    for (const host of ['gpu-1', 'gpu-7', 'gpu-1']) await report(host);
    assert.equal(fixture.requester.status().counters.conflicts, 0);
    await report('gpu-7');
    assert.equal(fixture.requester.status().counters.conflicts, 1);
  });

  test('name both hosts when an older session still sends heartbeats', async () => {
    const fixture = await RequesterFixture.started();
    const register = async (host: string) => {
      const answer = await fixture.ask('node-1', 'RegisterNode/v1', {
        Info: { ...computeInfo('node-1'), Hostname: host },
        Muster: { Version: '0.1.0', Instance: `i-${host}` },
      });
      return answer.value?.Muster?.Session;
    };
    const older = await register('gpu-1');
    const newer = await register('gpu-7');
    for (let i = 0; i < 4; i++) {
      await fixture.heartbeat('node-1', newer);
      await fixture.clock.advance(15_000);
    }
    await fixture.heartbeat('node-1', older);
    const { data } = fixture.events().at(-1) ?? {};
    assert.deepEqual(
      data?.evidence?.agents?.map(({ host }) => host),
      ['gpu-7', 'gpu-1'],
    );
  });
});
