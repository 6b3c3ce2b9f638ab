// The notices list every part, and contain each text once.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { licenceTexts } from '../../../scripts/packaging/licence-texts.ts';
import { writeNotices } from '../../../scripts/packaging/notices.ts';
import { newFolder } from '../../support/temporary.ts';

const notice = (name: string, ...texts: string[]) => ({ name, version: '1.0.0', licence: 'MIT', texts });

test('parts are listed by chapter, and numbers lead to their texts', () => {
  const text = writeNotices([
    { title: 'First', notices: [notice('a', 'Be kind.'), notice('b', 'Be fair.', 'Be kind.')] },
    { title: 'Nothing', notices: [] },
    { title: 'Second', notices: [notice('c', 'Be kind.'), notice('d')] },
  ]);
  assert.match(text, /First\n\n {2}a 1\.0\.0: MIT \[1\]\n {2}b 1\.0\.0: MIT \[2\] \[1\]\n/);
  assert.match(text, /Second\n\n {2}c 1\.0\.0: MIT \[1\]\n {2}d 1\.0\.0: MIT \(without a text\)\n/);
  assert.match(text, /={78}\n\[1\]\n\nBe kind\.\n\n={78}\n\[2\]\n\nBe fair\.\n/);
  assert.equal(text.match(/Be kind/g)?.length, 1);
  assert.doesNotMatch(text, /Nothing/);
});

test('the texts of a package are those of its licence and notice files only', async () => {
  const folder = await newFolder();
  for (const name of ['LICENSE-MIT', 'license.md', 'COPYING', 'NOTICE', 'Unlicense'])
    await writeFile(join(folder, name), `${name}\r\n\r\n`);
  for (const name of ['README.md', 'licenses.js', 'index.js']) await writeFile(join(folder, name), 'code');
  await mkdir(join(folder, 'LICENSE'));
  assert.deepEqual(await licenceTexts(folder), [
    'COPYING',
    'LICENSE-MIT',
    'NOTICE',
    'Unlicense',
    'license.md',
  ]);
});
