// Checks that the seal shows whether muster wrote a file, and that any change is noticed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'plist';
import { plistFile } from '../../agent/service/launchd.ts';
import { addSeal, readSeal } from '../../agent/service/seal.ts';
import { unitFile } from '../../agent/service/systemd-units.ts';

const unit = unitFile('agent', { executable: '/usr/bin/muster', scope: 'system' });
const plist = plistFile('agent', { executable: '/usr/bin/muster', logFile: '/var/log/a.log' });

test('a file with a seal counts as unchanged, and the seal does not change its meaning', () => {
  for (const text of [unit, plist, '', '\n', '# a comment'])
    assert.equal(readSeal(addSeal(text)), 'whole', text);
  assert.equal(addSeal(unit).split('\n').slice(1).join('\n'), unit);
  assert.match(addSeal(unit), /^# Written by "muster service install"; /);
  assert.deepEqual(parse(addSeal(plist)), parse(plist));
  assert.match(addSeal(plist), /^<\?xml [^\n]*\n<!DOCTYPE [^\n]*\n<!-- Written by [^\n]*[0-9a-f]{64} -->\n/);
});

test('a file without a seal was not written by muster', () => {
  for (const text of [unit, plist, '', 'a\nb\nc\nd']) assert.equal(readSeal(text), 'none');
  const late = `a\nb\nc\n${addSeal('x')}`;
  assert.equal(readSeal(late), 'none', 'a seal stands at the top');
});

test('a comment of XML that does not end any more is no seal', () => {
  assert.equal(readSeal(addSeal(plist).replace(' -->', '')), 'none');
});

test('every edit breaks or removes the seal', () => {
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.nat(20),
    insert: fc.string({ unit: 'grapheme', maxLength: 20 }),
  });
  for (const text of [unit, plist]) {
    const before = addSeal(text);
    fc.assert(
      fc.property(edit, ({ at, remove, insert }) => {
        const place = at % (before.length + 1);
        const after = before.slice(0, place) + insert + before.slice(place + remove);
        fc.pre(after !== before);
        assert.notEqual(readSeal(after), 'whole', JSON.stringify(after.slice(0, 200)));
      }),
      { numRuns: 300 },
    );
  }
});
