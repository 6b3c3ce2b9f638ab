// Tests the whole requester over a broker in memory: its usual work, its settings, and what operators see.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readEventCursor } from '../../agent/protocol/event-cursor.ts';
import { eventStreamConfig } from '../../agent/requester/events/stream-config.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { assertNoDoubles, RequesterFixture, withoutIncarnation } from './requester-fixture.ts';
import { at, record } from './samples.ts';

describe('a cluster of three nodes', () => {
  test('is registered, decided on, and listed with the right approval and status', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['node-1', 'node-2', 'node-3']) {
      await fixture.register(id);
      await fixture.heartbeat(id);
    }
    assert.deepEqual(fixture.table(), [
      'node-0 Requester APPROVED UNKNOWN',
      'node-1 Compute PENDING HEALTHY',
      'node-2 Compute PENDING HEALTHY',
      'node-3 Compute PENDING HEALTHY',
    ]);
    await fixture.reject('node-3', 'malicious node?');
    await fixture.approve('node-1');
    await fixture.delete('node-2');
    const expected = [
      'node-0 Requester APPROVED UNKNOWN',
      'node-1 Compute APPROVED HEALTHY',
      'node-3 Compute REJECTED HEALTHY',
    ];
    assert.deepEqual(fixture.table(), expected);
    assert.deepEqual(fixture.requester.directory.get('node-3').Muster.Decision, {
      Action: 'reject',
      Reason: 'malicious node?',
      Actor: 'ann',
      At: fixture.clock.now().toISOString(),
    });
    // The rejected node goes on sending heartbeats, under the session in the answer that refused it.
    assert.equal((await fixture.register('node-3')).value?.Accepted, false);
    await fixture.live(60_000, ['node-1', 'node-3']);
    assert.deepEqual(fixture.table(), expected);
    await fixture.register('node-2');
    assert.equal(fixture.table()[2], 'node-2 Compute PENDING UNKNOWN');
    assertNoDoubles(fixture);
  });

  test('has a requester that cannot be rejected or deleted, and unknown names are errors', async () => {
    const fixture = await RequesterFixture.started();
    await assert.rejects(fixture.reject('node-0'), { code: 'conflict' });
    await assert.rejects(fixture.delete('node-0'), { code: 'conflict' });
    await assert.rejects(fixture.approve('node-9'), { message: 'node not found: node-9' });
    assert.throws(() => fixture.requester.directory.get('node-9'), { code: 'not_found' });
    await fixture.register('node-1');
    await fixture.register('node-10');
    await fixture.approve('node-1');
    assert.deepEqual(
      fixture.table().map(line => line.split(' ')[2]),
      ['APPROVED', 'APPROVED', 'PENDING'],
    );
  });
});

describe('the settings:', () => {
  test('manualApproval off approves at once', async () => {
    const fixture = await RequesterFixture.started({ settings: { manualApproval: false } });
    await fixture.register('node-1');
    assert.equal(fixture.table()[1], 'node-1 Compute APPROVED UNKNOWN');
  });

  test('maxPending limits how many nodes wait', async () => {
    const fixture = await RequesterFixture.started({ settings: { maxPending: 1 } });
    await fixture.register('node-1');
    await fixture.heartbeat('node-1');
    assert.equal((await fixture.register('node-2')).value?.Muster?.Code, 'full');
  });

  test('manualApproval and maxPending may be reloaded', async () => {
    const fixture = await RequesterFixture.started({ settings: { maxPending: 1 } });
    fixture.requester.reload({ manualApproval: true, maxPending: 2 });
    await fixture.register('node-1');
    assert.equal((await fixture.register('node-2')).value?.Muster?.Code, 'registered');
    for (const id of ['node-1', 'node-2']) await fixture.heartbeat(id);
    assert.equal((await fixture.register('node-3')).value?.Muster?.Code, 'full');
    fixture.requester.reload({ manualApproval: false, maxPending: 2 });
    await fixture.register('node-3');
    assert.equal(fixture.table()[3], 'node-3 Compute APPROVED UNKNOWN');
  });

  test('nodeDisconnectedAfter and nodeUnknownAfter set when a silent node is UNHEALTHY and UNKNOWN', async () => {
    const fixture = await RequesterFixture.started({
      settings: { nodeDisconnectedAfter: 2_000, nodeUnknownAfter: 3_000, heartbeatFrequency: 500 },
    });
    await fixture.register('node-1');
    await fixture.heartbeat('node-1');
    const status = () => fixture.table()[1]?.split(' ')[3];
    await fixture.clock.advance(1_999);
    assert.equal(status(), 'HEALTHY');
    await fixture.clock.advance(1);
    assert.equal(status(), 'UNHEALTHY');
    await fixture.clock.advance(1_000);
    assert.equal(status(), 'UNKNOWN');
  });

  test('heartbeatFrequency sets how often silence is checked', async () => {
    for (const heartbeatFrequency of [1_000, 20_000]) {
      const fixture = await RequesterFixture.started({ settings: { heartbeatFrequency } });
      await fixture.register('node-1');
      await fixture.live(60_000, ['node-1']);
      await fixture.clock.advance(30_001);
      const silent = () => fixture.announced().includes('node-1 unhealthy');
      assert.equal(silent(), heartbeatFrequency === 1_000);
      await fixture.clock.advance(20_000);
      assert.ok(silent());
    }
  });

  for (const heartbeatTopic of ['beats.{nodeId}', 'heartbeat']) {
    test(`heartbeats are received on the heartbeatTopic ${heartbeatTopic}`, async () => {
      const fixture = await RequesterFixture.started({ settings: { heartbeatTopic } });
      await fixture.register('node-1');
      await fixture.register('bacalhau-1', false);
      await fixture.heartbeat('node-1');
      await fixture.heartbeat('bacalhau-1');
      assert.deepEqual(fixture.table(), [
        'bacalhau-1 Compute PENDING HEALTHY',
        'node-0 Requester APPROVED UNKNOWN',
        'node-1 Compute PENDING HEALTHY',
      ]);
    });
  }
});

describe('resource information', () => {
  const resources = (fixture: RequesterFixture, id: string, CPU: number) =>
    fixture.ask(id, 'UpdateResources/v1', {
      NodeID: id,
      AvailableCapacity: { CPU },
      QueueUsedCapacity: { CPU: 1 },
      Usage: { CPU: 0.5, Memory: 1, Disk: 2, Load: 0 },
      ...fixture.senderOf(id),
    });

  test('counts as a sign of life, is shown while the node is HEALTHY, and is not stored', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    const written = fixture.broker.openBucket('node_v1').revision;
    await resources(fixture, 'node-1', 2);
    const shown = () => fixture.requester.directory.get('node-1');
    assert.equal(shown().Muster.Health, 'HEALTHY');
    assert.deepEqual(shown().Info.ComputeNodeInfo.AvailableCapacity, { CPU: 2 });
    assert.deepEqual(shown().Info.ComputeNodeInfo.QueueCapacity, { CPU: 1 });
    assert.equal(shown().Muster.Usage?.CPU, 0.5);
    assert.equal(fixture.broker.openBucket('node_v1').revision, written);
    await fixture.clock.advance(45_000);
    assert.equal(shown().Muster.Health, 'UNHEALTHY');
    assert.deepEqual(shown().Info.ComputeNodeInfo.AvailableCapacity, {});
    await fixture.heartbeat('node-1');
    assert.deepEqual(shown().Info.ComputeNodeInfo.AvailableCapacity, { CPU: 2 });
  });

  test('is forgotten with the process and with the node', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await resources(fixture, 'node-1', 2);
    await fixture.kill();
    await fixture.start();
    await fixture.heartbeat('node-1');
    assert.equal(fixture.requester.directory.get('node-1').Muster.Usage, undefined);
    await resources(fixture, 'node-1', 3);
    await fixture.delete('node-1');
    await fixture.register('node-1');
    await fixture.heartbeat('node-1');
    assert.equal(fixture.requester.directory.get('node-1').Muster.Usage, undefined);
  });

  test('and heartbeats show Bacalhau when the node was connected', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    const shown = () => {
      const { Connection, ConnectionState } = fixture.requester.directory.get('node-1');
      const { Status, LastHeartbeat, ConnectedSince, DisconnectedSince, LastError } = ConnectionState;
      assert.equal(Connection, Status);
      return [
        Status,
        ...[LastHeartbeat, ConnectedSince, DisconnectedSince].map(time => time.slice(11, 19)),
        LastError,
      ];
    };
    assert.deepEqual(shown(), ['DISCONNECTED', '00:00:00', '00:00:00', '00:00:00', undefined]);
    await fixture.live(60_000, ['node-1']);
    assert.deepEqual(shown(), ['CONNECTED', '00:00:45', '00:00:00', '00:00:00', undefined]);
    await fixture.clock.advance(60_000);
    assert.deepEqual(shown(), ['DISCONNECTED', '00:00:45', '00:00:00', '00:01:30', 'heartbeat timeout']);
    await fixture.heartbeat('node-1');
    await fixture.ask('node-1', 'Leave/v1', { NodeID: 'node-1', Reason: '', ...fixture.senderOf('node-1') });
    assert.deepEqual(shown(), ['DISCONNECTED', '00:02:00', '00:02:00', '00:02:00', 'graceful shutdown']);
  });
});

describe('an operator', () => {
  test('gets an error when the store does not answer or refuses, and the node stays as it is', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    for (const fault of ['timeout', 'disconnected'] as const) {
      fixture.broker.failNext('put', { fault });
      await assert.rejects(fixture.approve('node-1'), {
        code: 'unreachable',
        message: /may stand or not: the node info store does not answer/,
        hint: /muster node describe node-1/,
      });
    }
    fixture.broker.failNext('put', { fault: 'refused' });
    await assert.rejects(fixture.approve('node-1'), {
      code: 'failed',
      message: /was not stored: the node info store refuses/,
    });
    assert.equal(fixture.table()[1], 'node-1 Compute PENDING UNKNOWN');
    assert.equal(fixture.requester.status().counters.storeFailures, 3);
    await fixture.approve('node-1');
  });

  test('is told what fills a record that is too large for a decision, and decides when it is smaller', async () => {
    const fixture = await RequesterFixture.started();
    const origins = Array.from({ length: 58 }, (_, index) => ({
      Label: `k${index}`,
      Reason: 'm'.repeat(1_020),
      Actor: 'ann',
      At: at,
    }));
    const Labels = Object.fromEntries(origins.map(({ Label }) => [Label, 'v']));
    const full = record('node-1', 'PENDING', { Muster: { Labels, LabelOrigins: origins } });
    const storage = await fixture.broker.connect().storage();
    const bucket = await storage.bucket({ name: 'node_v1', history: 1 });
    await bucket.put('node-1', Buffer.from(JSON.stringify(full)), 0);
    await fixture.clock.settle();
    const { directory } = fixture.requester;
    const decision = { reason: 'r'.repeat(1_024), actor: 'ann' };
    await assert.rejects(fixture.finish(directory.approve('node-1', decision)), {
      code: 'conflict',
      message:
        /^nothing was decided about node node-1: the record of node node-1 would take \d+ bytes; allowed: 65536$/,
      hint: /control plane .* muster node label node-1 key-/,
    });
    assert.equal(fixture.table()[1], 'node-1 Compute PENDING UNKNOWN');
    assert.equal(fixture.requester.status().counters.storeFailures, 0, 'the store works');
    const labels = Object.fromEntries(origins.slice(0, 10).map(({ Label }) => [Label, null]));
    await fixture.finish(directory.label('node-1', { ...decision, labels }));
    await fixture.finish(directory.approve('node-1', decision));
    assert.equal(fixture.table()[1], 'node-1 Compute APPROVED UNKNOWN');
  });

  test('finds the full id of the node in the log', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.approve('nod', 'fine').catch(error => assert.equal(error.code, 'ambiguous'));
    await fixture.approve('node-1', 'fine');
    await fixture.register('other');
    await fixture.delete('oth');
    const actions = fixture.lines.filter(({ message }) => /approved|deleted/.test(message));
    assert.deepEqual(
      actions.map(({ fields }) => [fields.node, fields.actor]),
      [
        ['node-1', 'ann'],
        ['other', 'ann'],
      ],
    );
  });

  test('can delete a record that cannot be read, and gets an error for it otherwise', async () => {
    const fixture = await RequesterFixture.started();
    const bucket = fixture.broker.openBucket('node_v1');
    const storage = await fixture.broker.connect().storage();
    await (await storage.bucket({ name: 'node_v1', history: 1 })).put('node-7', Buffer.from('{'), 0);
    await fixture.clock.settle();
    assert.equal(fixture.requester.status().nodes?.unreadable, 1);
    assert.throws(() => fixture.requester.directory.get('node-7'), {
      code: 'bad_state',
      hint: /muster node delete node-7/,
    });
    assert.equal(fixture.table().length, 1);
    await fixture.delete('node-7');
    assert.equal(bucket.entries.get('node-7')?.marker, true);
    assert.equal(fixture.requester.status().nodes?.unreadable, 0);
  });

  test('follows the events of a node by the beginning of its id, and of a deleted one, but not of one that never was', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['gpu-40', 'gpu-5']) await fixture.register(id);
    const { directory } = fixture.requester;
    const subjects = async (node: string) => {
      const seen = new Set<string>();
      const following = await fixture.finish(
        directory.follow({ node }, event => {
          seen.add(JSON.parse(Buffer.from(event).toString()).subject);
        }),
      );
      await fixture.finish(following.ready);
      following.stop();
      return [...seen];
    };
    assert.deepEqual(await subjects('gpu-4'), ['gpu-40']);
    await assert.rejects(subjects('gpu'), { code: 'ambiguous' });
    await assert.rejects(subjects('tpu'), {
      code: 'not_found',
      message: 'node not found: tpu is not on the roll, and no event of it is kept',
      hint: 'the nodes that are there: muster node list; those that are gone: muster node list --deleted',
    });
    await fixture.delete('gpu-5');
    assert.deepEqual(await subjects('gpu-5'), ['gpu-5']);
    // The id of the deleted node stays its own, and is not the beginning of another one.
    await fixture.register('gpu-50');
    assert.deepEqual(await subjects('gpu-5'), ['gpu-5']);
  });

  test('follows the events of one node or of all, also from a time on', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.clock.advance(1_000);
    const since = fixture.clock.now();
    await fixture.register('node-2');
    const follow = async (options: { node?: string; since?: Date }) => {
      const events: string[] = [];
      const following = await fixture.requester.directory.follow(options, event => {
        events.push(withoutIncarnation(JSON.parse(Buffer.from(event).toString()).id));
      });
      await following.ready;
      return { events, following };
    };
    const all = await follow({});
    const one = await follow({ node: 'node-1' });
    const late = await follow({ since });
    await fixture.approve('node-1');
    assert.deepEqual(all.events, ['node-0:1', 'node-1:2', 'node-2:3', 'node-1:4']);
    assert.deepEqual(one.events, ['node-1:2', 'node-1:4']);
    assert.deepEqual(late.events, ['node-2:3', 'node-1:4']);
    all.following.stop();
    await fixture.approve('node-2');
    assert.equal(all.events.length, 4);
  });

  test('follows the events after a cursor, and refuses one after which events are missing', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['node-1', 'node-2', 'node-3']) await fixture.register(id);
    await fixture.clock.advance(1_000);
    const follow = async (after?: string) => {
      const events: [node: string, cursor: string][] = [];
      const cursor = after === undefined ? undefined : readEventCursor(after);
      const following = await fixture.requester.directory.follow({ after: cursor }, (event, at) => {
        events.push([JSON.parse(Buffer.from(event).toString()).subject, at]);
      });
      await following.ready;
      following.stop();
      return events;
    };
    const all = await follow();
    const [, first, , last] = all.map(([, cursor]) => cursor);
    assert.ok(first && last);
    assert.deepEqual(await follow(first), all.slice(2));
    assert.deepEqual(await follow(last), []);
    const stream = await (await fixture.connection.storage()).stream(eventStreamConfig);
    await stream.removeBefore('node.events.node-2.registered', 1_000);
    await assert.rejects(follow(first), {
      code: 'gone',
      message: '1 event after this cursor is not kept any more',
    });
    assert.deepEqual(await follow(last), []);
    fixture.broker.wipe();
    fixture.broker.start();
    await fixture.clock.advance(10_000);
    await assert.rejects(follow(last), {
      code: 'gone',
      message: /^the event stream of this cursor is not kept/,
    });
  });
});

test('nodes in the store of a Bacalhau requester are on the roll, and their heartbeats count', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const bucket = await (await broker.connect().storage()).bucket({ name: 'node_v1', history: 1 });
  const connected = record('node-9', 'APPROVED', { Connection: 'CONNECTED' });
  await bucket.put('node-9', Buffer.from(JSON.stringify(connected)), 0);
  const fixture = await RequesterFixture.started({ clock, broker });
  assert.equal(fixture.table()[1], 'node-9 Compute APPROVED UNKNOWN');
  await fixture.heartbeat('node-9');
  assert.equal(fixture.table()[1], 'node-9 Compute APPROVED HEALTHY');
});

test('a requester listens on the subjects of nodes without a key only when it lets such nodes in', async () => {
  const fixture = await RequesterFixture.started();
  const peer = fixture.broker.connect();
  const ask = peer.request('unverified.node.management.node-1.RegisterNode/v1', '{}', 1_000);
  await assert.rejects(fixture.finish(ask), { fault: 'no_responders' });
  peer.publish('unverified.bacalhau.global.compute.node-1.out.heartbeat', 'x');
  await fixture.live(1_000);
  assert.equal(fixture.requester.status().counters.heartbeats, 0);
});
