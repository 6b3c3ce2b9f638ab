// The tables and lists on the pages are up to date with the tables of the program.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { commands } from '../../agent/cli/commands.ts';
import { settingKeys } from '../../agent/config/keys.ts';
import { troubleCodes } from '../../agent/system/trouble.ts';
import { pagePath, pages, withGeneratedParts } from '../../scripts/docs.ts';
import { stepsOf } from '../../scripts/walk.ts';
import { readPage } from '../support/pages.ts';

describe('the generated parts of the pages', () => {
  for (const page of pages) {
    it(`of ${page} are up to date`, async () => {
      const text = await readPage(page);
      assert.ok(text === (await withGeneratedParts(text)), 'run: npm run docs');
    });
  }

  it('have a row of six cells for every setting', async () => {
    const text = await readPage('docs/configure.md');
    for (const key of settingKeys) {
      const row = text.split('\n').find(line => line.startsWith(`| \`${key}\` |`));
      assert.equal(row?.split(' | ').length, 6, key);
    }
  });

  it('have a row for every command that is not hidden', async () => {
    const text = await readPage('docs/operate.md');
    for (const { path, hidden } of commands)
      assert.equal(new RegExp(`^\\| \`muster ${path}[\` ]`, 'm').test(text), !hidden, path);
  });
});

it('docs/operate.md names the code of every trouble', async () => {
  const text = await readPage('docs/operate.md');
  for (const code of troubleCodes) assert.ok(text.includes(`\`${code}\``), code);
});

it('the picture shows the walk of the README (npm run picture draws it)', async () => {
  const picture = await readFile(pagePath('docs/walk.svg'), 'utf8');
  const shown = [...picture.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text = '']) =>
    text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  );
  const expected = stepsOf(await readPage('README.md'), 'walk').flatMap(({ command, output }) => [
    '$',
    command,
    ...output.trimEnd().split('\n'),
  ]);
  assert.deepEqual(shown, expected);
});
