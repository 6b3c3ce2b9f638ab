// What was built or downloaded for a package is kept for other checkouts.
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../../scripts/packaging/checkout.ts';
import { keptFolder } from '../../../scripts/packaging/kept-folder.ts';
import { newFolder } from '../../support/temporary.ts';

test('it is kept in the cache of the user, and in the checkout where that cannot be written', async () => {
  const home = await newFolder();
  const folder = await keptFolder('a-test', home);
  assert.equal(folder, join(home, '.cache/muster/a-test'));
  assert.ok((await stat(folder)).isDirectory());
  const file = join(home, 'file');
  await writeFile(file, '');
  assert.equal(await keptFolder('runtimes', file), join(checkout, '.tools/runtimes'));
});
