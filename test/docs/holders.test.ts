// SECURITY.md says of each holder what it can do, and each row names the tests that try it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { pagePath } from '../../scripts/docs.ts';
import { readPage } from '../support/pages.ts';

/** Beginnings of the first cells, so that no holder is forgotten. */
const holders = [
  'a connection to the network: a stranger',
  'the network between a node and the broker',
  'a join code',
  "a node's key",
  "a rejected node's key",
  "a banned node's key",
  'the Bacalhau token',
  "a listener's token",
  "an account on the requester's machine",
  'an account on a node',
  "a read-only operator's token",
  "an operator's token",
  'a copied data folder of an agent',
  'a copied data folder of the requester',
  "the broker's disk",
  'a stale backup of the store',
  'a stale backup of the whole requester',
];

describe('the table of holders in SECURITY.md', async () => {
  const [, table = ''] = (await readPage('SECURITY.md')).split('\n## Who holds what can do what\n');
  const rows = table
    .split('\n')
    .filter(line => line.startsWith('| ') && !/^\| (?:who holds|---)/.test(line))
    .map(line => line.split(' | ').map(cell => cell.replace(/^\| | \|$/g, '')));

  it('has a row for each holder, and says everything of each', () => {
    assert.equal(rows.length, holders.length);
    for (const [index, cells] of rows.entries()) {
      const [holder = ''] = cells;
      assert.ok(holder.startsWith(holders[index] ?? ''), holder);
      assert.equal(cells.length, 6, holder);
      for (const cell of cells) assert.notEqual(cell.trim(), '', holder);
    }
  });

  it('names tests that exist', async () => {
    for (const cells of rows) {
      const [holder = ''] = cells;
      const files = [
        ...(cells.at(-1) ?? '').matchAll(/`(test\/[\w./-]+\.test\.ts)`: ((?:"[^"]+"(?:, )?)+)/g),
      ];
      assert.ok(files.length > 0, `${holder}: no test is named`);
      for (const [, file = '', names = ''] of files) {
        const titles = titlesIn(await readFile(pagePath(file), 'utf8'));
        for (const [, name = ''] of names.matchAll(/"([^"]+)"/g))
          assert.ok(titles.has(name), `${holder}: ${file} has no test "${name}"`);
      }
    }
  });
});

/** Returns the titles of the tests in a file. */
function titlesIn(source: string): Set<string> {
  const calls = source.matchAll(/\b(?:it|test)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")/g);
  return new Set([...calls].map(([, plain, quoted]) => (plain ?? quoted ?? '').replaceAll('\\', '')));
}
