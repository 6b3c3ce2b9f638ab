// The README says what the program says: its table of settings is the program's own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { withGeneratedParts } from '../../scripts/readme.ts';

test('the table of settings is up to date (node scripts/readme.ts writes it)', () => {
  const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  assert.match(text, /\| `compute\.heartbeatFrequency` \|/);
  assert.equal(text, withGeneratedParts(text));
});
