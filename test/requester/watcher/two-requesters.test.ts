// Two requesters keep one roll: both answer and decide, one of them announces, and the other one takes over.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { newOperation } from '../../../agent/protocol/operation.ts';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import type { Requester, RequesterOptions } from '../../../agent/requester/requester.ts';
import type { Clock } from '../../../agent/system/clock.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { version } from '../../../agent/system/version.ts';
import type { FakeConnection } from '../../support/fake-connection.ts';
import { assertNoDoubles, RequesterFixture } from '../requester-fixture.ts';
import { computeInfo, requesterNode, sender } from '../samples.ts';

/** A roll with a watcher, `node-0`, and `node-9`, which stands by. */
class Pair extends RequesterFixture {
  /** The connection of the requester that stands by. */
  second!: FakeConnection;
  standBy!: Requester;

  static async begin(): Promise<Pair> {
    const pair = new Pair();
    await pair.finish(pair.requester.start());
    await pair.join();
    return pair;
  }

  /** Starts the second requester. */
  async join(more: Partial<RequesterOptions> = {}): Promise<void> {
    this.second = this.broker.connect();
    const self = requesterNode('node-9');
    this.standBy = this.newRequester(this.second, { self, host: 'host-9', ...more });
    await this.finish(this.standBy.start());
    await this.clock.advance(1_000);
  }

  decide(what: 'approve' | 'reject' | 'delete', id: string, at = this.standBy): Promise<void> {
    return this.finish(at.directory[what](id, { reason: '', actor: 'bob' }));
  }

  /** Returns what each requester lists: id, approval and health of the compute nodes. */
  lists(): string[][] {
    return [this.requester, this.standBy].map(each =>
      each.directory
        .list()
        .filter(({ Info }) => Info.NodeType === 'Compute')
        .map(({ Info, Membership, Muster }) => `${Info.NodeID} ${Membership} ${Muster.Health}`),
    );
  }

  /** Returns the kinds of the events of the compute nodes. */
  told(): string[] {
    return this.announced().filter(line => !line.startsWith('node-9'));
  }
}

describe('two requesters', () => {
  test('name each other to whoever asks one that stops, because nothing was done there', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    await pair.finish(pair.requester.stop());
    const asking: (() => Promise<unknown>)[] = [
      async () => pair.requester.directory.get('node-1'),
      () => pair.decide('approve', 'node-1', pair.requester),
    ];
    for (const ask of asking) {
      const error = await ask().catch((caught: unknown) => caught);
      assert.ok(error instanceof MusterError);
      assert.deepEqual(
        [error.code, error.message, error.hint, error.nothingDone],
        [
          'unreachable',
          'the requester is stopping',
          'ask it again when it runs; or ask another requester of this roll: node-9 on host-9',
          true,
        ],
      );
    }
    await pair.decide('approve', 'node-1');
  });

  test('answer and decide both, and each change is announced once', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    await pair.heartbeat('node-1');
    await pair.decide('approve', 'node-1');
    await pair.reject('node-1');
    await pair.decide('approve', 'node-1');
    await pair.live(1_000);
    const [one, other] = pair.lists();
    assert.deepEqual(one, ['node-1 APPROVED HEALTHY']);
    assert.deepEqual(other, one);
    assert.deepEqual(pair.told(), [
      'node-1 registered',
      'node-1 approved',
      'node-1 rejected',
      'node-1 approved',
    ]);
    assertNoDoubles(pair);
    assert.equal(pair.standBy.status().state, 'ready');
  });

  test('one that was deleted while it was not heard is on the roll again when it goes on, and explains', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    pair.second.drop();
    await pair.clock.advance(10_000);
    await pair.decide('delete', 'node-9', pair.requester);
    pair.second.regain();
    await pair.clock.advance(10_000);
    for (const each of [pair.requester, pair.standBy])
      assert.deepEqual(
        each.directory.list().map(({ Info }) => Info.NodeID),
        ['node-0', 'node-1', 'node-9'],
      );
    const { State } = await pair.finish(
      pair.standBy.directory.explain(newOperation(pair.clock.now(), randomUUID())),
    );
    assert.equal(State, 'unknown');
  });

  test('answer each request of a node once', async () => {
    const pair = await Pair.begin();
    const answers: string[] = [];
    pair.broker.connect().subscribe('answers', ({ data }) => void answers.push(String(Buffer.from(data))));
    const body = JSON.stringify({ Info: computeInfo('node-1') });
    pair.broker.inject('node.management.node-1.RegisterNode/v1', body, 'answers');
    await pair.live(1_000);
    assert.equal(answers.length, 1);
  });

  test('hear both what a node has free and that it stops, although one answers', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    const Muster = sender(pair.sessions.get('node-1'));
    const capacity = { CPU: 4, Memory: 1, Disk: 1, GPU: 0, GPUs: [] };
    const update = { NodeID: 'node-1', AvailableCapacity: capacity, QueueUsedCapacity: capacity, Muster };
    await pair.ask('node-1', 'UpdateResources/v1', update);
    for (const { directory } of [pair.requester, pair.standBy]) {
      assert.equal(directory.get('node-1').Muster.Health, 'HEALTHY');
      assert.equal(directory.get('node-1').Info.ComputeNodeInfo?.AvailableCapacity.CPU, 4);
    }
    await pair.ask('node-1', 'Leave/v1', { NodeID: 'node-1', Reason: 'r', Muster });
    for (const { directory } of [pair.requester, pair.standBy])
      assert.equal(directory.get('node-1').Muster.Health, 'UNKNOWN');
  });

  test('with one id: the second is refused', async () => {
    const pair = await Pair.begin();
    const third = pair.newRequester(pair.broker.connect(), { self: requesterNode('node-9') });
    await assert.rejects(pair.finish(third.start()), { code: 'in_use', message: /requester node-9/ });
  });

  test('with one id that start at the same moment: one of them is refused', async () => {
    const fixture = new RequesterFixture();
    const both = [1, 2].map(() => fixture.newRequester(fixture.broker.connect()));
    const [first, second] = both.map(each => each.start()) as [Promise<void>, Promise<void>];
    await Promise.all([
      fixture.finish(first),
      assert.rejects(fixture.finish(second), { code: 'in_use', message: /under the id of this one$/ }),
    ]);
    for (const each of both) await fixture.finish(each.stop());
  });

  test('with one id of which the second heard no answer at its start: each says so in its log', async () => {
    const fixture = new RequesterFixture();
    const connections = [fixture.broker.connect(), fixture.broker.connect()];
    const deaf = connections[1] as FakeConnection;
    deaf.gather = () => Promise.resolve();
    const both = connections.map(each => fixture.newRequester(each));
    await fixture.finish(Promise.all(both.map(each => each.start())).then(() => undefined));
    await fixture.clock.advance(10_000);
    const said = fixture.lines.filter(({ message }) => message.includes('under the id of this one'));
    assert.deepEqual(
      said.map(({ level }) => level),
      ['error', 'error'],
    );
    for (const each of both) await fixture.finish(each.stop());
  });

  test('of which the first is of a version that keeps a roll alone: the second is refused', async () => {
    const fixture = new RequesterFixture();
    const earlier = fixture.broker.connect();
    const holder = { requester: 'node-0', instance: 'i-0', host: 'host-1', pid: 4_000, since: '2026-01-01' };
    const bucket = await (await earlier.storage()).bucket(clusterBucket);
    await bucket.put('lease', Buffer.from(JSON.stringify(holder)), 0);
    earlier.subscribe('requester.lease.>', message => message.respond(JSON.stringify(holder)));
    const second = fixture.newRequester(fixture.broker.connect(), { self: requesterNode('node-9') });
    await assert.rejects(fixture.finish(second.start()), {
      code: 'in_use',
      message: /^requester node-0 \(process 4000 on host-1, since .* earlier version/,
    });
  });

  test('are known from the start, however long the store takes to be read', async () => {
    const pair = await Pair.begin();
    const third = pair.newRequester(pair.broker.connect(), { self: requesterNode('node-8') });
    pair.broker.failNext('watch', { fault: 'timeout' });
    const lines = pair.lines.length;
    await pair.finish(third.start());
    await pair.clock.advance(1_000);
    assert.deepEqual(
      third.status().peers?.map(({ requester }) => requester),
      ['node-0', 'node-9'],
    );
    assert.ok(!pair.lines.slice(lines).some(({ message }) => message.includes('not heard any more')));
    await pair.finish(third.stop());
  });

  test('of which one was taken away: its row can be deleted, and not while it runs', async () => {
    const pair = await Pair.begin();
    const running = { code: 'conflict', message: /it cannot be deleted while it runs/ };
    await assert.rejects(pair.decide('delete', 'node-9', pair.requester), running);
    await assert.rejects(pair.decide('delete', 'node-9'), running);
    await pair.finish(pair.standBy.stop());
    await pair.clock.advance(1_000);
    await pair.decide('delete', 'node-9', pair.requester);
    await assert.rejects(pair.decide('delete', 'node-0', pair.requester), running);
    assert.deepEqual(
      pair.requester.directory.list().map(({ Info }) => Info.NodeID),
      ['node-0'],
    );
    await pair.join();
    assert.equal(pair.requester.directory.get('node-9').Membership, 'APPROVED');
  });

  test('log at most twenty comings and goings at once, whoever pretends them', async () => {
    const pair = await Pair.begin();
    const lines = pair.lines.length;
    const presence = {
      ...{ requester: 'x', host: 'h', pid: 1, since: '2026-01-01T00:00:00Z' },
      ...{ version: '1', watches: false, instance: 'i' },
    };
    const subject = `requester.peers.${pair.requester.status().clusterId}`;
    for (let i = 0; i < 100; i++)
      for (const leaves of [false, true])
        pair.broker.inject(subject, JSON.stringify({ ...presence, leaves }));
    await pair.clock.settle();
    const logged = pair.lines.slice(lines).filter(({ level }) => level === 'info');
    assert.ok(logged.length <= 2 * 20, `${logged.length} lines of two requesters`);
    assert.equal(pair.requester.status().peers?.length, 1);
  });

  test('say that their clocks are a day apart, and warn once', async () => {
    const pair = new Pair();
    await pair.finish(pair.requester.start());
    const dayMs = 86_400_000;
    const clock: Clock = {
      monotonic: () => pair.clock.monotonic(),
      now: () => new Date(pair.clock.now().getTime() + dayMs),
      after: (ms, fn) => pair.clock.after(ms, fn),
    };
    await pair.join({ clock });
    await pair.clock.advance(120_000);
    const ahead = (each: Requester) => each.status().peers?.map(({ clockAheadMs }) => clockAheadMs);
    assert.deepEqual([ahead(pair.requester), ahead(pair.standBy)], [[dayMs], [-dayMs]]);
    const warnings = pair.lines.filter(({ message }) => /clocks of this requester/.test(message));
    assert.deepEqual(
      warnings.map(({ fields }) => [fields.requester, fields.aheadMs]),
      [
        ['node-0', -dayMs],
        ['node-9', dayMs],
      ],
    );
  });

  test('know each other, and who watches', async () => {
    const pair = await Pair.begin();
    assert.deepEqual(pair.requester.status().peers, [
      { requester: 'node-9', host: 'host-9', version, watches: false },
    ]);
    assert.deepEqual(pair.standBy.status().peers, [
      { requester: 'node-0', host: 'host-1', version, watches: true },
    ]);
    assert.equal(pair.requester.status().watcher, 'node-0');
    assert.equal(pair.standBy.status().watcher, 'node-0');
  });

  test('of which one stops: the other one shows it at once, and watches', async () => {
    const pair = await Pair.begin();
    const [before, lines] = [pair.clock.monotonic(), pair.lines.length];
    await pair.requester.stop();
    await pair.clock.settle();
    assert.equal(pair.clock.monotonic(), before);
    assert.deepEqual(pair.standBy.status().peers, []);
    assert.equal(pair.standBy.status().watcher, 'node-9');
    const told = pair.lines
      .slice(lines)
      .filter(({ message }) => message.includes('requester of this roll stops'));
    assert.equal(told.length, 1);
  });

  test('of which one stops while another one starts: that one does not show it', async () => {
    const pair = await Pair.begin();
    const third = pair.newRequester(pair.broker.connect(), { self: requesterNode('node-8') });
    let stopping: Promise<void> | undefined;
    pair.broker.storeFault = operation => {
      // The store takes its time to be read.
      if (operation === 'watch') stopping ??= pair.standBy.stop();
      return undefined;
    };
    await pair.finish(third.start());
    await stopping;
    await pair.clock.settle();
    assert.deepEqual(
      third.status().peers?.map(({ requester }) => requester),
      ['node-0'],
    );
    await pair.finish(third.stop());
  });

  test('look at the lease only now and then, whoever pretends to be the watcher that stops', async () => {
    const pair = await Pair.begin();
    const stored = pair.broker.openBucket('muster_v1').entries.get('lease');
    const watcher = JSON.parse(Buffer.from(stored?.value ?? []).toString());
    const presence = JSON.stringify({ ...watcher, version: '1', watches: true, leaves: true });
    let reads = 0;
    pair.broker.storeFault = (operation, key) => {
      if (operation === 'get' && key === 'lease') reads++;
      return undefined;
    };
    for (let i = 0; i < 100; i++) {
      pair.broker.inject(`requester.peers.${pair.requester.status().clusterId}`, presence);
      await pair.clock.settle();
    }
    assert.ok(reads > 0 && reads <= 4, `${reads} reads`);
    assert.equal(pair.standBy.status().watcher, 'node-0');
  });
});

describe('requesters with other settings', () => {
  const differing = (requester: Requester) => requester.status().peers?.map(({ differs }) => differs);

  test('say so once in their logs, and in their status, until the settings are the same', async () => {
    const pair = await Pair.begin();
    assert.deepEqual(differing(pair.standBy), [undefined]);
    pair.standBy.reload({ manualApproval: false, maxPending: 1_000 });
    await pair.live(60_000);
    for (const each of [pair.requester, pair.standBy])
      assert.deepEqual(differing(each), [['requester.manualApproval']]);
    const lines = pair.lines.filter(({ message }) => message.includes('has other settings'));
    assert.deepEqual(
      lines.map(({ level, fields }) => `${level} ${fields.requester} ${fields.settings}`).sort(),
      ['warn node-0 requester.manualApproval', 'warn node-9 requester.manualApproval'],
    );
    pair.standBy.reload({ manualApproval: true, maxPending: 1_000 });
    await pair.live(4_000);
    for (const each of [pair.requester, pair.standBy]) assert.deepEqual(differing(each), [undefined]);
  });
});

describe('the requester that stands by', () => {
  test('takes over from one that was killed, and tells the verdicts', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    await pair.register('node-2');
    await pair.live(60_000, ['node-1', 'node-2']);
    const before = pair.told().length;
    await pair.kill();
    await pair.live(75_000, ['node-1']);
    assert.deepEqual(pair.told().slice(before), ['node-2 unhealthy']);
    await pair.register('node-3');
    await pair.live(1_000);
    assert.deepEqual(pair.told().slice(before), ['node-2 unhealthy', 'node-3 registered']);
    assertNoDoubles(pair);
  });

  test('tells what the killed one has stored and not told', async () => {
    const pair = await Pair.begin();
    pair.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
    await pair.register('node-1');
    await pair.decide('approve', 'node-1');
    await pair.kill();
    pair.broker.storeFault = undefined;
    await pair.live(15_000, ['node-1']);
    assert.deepEqual(pair.told().slice(0, 2), ['node-1 registered', 'node-1 approved']);
    assertNoDoubles(pair);
  });

  test('tells nothing again that the killed one has told, also when it had not heard of it', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    // The store and the events do not reach it any more.
    const { notifyFollowers, notifyWatchers } = pair.second;
    pair.second.notifyFollowers = () => undefined;
    await pair.decide('approve', 'node-1', pair.requester);
    pair.second.notifyWatchers = () => undefined;
    await pair.decide('reject', 'node-1', pair.requester);
    await pair.live(1_000);
    assert.deepEqual(pair.told(), ['node-1 registered', 'node-1 approved', 'node-1 rejected']);
    Object.assign(pair.second, { notifyFollowers, notifyWatchers });
    await pair.kill();
    await pair.live(15_000);
    await pair.decide('approve', 'node-1');
    await pair.live(1_000);
    assert.deepEqual(pair.told().slice(3), ['node-1 approved']);
    assertNoDoubles(pair);
  });

  test('is well again when the store takes the writes of the watcher, although it writes nothing itself', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    pair.broker.storeFault = (operation, key) =>
      operation === 'put' && key === 'node-1' ? { fault: 'no_space' } : undefined;
    await assert.rejects(pair.decide('approve', 'node-1'), { code: 'failed' });
    assert.deepEqual(
      pair.standBy.status().troubles?.map(({ code }) => code),
      ['store_full'],
    );
    pair.broker.storeFault = undefined;
    await pair.live(3_000);
    assert.equal(pair.standBy.status().troubles, undefined);
  });

  test('announces none of its own findings', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    await pair.live(300_000);
    const told = pair.told();
    assert.deepEqual(told, ['node-1 registered']);
    await pair.heartbeat('node-1');
    await pair.live(120_000);
    assert.deepEqual(pair.told().slice(1), ['node-1 healthy', 'node-1 unhealthy', 'node-1 unknown']);
  });

  test('does not send a node away that it has not heard of yet', async () => {
    const pair = await Pair.begin();
    pair.second.notifyWatchers = () => undefined;
    await pair.register('node-1');
    await pair.decide('approve', 'node-1', pair.requester);
    // From now on the other one gets the requests.
    await pair.requester.stop();
    const Muster = sender(pair.sessions.get('node-1'));
    const answer = await pair.ask('node-1', 'UpdateNodeInfo/v1', { Info: computeInfo('node-1'), Muster });
    assert.equal(answer.value?.Muster?.Code, 'known');
    await pair.decide('reject', 'node-1');
    assert.equal(pair.standBy.directory.get('node-1').Membership, 'REJECTED');
  });

  test('keeps the changes of the other one in a record that it writes, until they are told', async () => {
    const pair = await Pair.begin();
    pair.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
    await pair.register('node-1');
    await pair.decide('approve', 'node-1', pair.requester);
    await pair.decide('reject', 'node-1');
    const value = pair.broker.openBucket('node_v1').entries.get('node-1')?.value;
    const { Muster } = JSON.parse(String(Buffer.from(value ?? [])));
    assert.deepEqual(
      Muster.Changes.map(({ Kind }: { Kind: string }) => Kind),
      ['registered', 'approved', 'rejected'],
    );
    pair.broker.storeFault = undefined;
    await pair.live(30_000);
    await pair.decide('approve', 'node-1');
    const later = JSON.parse(
      String(Buffer.from(pair.broker.openBucket('node_v1').entries.get('node-1')?.value ?? [])),
    );
    assert.deepEqual(
      later.Muster.Changes.map(({ Kind }: { Kind: string }) => Kind),
      ['approved'],
      'what was told is not kept',
    );
    await pair.live(1_000);
    assertNoDoubles(pair);
  });
});

describe('a requester that could not hear', () => {
  const takenForGone = (pair: Pair, id: string) =>
    pair.lines.filter(
      ({ message, fields }) => message.includes('not heard any more') && fields.requester === id,
    );

  test('knows after a cut that the others were there, and may have written', async () => {
    const pair = await Pair.begin();
    pair.second.drop();
    await pair.live(60_000);
    assert.equal(takenForGone(pair, 'node-9').length, 1);
    pair.second.regain();
    assert.deepEqual(
      pair.standBy.status().peers?.map(({ requester }) => requester),
      ['node-0'],
    );
    await pair.live(15_000);
    assert.deepEqual(takenForGone(pair, 'node-0'), []);
    await pair.kill();
    await pair.live(15_000);
    assert.equal(takenForGone(pair, 'node-0').length, 1);
  });

  test('knows at once that the other one is back', async () => {
    const pair = await Pair.begin();
    pair.second.drop();
    await pair.clock.advance(20_000);
    assert.deepEqual(pair.requester.status().peers, []);
    pair.second.regain();
    await pair.clock.settle();
    assert.deepEqual(
      pair.requester.status().peers?.map(({ requester }) => requester),
      ['node-9'],
    );
  });

  test('takes nobody for gone because it was suspended itself', async () => {
    const pair = await Pair.begin();
    await pair.clock.stall(60_000);
    await pair.live(15_000);
    assert.deepEqual([...takenForGone(pair, 'node-0'), ...takenForGone(pair, 'node-9')], []);
  });
});

describe('a watcher that was cut off', () => {
  test('stands by when it is back, and tells nothing twice', async () => {
    const pair = await Pair.begin();
    await pair.register('node-1');
    await pair.live(60_000, ['node-1']);
    pair.connection.drop();
    await pair.live(15_000, ['node-1']);
    pair.connection.regain();
    await pair.live(15_000, ['node-1']);
    assert.equal(pair.requester.status().watcher, 'node-9');
    assert.equal(pair.requester.status().state, 'ready');
    const before = pair.told();
    await pair.decide('approve', 'node-1', pair.requester);
    await pair.live(75_000);
    assert.deepEqual(pair.told().slice(before.length), ['node-1 approved', 'node-1 unhealthy']);
    await pair.finish(pair.standBy.stop());
    await pair.live(60_000);
    assert.deepEqual(pair.told().slice(before.length + 2), ['node-1 unknown']);
    assertNoDoubles(pair);
  });
});
