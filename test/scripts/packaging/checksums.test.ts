// The program sha256sum can check the files with SHA256SUMS.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { writeChecksums } from '../../../scripts/packaging/checksums.ts';
import { findProgram } from '../../support/find-program.ts';
import { newFolder } from '../../support/temporary.ts';

const sha256sum = await findProgram('sha256sum').catch(() => undefined);

async function filled(): Promise<string> {
  const folder = await newFolder();
  await mkdir(join(folder, 'linux-x64'));
  await writeFile(join(folder, 'muster'), 'one');
  await writeFile(join(folder, 'linux-x64/muster'), 'two');
  await writeFile(join(folder, '.deb-half'), 'half');
  await writeChecksums(folder);
  return folder;
}

test('SHA256SUMS has a line for each file, sorted by path, and none for itself', async () => {
  const folder = await filled();
  const text = await readFile(join(folder, 'SHA256SUMS'), 'utf8');
  assert.match(text, /^[0-9a-f]{64} {2}linux-x64\/muster\n[0-9a-f]{64} {2}muster\n$/);
  await writeChecksums(folder);
  assert.equal(await readFile(join(folder, 'SHA256SUMS'), 'utf8'), text);
});

test('a file with two names has one line, with the first of them', async () => {
  const folder = await filled();
  const before = await readFile(join(folder, 'SHA256SUMS'), 'utf8');
  // The executable for this machine has a second, shorter name too.
  await link(join(folder, 'linux-x64/muster'), join(folder, 'short'));
  await writeChecksums(folder);
  assert.equal(await readFile(join(folder, 'SHA256SUMS'), 'utf8'), before);
});

test('sha256sum finds each file that was changed, and no other', {
  skip: sha256sum ? false : 'there is no sha256sum',
}, async () => {
  const folder = await filled();
  const check = () => promisify(execFile)(sha256sum ?? '', ['--check', 'SHA256SUMS'], { cwd: folder });
  assert.equal((await check()).stdout, 'linux-x64/muster: OK\nmuster: OK\n');
  await writeFile(join(folder, 'muster'), 'other');
  await assert.rejects(check(), ({ stdout }: { stdout: string }) => /^muster: FAILED$/m.test(stdout));
});
