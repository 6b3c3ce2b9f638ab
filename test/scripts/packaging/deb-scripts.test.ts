// What dpkg runs at a purge, where not all can be removed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { maintainerScripts } from '../../../scripts/packaging/deb-scripts.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';
import { newFolder } from '../../support/temporary.ts';

const run = promisify(execFile);

test('a disk that is mounted for the state keeps nobody from purging the package', async t => {
  const disk = await mountSmallDisk();
  if (!disk) return t.skip('no disk may be mounted here');
  t.after(() => disk.release());
  const root = await newFolder();
  const state = join(root, 'var/lib/private/muster');
  for (const folder of [state, join(root, 'etc/muster')]) await mkdir(folder, { recursive: true });
  await run('mount', ['--bind', disk.folder, state]);
  try {
    await writeFile(join(state, 'identity.nk'), 'secret');
    await run('sh', ['-c', maintainerScripts.postrm, 'postrm', 'purge'], {
      env: { DPKG_ROOT: root, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    assert.deepEqual(await readdir(state), []);
    assert.deepEqual(await readdir(join(root, 'etc')), []);
  } finally {
    await run('umount', [state]);
  }
});
