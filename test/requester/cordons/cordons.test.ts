// Cordons and drains at a whole requester: they end when they should, are told once, and survive what happens meanwhile.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NodeInfo } from '../../../agent/protocol/node-info.ts';
import type { CordonWish } from '../../../agent/requester/roll/cordon-rules.ts';
import type { Clock } from '../../../agent/system/clock.ts';
import { RequesterFixture } from '../requester-fixture.ts';
import { computeInfo } from '../samples.ts';

const longMs = 600_000;
const dayMs = 86_400_000;

async function withNode(id = 'node-1', isMuster = true): Promise<RequesterFixture> {
  const fixture = await RequesterFixture.started();
  await fixture.register(id, isMuster);
  await fixture.approve(id);
  return fixture;
}

const decide = (fixture: RequesterFixture, action: 'cordon' | 'drain' | 'uncordon', wish: CordonWish = {}) =>
  fixture.finish(fixture.requester.directory[action]('node-1', { reason: 'disk', actor: 'ann', ...wish }));

const viewOf = ({ requester }: RequesterFixture) => requester.directory.get('node-1').Muster;

/** Returns the kinds of events about cordons, with the operator. */
const told = (fixture: RequesterFixture) =>
  fixture
    .events()
    .filter(({ type }) => /cordoned|drained/.test(type))
    .map(({ type, data }) => `${type.replace('org.muster.node.', '')} by ${data.actor}`);

/** Lets a node say what it runs: a muster agent with its resources, and a Bacalhau node with its information. */
async function report(fixture: RequesterFixture, running: number | undefined): Promise<void> {
  await fixture.ask('node-1', 'UpdateResources/v1', {
    NodeID: 'node-1',
    AvailableCapacity: {},
    QueueUsedCapacity: {},
    ...(running === undefined ? {} : { RunningExecutions: running }),
    ...fixture.senderOf('node-1'),
  });
  await fixture.clock.settle();
}

describe('a cordon', () => {
  test('is in the view and in its event, and the node can be scheduled again after it', async () => {
    const fixture = await withNode();
    assert.equal(viewOf(fixture).Schedulable, true);
    await decide(fixture, 'cordon', { forMs: longMs });
    const { Schedulable, Cordon } = viewOf(fixture);
    assert.deepEqual([Schedulable, Cordon?.Reason, Cordon?.Actor], [false, 'disk', 'ann']);
    await fixture.clock.advance(1_000);
    const { data } = fixture.events().at(-1) ?? assert.fail('no event');
    assert.deepEqual(
      [data.reason, data.actor, data.previous, data.current, data.cordon],
      ['disk', 'ann', { membership: 'APPROVED' }, { membership: 'APPROVED' }, { until: Cordon?.Until }],
    );
    await decide(fixture, 'uncordon');
    assert.deepEqual([viewOf(fixture).Schedulable, viewOf(fixture).Cordon], [true, undefined]);
    await fixture.clock.advance(2 * longMs);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'uncordoned by ann']);
  });

  test('ends by itself when its time is over, also after a restart and a registration in between', async () => {
    const fixture = await withNode();
    await decide(fixture, 'cordon', { forMs: 2 * longMs });
    await fixture.clock.advance(longMs);
    await fixture.kill();
    await fixture.start();
    await fixture.register('node-1', true, { zone: 'b' });
    await fixture.clock.advance(longMs - 10_000);
    assert.equal(viewOf(fixture).Schedulable, false);
    await fixture.clock.advance(20_000);
    assert.equal(viewOf(fixture).Schedulable, true);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'uncordoned by node-0']);
    assert.equal(
      fixture.events().findLast(({ type }) => /uncord/.test(type))?.data.reason,
      'its time is over',
    );
  });

  test('whose end came while no requester ran ends at the next start', async () => {
    const fixture = await withNode();
    await decide(fixture, 'cordon', { forMs: longMs });
    await fixture.kill();
    await fixture.clock.advance(2 * longMs);
    await fixture.start();
    await fixture.clock.advance(5_000);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'uncordoned by node-0']);
  });

  for (const [name, skewMs] of [
    ['ahead', dayMs],
    ['behind', -dayMs],
  ] as const) {
    test(`lasts as long at a requester that takes over, whose clock is a day ${name}`, async () => {
      const fixture = await withNode();
      const skewed: Clock = {
        monotonic: () => fixture.clock.monotonic(),
        now: () => new Date(fixture.clock.now().getTime() + skewMs),
        after: (ms, fn) => fixture.clock.after(ms, fn),
      };
      const self: NodeInfo = { ...fixture.requester.directory.self, NodeID: 'other' };
      const other = fixture.newRequester(fixture.broker.connect(), { clock: skewed, self });
      await fixture.finish(other.start());
      await decide(fixture, 'cordon', { forMs: longMs });
      await fixture.kill();
      fixture.requester = other;
      await fixture.clock.advance(longMs - 60_000);
      assert.equal(viewOf(fixture).Schedulable, false);
      await fixture.clock.advance(120_000);
      assert.deepEqual(told(fixture), ['cordoned by ann', 'uncordoned by other']);
    });
  }

  test('lasts as long when the wall clock is set a day forward and back meanwhile', async () => {
    const fixture = await withNode();
    await decide(fixture, 'cordon', { forMs: longMs });
    for (const stepMs of [dayMs, -3 * dayMs, 2 * dayMs]) {
      fixture.clock.moveWall(stepMs);
      await fixture.clock.advance(longMs / 4);
      assert.equal(viewOf(fixture).Schedulable, false);
    }
    fixture.clock.moveWall(-dayMs);
    await fixture.clock.advance(longMs / 4 + 5_000);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'uncordoned by node-0']);
    const [cordoned, ended] = fixture.events().filter(({ type }) => /cordoned/.test(type));
    assert.ok(Date.parse(ended?.time ?? '') > Date.parse(cordoned?.time ?? ''), 'the times are in order');
  });

  for (const [name, stepMs, leftMs] of [
    ['set ahead ends earlier by that', 3_600_000, 1_800_000],
    ['set back ends later by that', -900_000, 6_300_000],
    // It lasts for its whole length at most from the start on.
    ['set back by a day ends later by what has passed', -dayMs, 7_200_000],
  ] as const) {
    test(`whose requester starts with a clock that was ${name}`, async () => {
      const fixture = await withNode();
      await decide(fixture, 'cordon', { forMs: 7_200_000 });
      await fixture.clock.advance(1_800_000);
      await fixture.kill();
      fixture.clock.moveWall(stepMs);
      await fixture.start();
      await fixture.clock.advance(leftMs - 60_000);
      assert.equal(viewOf(fixture).Schedulable, false);
      await fixture.clock.advance(120_000);
      assert.deepEqual(told(fixture), ['cordoned by ann', 'uncordoned by node-0']);
    });
  }

  test('of a node that was deleted has passed on meanwhile when the node is brought back', async () => {
    for (const [awayMs, isOver] of [
      [longMs / 2, false],
      [2 * longMs, true],
    ] as const) {
      const fixture = await withNode();
      await decide(fixture, 'cordon', { forMs: longMs });
      await fixture.delete('node-1');
      await fixture.clock.advance(awayMs);
      const decision = { reason: '', actor: 'ann', isExact: true };
      await fixture.finish(fixture.requester.directory.undelete('node-1', decision));
      await fixture.clock.advance(5_000);
      assert.equal(viewOf(fixture).Schedulable, isOver);
      await fixture.clock.advance(longMs / 2);
      assert.equal(viewOf(fixture).Schedulable, true);
      assert.deepEqual(told(fixture), ['cordoned by ann', 'uncordoned by node-0']);
    }
  });

  test('that an operator changes meanwhile has the new end only', async () => {
    const fixture = await withNode();
    await decide(fixture, 'cordon', { forMs: longMs });
    await fixture.clock.advance(longMs / 2);
    await decide(fixture, 'cordon', { forMs: longMs });
    await fixture.clock.advance(longMs - 10_000);
    assert.equal(viewOf(fixture).Schedulable, false);
    await fixture.clock.advance(20_000);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'cordoned by ann', 'uncordoned by node-0']);
  });
});

describe('a drain', () => {
  test('is over when the node says that it runs nothing, which is told once', async () => {
    const fixture = await withNode();
    await report(fixture, 0);
    await decide(fixture, 'drain');
    assert.equal(
      viewOf(fixture).Cordon?.Drain?.DrainedAt,
      undefined,
      'what it said before counts for nothing',
    );
    await report(fixture, 2);
    assert.equal(viewOf(fixture).Executions?.Running, 2);
    await fixture.clock.advance(longMs);
    assert.equal(viewOf(fixture).Cordon?.Drain?.DrainedAt, undefined, 'it is silent');
    await report(fixture, undefined);
    assert.equal(viewOf(fixture).Cordon?.Drain?.DrainedAt, undefined, 'it does not say what it runs');
    for (let times = 0; times < 3; times++) await report(fixture, 0);
    await fixture.clock.advance(1_000);
    assert.ok(viewOf(fixture).Cordon?.Drain?.DrainedAt);
    assert.equal(viewOf(fixture).Schedulable, false);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'drained by node-1']);
  });

  test('goes on after a restart, and is told once also when the requester dies right after it', async () => {
    const fixture = await withNode();
    await decide(fixture, 'drain', { forMs: longMs });
    await fixture.kill();
    await fixture.start();
    await report(fixture, 0);
    await fixture.kill();
    await fixture.start();
    await report(fixture, 0);
    await fixture.clock.advance(2 * longMs);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'drained by node-1', 'uncordoned by node-0']);
  });

  test('of a Bacalhau node follows what its information says, with what waits there', async () => {
    const fixture = await withNode('node-1', false);
    await decide(fixture, 'drain');
    const update = async (RunningExecutions: number, EnqueuedExecutions: number) => {
      const { ComputeNodeInfo, ...info } = computeInfo('node-1');
      const figures = { ...ComputeNodeInfo, RunningExecutions, EnqueuedExecutions };
      await fixture.ask('node-1', 'UpdateNodeInfo/v1', { Info: { ...info, ComputeNodeInfo: figures } });
      await fixture.clock.settle();
    };
    await update(1, 0);
    await update(0, 1);
    const { RunningExecutions, EnqueuedExecutions } =
      fixture.requester.directory.get('node-1').Info.ComputeNodeInfo;
    assert.deepEqual([RunningExecutions, EnqueuedExecutions], [0, 1]);
    assert.deepEqual(told(fixture), ['cordoned by ann']);
    await report(fixture, undefined);
    assert.equal(viewOf(fixture).Executions?.Waiting, 1, 'its resources do not say it');
    await update(0, 0);
    await fixture.clock.advance(1_000);
    assert.deepEqual(told(fixture), ['cordoned by ann', 'drained by node-1']);
  });
});
