// The maintainer scripts of the Debian package have no fault that a linter finds, and a purge removes what can be removed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { maintainerScripts } from '../../../scripts/packaging/deb-scripts.ts';
import { findProgram } from '../../support/find-program.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';
import { newFolder } from '../../support/temporary.ts';

const run = promisify(execFile);

test('shellcheck finds no fault', async t => {
  const shellcheck = await findProgram('shellcheck').catch(() => undefined);
  if (!shellcheck) return t.skip('there is no shellcheck');
  const folder = await newFolder();
  for (const [name, text] of Object.entries(maintainerScripts)) {
    await writeFile(join(folder, name), text);
    const faults: string = await run(shellcheck, [join(folder, name)]).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
    assert.equal(faults, '');
  }
});

test('the package can be purged when a disk is mounted for its state', async t => {
  const disk = await mountSmallDisk();
  if (!disk) return t.skip('no disk can be mounted here');
  t.after(() => disk.release());
  const root = await newFolder();
  const state = join(root, 'var/lib/private/muster');
  for (const folder of [state, `${state}.restoring`, join(root, 'etc/muster')])
    await mkdir(folder, { recursive: true });
  await run('mount', ['--bind', disk.folder, state]);
  try {
    await writeFile(join(state, 'identity.nk'), 'secret');
    await run('sh', ['-c', maintainerScripts.postrm, 'postrm', 'purge'], {
      env: { DPKG_ROOT: root, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    assert.deepEqual(await readdir(state), []);
    assert.deepEqual(await readdir(join(root, 'etc')), []);
    assert.deepEqual(await readdir(join(root, 'var/lib/private')), ['muster'], 'no restore left its keys');
  } finally {
    await run('umount', [state]);
  }
});
