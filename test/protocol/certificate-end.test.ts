// When a certificate ends, as the command line and the page say it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endsSoon, endText } from '../../agent/protocol/certificate-end.ts';

const now = new Date('2026-11-01T00:00:00Z');

test('the end of a certificate is said, and one that comes within 30 days is near', () => {
  for (const [endsAt, text, isSoon] of [
    ['2027-11-01T00:00:00Z', 'ends 2027-11-01 00:00:00 UTC (in 365 days)', false],
    ['2026-12-01T00:00:00Z', 'ends 2026-12-01 00:00:00 UTC (in 30 days)', false],
    ['2026-11-30T23:59:59Z', 'ends soon: 2026-11-30 23:59:59 UTC (in 29 days)', true],
    ['2026-10-31T23:59:00Z', 'ended 60 s ago', true],
    ['9999-12-31T23:59:59Z', 'does not end', false],
  ] as const) {
    assert.equal(endText(endsAt, now), text);
    assert.equal(endsSoon(endsAt, now), isSoon, endsAt);
  }
});
