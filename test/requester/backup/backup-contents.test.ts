// A backup has every file that the requester keeps, as ARCHITECTURE.md lists them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { backedUpFiles } from '../../../agent/requester/backup/backup-contents.ts';

test('every file of the requester’s folder is backed up', () => {
  const page = readFileSync(new URL('../../../ARCHITECTURE.md', import.meta.url), 'utf8');
  const rows =
    /\| the requester's folder \|[\s\S]*?(?=\n\| the (?:data|broker's) folder \|)/.exec(page)?.[0] ?? '';
  const files = rows.split('\n').flatMap(row => [...(row.split('|')[2] ?? '').matchAll(/`([^`]+)`/g)]);
  const named = files.map(([, name]) => name);
  assert.ok(named.length > 10);
  for (const name of named)
    assert.ok(
      backedUpFiles.some(each => each === name),
      `${name} is not backed up`,
    );
});
