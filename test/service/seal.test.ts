// The seal: what muster wrote is known as such, and any change of it is seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'plist';
import { plistFile } from '../../agent/service/launchd.ts';
import { sealed, sealOf } from '../../agent/service/seal.ts';
import { unitFile } from '../../agent/service/systemd-units.ts';

const unit = unitFile('agent', { executable: '/usr/bin/muster', scope: 'system' });
const plist = plistFile('agent', { executable: '/usr/bin/muster', logFile: '/var/log/a.log' });

test('a sealed file is whole, and what it says is the same', () => {
  for (const text of [unit, plist, '', '\n', '# a comment'])
    assert.equal(sealOf(sealed(text)), 'whole', text);
  assert.equal(sealed(unit).split('\n').slice(1).join('\n'), unit);
  assert.match(sealed(unit), /^# Written by "muster service install"; /);
  assert.deepEqual(parse(sealed(plist)), parse(plist));
  assert.match(sealed(plist), /^<\?xml [^\n]*\n<!DOCTYPE [^\n]*\n<!-- Written by [^\n]*[0-9a-f]{64} -->\n/);
});

test('what has no seal is nobody’s', () => {
  for (const text of [unit, plist, '', 'a\nb\nc\nd']) assert.equal(sealOf(text), 'none');
  const late = `a\nb\nc\n${sealed('x')}`;
  assert.equal(sealOf(late), 'none', 'a seal stands at the top');
});

test('any edit breaks the seal or removes it', () => {
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.nat(20),
    insert: fc.string({ unit: 'grapheme', maxLength: 20 }),
  });
  for (const text of [unit, plist]) {
    const before = sealed(text);
    fc.assert(
      fc.property(edit, ({ at, remove, insert }) => {
        const place = at % (before.length + 1);
        const after = before.slice(0, place) + insert + before.slice(place + remove);
        fc.pre(after !== before);
        assert.notEqual(sealOf(after), 'whole', JSON.stringify(after.slice(0, 200)));
      }),
      { numRuns: 300 },
    );
  }
});
