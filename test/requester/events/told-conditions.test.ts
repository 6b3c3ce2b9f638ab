// A condition is told when it comes up and when it has been away for a while, and at most once a minute.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { NodeCondition } from '../../../agent/protocol/node-info.ts';
import {
  awayMs,
  type ConditionNews,
  ToldConditions,
  toldIntervalMs,
} from '../../../agent/requester/events/told-conditions.ts';

const types = ['GpuMissing', 'DiskAlmostFull', 'MemoryPressure'];
const condition = (Type: string): NodeCondition => ({
  Type,
  Reason: `why ${Type}`,
  Since: '2026-01-01T00:00:00Z',
});
const always = () => true;

describe('the news of conditions', () => {
  test('are what the node has, in turn, never twice within a minute, and lose no change', () => {
    const step = fc.record({
      waitMs: fc.nat(40_000),
      present: fc.subarray(types),
      has: fc.array(fc.boolean(), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.subarray(types), fc.array(step, { maxLength: 40 }), (before, steps) => {
        const told = new ToldConditions(before);
        const raised = new Set(before);
        const toldAt = new Map<string, number>();
        let now = 0;
        let present = before;
        let changes = 0;
        let counted = 0;
        const take = (mayTell: () => boolean) => {
          for (const { type, isRaised, reason, untold, conditions } of told.takeNews(now, mayTell)) {
            assert.equal(raised.has(type), !isRaised, `${type} was told twice`);
            assert.ok(now - (toldAt.get(type) ?? Number.NEGATIVE_INFINITY) >= toldIntervalMs);
            toldAt.set(type, now);
            if (isRaised) raised.add(type);
            else raised.delete(type);
            if (isRaised) assert.equal(reason, `why ${type}`);
            counted += untold + 1;
            assert.deepEqual(conditions.sort(), [...raised].sort());
          }
        };
        for (const { waitMs, present: next, has } of steps) {
          now += waitMs;
          changes += types.filter(type => next.includes(type) !== present.includes(type)).length;
          present = next;
          told.note(present.map(condition), now);
          take(() => has.pop() ?? true);
          assert.ok(counted <= changes);
        }
        now += toldIntervalMs;
        take(always);
        assert.deepEqual(
          [...raised].sort(),
          [...present].sort(),
          'after a minute it is known what the node has',
        );
        now += toldIntervalMs;
        assert.deepEqual(told.takeNews(now, always), []);
        assert.equal(told.isSettled, true);
        assert.equal(told.isEmpty, present.length === 0, 'nothing is remembered of what is over');
      }),
      { numRuns: 300 },
    );
  });

  test('of one that flaps say how often it changed meanwhile', () => {
    const told = new ToldConditions([]);
    const news: ConditionNews[] = [];
    for (let second = 0; second <= 80; second++) {
      told.note(second % 2 === 0 && second < 60 ? [condition('GpuMissing')] : [], second * 1_000);
      news.push(...told.takeNews(second * 1_000, always));
    }
    assert.deepEqual(
      news.map(({ isRaised, untold, reason }) => [isRaised, untold, reason]),
      [
        [true, 0, 'why GpuMissing'],
        [false, 58, 'why GpuMissing'],
      ],
    );
  });

  test('of one that an agent does not know yet after its start are none', () => {
    const told = new ToldConditions(['GpuMissing']);
    told.note([], 0);
    assert.deepEqual(told.takeNews(awayMs - 1, always), []);
    told.note([condition('GpuMissing')], awayMs - 1);
    assert.deepEqual(told.takeNews(awayMs, always), []);
    told.note([], awayMs);
    assert.deepEqual(told.takeNews(2 * awayMs - 1, always), []);
    assert.deepEqual(
      told.takeNews(2 * awayMs, always).map(({ isRaised }) => isRaised),
      [false],
    );
  });
});
