// Checks which versions of nats-server are known to be vulnerable.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { reviewVersion } from '../../../agent/doctor/checks/advisories.ts';

const vulnerabilities = (version: string) =>
  reviewVersion(version)?.vulnerabilities.map(({ id }) => id.split(',')[0]);

test('each release line has its own fix, and a line without a fix stays vulnerable', () => {
  const all = ['2026-28', '2026-23', '2026-17', '2026-12', '2025-01'];
  assert.deepEqual(vulnerabilities('2.10.26'), all);
  assert.deepEqual(vulnerabilities('2.10.27'), all.slice(0, 4));
  assert.deepEqual(vulnerabilities('2.11.0'), all);
  assert.deepEqual(vulnerabilities('2.11.15'), ['2026-28', '2026-23', '2026-17']);
  assert.deepEqual(vulnerabilities('2.11.17'), ['2026-28', '2026-23']);
  assert.deepEqual(vulnerabilities('2.12.6'), ['2026-28', '2026-23', '2026-17']);
  assert.deepEqual(vulnerabilities('2.12.11'), ['2026-28']);
  assert.deepEqual(vulnerabilities('2.13.5'), ['2026-28', '2026-23', '2026-17']);
  assert.deepEqual(vulnerabilities('2.14.0'), ['2026-28', '2026-23']);
  for (const free of ['2.12.12', '2.12.15', 'v2.14.3', '2.15.0', '3.0.0'])
    assert.deepEqual(vulnerabilities(free), [], free);
});

test('a version before a release is not that release', () => {
  assert.deepEqual(vulnerabilities('2.12.12-RC.1'), ['2026-28']);
  assert.deepEqual(vulnerabilities('2.12.12+build.5'), []);
});

test('the better version is the next newer one without a vulnerability', () => {
  assert.equal(reviewVersion('2.10.27')?.nextFixed, '2.12.12');
  assert.equal(reviewVersion('2.12.3')?.nextFixed, '2.12.12');
  assert.equal(reviewVersion('2.13.0')?.nextFixed, '2.14.3');
  assert.equal(reviewVersion('2.14.1')?.nextFixed, '2.14.3');
  assert.equal(reviewVersion('2.12.12')?.nextFixed, undefined);
});

test('a version below 2.10 is too old', () => {
  for (const old of ['2.9.25', '1.4.1', '0.9.9']) assert.equal(reviewVersion(old)?.tooOld, true, old);
  for (const enough of ['2.10.0', '2.12.15', '3.0.0'])
    assert.equal(reviewVersion(enough)?.tooOld, false, enough);
});

test('a text that is not a version has no review', () => {
  for (const text of ['', '2', '2.10', 'two.ten.one', '2.10.1\n', '99999.1.1', `2.10.1-${'x'.repeat(99)}`])
    assert.equal(reviewVersion(text), undefined, text);
});

test('a newer patch of the same line never has a vulnerability that the older one does not have', () => {
  const part = fc.nat(30);
  fc.assert(
    fc.property(fc.integer({ min: 9, max: 16 }), part, part, (minor, patch, more) => {
      const [before, after] = [
        vulnerabilities(`2.${minor}.${patch}`),
        vulnerabilities(`2.${minor}.${patch + more}`),
      ];
      assert.ok(after?.every(id => before?.includes(id)));
    }),
  );
});
