// A second name for a file replaces an earlier one and survives a kill.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeChecksums } from '../../../scripts/packaging/checksums.ts';
import { giveSecondName } from '../../../scripts/packaging/second-name.ts';
import { newFolder } from '../../support/temporary.ts';

async function withExecutable(): Promise<{ folder: string; file: string; name: string }> {
  const folder = await newFolder();
  await mkdir(join(folder, 'linux-x64'));
  const file = join(folder, 'linux-x64/muster');
  await writeFile(file, 'program');
  return { folder, file, name: join(folder, 'muster') };
}

/** Makes a new executable, as every build does. */
async function newFile(folder: string): Promise<string> {
  const path = join(folder, 'linux-x64/made');
  await writeFile(path, 'newer program');
  return path;
}

test('the two names are one file, also when an earlier file had the second name', async () => {
  const { folder, file, name } = await withExecutable();
  await writeFile(name, 'earlier');
  await giveSecondName(file, name);
  assert.equal((await stat(name)).ino, (await stat(file)).ino);
  await giveSecondName(file, name);
  assert.equal(await readFile(file, 'utf8'), 'program');
  assert.deepEqual((await readdir(folder)).sort(), ['linux-x64', 'muster']);
});

test('a build that is killed before the file has its second name leaves nothing that a release would list', async () => {
  const { folder, file, name } = await withExecutable();
  const module = JSON.stringify(join(import.meta.dirname, '../../../scripts/packaging/second-name.ts'));
  // The build is killed at the moment when it renames the file.
  const script = `
    import { promises } from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    promises.rename = async () => process.kill(process.pid, 'SIGKILL');
    syncBuiltinESMExports();
    const { giveSecondName } = await import(${module});
    await giveSecondName(${JSON.stringify(file)}, ${JSON.stringify(name)});`;
  const build = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  assert.deepEqual(await once(build, 'exit'), [null, 'SIGKILL']);
  assert.equal((await readdir(folder)).length, 2);
  await rename(await newFile(folder), file);
  await giveSecondName(file, name);
  await writeChecksums(folder);
  assert.match(await readFile(join(folder, 'SHA256SUMS'), 'utf8'), /^\S+ {2}linux-x64\/muster\n$/);
});
