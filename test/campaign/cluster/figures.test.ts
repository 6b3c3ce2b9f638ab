// The figures of a round: how long nothing was decided, and whether somebody decided who may not.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Decided } from '../decisions.ts';
import { DecisionTimes, figureLines } from './figures.ts';

const decided = (sentAt: number, endedAt: number, more: Partial<Decided> = {}): Decided => ({
  outcome: 'done',
  requester: 'requester 0',
  sentAt,
  endedAt,
  ...more,
});

describe('the times of decisions in a round', () => {
  const times = new DecisionTimes();
  times.begin(1_000);
  for (const each of [
    decided(1_000, 1_100),
    decided(1_200, 9_000, { outcome: 'unknown' }),
    decided(7_000, 8_100, { requester: 'requester 1' }),
    decided(8_200, 8_300),
  ])
    times.add(each);

  it('say how long nothing was acknowledged, and when something was again', () => {
    assert.equal(times.longestGap(), 7_000);
    assert.equal(times.firstAfter(2_000), 6_100);
    assert.deepEqual([times.isDecidedAfter(8_000), times.isDecidedAfter(8_200)], [true, false]);
  });

  it('find an acknowledgement of a requester that was without a quorum all the time', () => {
    assert.equal(times.doneBetween(['requester 0'], 1_150, 8_150), undefined);
    assert.equal(times.doneBetween(['requester 1'], 1_150, 8_150)?.endedAt, 8_100);
    assert.equal(times.doneBetween(['requester 1'], 7_500, 8_150), undefined, 'it was sent before');
  });
});

it('the table of figures has the median and the worst of each fault', () => {
  const round = (withoutDecisionsMs: number) => ({
    fault: 'kill server 0',
    withoutDecisionsMs,
    healedMs: undefined,
    tookOverMs: undefined,
    heldMs: 0,
    lateMs: [],
  });
  const [, line = ''] = figureLines([round(1_000), round(3_000), round(2_000)]);
  assert.match(line, /^kill server 0 +3 +2\.0, 3\.0 s +– +– +0\.0, 0\.0 s +–$/);
});
