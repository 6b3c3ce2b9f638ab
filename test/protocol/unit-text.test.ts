// Sizes, durations and times are written in units that people read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText, shortDuration, sizeText, timeText } from '../../agent/protocol/unit-text.ts';

test('sizes have decimal units, and one digit after the point below ten', () => {
  const cases: [bytes: number, text: string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1_500, '1.5 kB'],
    [9_960_000_000, '10 GB'],
    [77_300_000_000, '77 GB'],
    [3.2e12, '3.2 TB'],
    [5e21, '5000 EB'],
  ];
  for (const [bytes, text] of cases) assert.equal(sizeText(bytes), text);
});

test('durations are shown in the largest unit that gives at least 2', () => {
  const cases: [milliseconds: number, text: string, short: string][] = [
    [-1, '0 s', '0s'],
    [1_999, '1 s', '1s'],
    [119_999, '119 s', '119s'],
    [120_000, '2 min', '2m'],
    [7_199_999, '119 min', '119m'],
    [7_200_000, '2 h', '2h'],
    [172_800_000, '2 days', '2d'],
  ];
  for (const [milliseconds, text, short] of cases) {
    assert.equal(durationText(milliseconds), text);
    assert.equal(shortDuration(milliseconds), short);
  }
});

test('times are in UTC, with their age', () => {
  const now = new Date('2026-01-01T12:00:00Z');
  assert.equal(timeText('2026-01-01T12:58:30.9+01:00', now), '2026-01-01 11:58:30 UTC (89 s ago)');
  assert.equal(timeText('2026-01-01T12:05:00Z', now), '2026-01-01 12:05:00 UTC (in 5 min)');
});
