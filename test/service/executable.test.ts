// Checks the program of a service when its path is a link.
import assert from 'node:assert/strict';
import { chmod, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkExecutable } from '../../agent/service/executable.ts';
import { newFolder } from '../support/temporary.ts';

test('a link into a folder that no service can see is refused, and the error shows its target', async t => {
  const file = join(await realpath(await newFolder()), 'muster');
  if (process.platform !== 'linux' || !file.startsWith('/tmp/'))
    return t.skip('it takes the links of /proc, and a folder in /tmp');
  await writeFile(file, '');
  await chmod(file, 0o755);
  const link = `/proc/self/root${file}`;
  await assert.rejects(checkExecutable(link, 'system', ''), {
    code: 'usage',
    message: `a service of the whole machine cannot start ${link}, which is ${file}: it cannot see that folder`,
  });
  assert.deepEqual(await checkExecutable(link, 'user', ''), []);
});
