// Applies a purge where a disk is mounted in a folder, as an operator may do for the store of the broker.
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyPlan } from '../../agent/service/apply-plan.ts';
import type { Step } from '../../agent/service/plan.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

test('the files on a mounted disk are removed, its mount point stays, and the later steps are done', async t => {
  const disk = await mountSmallDisk();
  if (!disk) return t.skip('no disk may be mounted here');
  t.after(() => disk.release());
  const root = disk.folder;
  await mkdir(join(root, 'store'));
  for (const name of ['token', 'store/1.blk']) await writeFile(join(root, name), 'x');
  const steps: Step[] = [
    { action: 'remove', path: root, what: 'tree' },
    { action: 'remove', path: root, what: 'folder' },
  ];
  const options = { managerProgram: undefined, name: 'x', root: '', mayChown: false, clock: systemClock };
  await applyPlan({ steps, warnings: [], notes: [] }, { ...options, onStep: () => undefined });
  assert.deepEqual(await readdir(root), []);
});
