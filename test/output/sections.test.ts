// Sections of text are aligned over all sections, broken between words, and printable.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sectionsText } from '../../agent/output/sections.ts';

test('values are aligned over all sections, and a section without rows is left out', () => {
  const sections = [
    { title: 'first', rows: [['a', '1']] },
    { title: 'empty', rows: [] },
    { title: 'second', rows: [['longer', '2']] },
    { title: 'sentences', rows: [['this label has no value and widens nothing', '']] },
  ] as const;
  assert.equal(
    sectionsText(sections),
    'first\n  a       1\n\nsecond\n  longer  2\n\nsentences\n  this label has no value and widens nothing\n',
  );
});

test('a long value is broken between words, and a long word stays whole', () => {
  const rows = [['name', 'one two three pneumonoultramicroscopic four']] as const;
  assert.equal(
    sectionsText([{ title: 'x', rows }], 21),
    'x\n  name  one two three\n        pneumonoultramicroscopic\n        four\n',
  );
});

test('control characters are escaped in titles, labels and values', () => {
  const rows = [['l\u001b', 'v\u202e']] as const;
  assert.equal(sectionsText([{ title: 't\u0007', rows }]), 't\\u0007\n  l\\u001b  v\\u202e\n');
});
