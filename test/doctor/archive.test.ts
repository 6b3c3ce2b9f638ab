// Reads archives back with the system's tar, and checks that only the owner can read them and that none overwrites a file.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { prepareArchive } from '../../agent/doctor/archive.ts';
import { tar } from '../../agent/system/tar.ts';
import { findProgram } from '../support/find-program.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';

const run = promisify(execFile);
const time = new Date('2026-11-24T08:00:00Z');

async function systemTar(t: TestContext): Promise<string | undefined> {
  const found = await findProgram('tar').catch(() => undefined);
  if (!found) t.skip('there is no tar here');
  return found;
}

test('any files are read back as they were written', async t => {
  const program = await systemTar(t);
  if (!program) return;
  const name = fc
    .string({ unit: fc.constantFrom(...'abcXYZ019._-'), minLength: 1, maxLength: 90 })
    .filter(text => !/^[.-]/.test(text));
  const data = fc.uint8Array({ maxLength: 3_000 }).map(bytes => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.record({ name, data }), { maxLength: 6, selector: file => file.name.toLowerCase() }),
      async files => {
        const folder = await newFolder();
        await writeFile(join(folder, 'archive.tar'), tar(files, time));
        await mkdir(join(folder, 'out'));
        await run(program, ['-xf', join(folder, 'archive.tar'), '-C', join(folder, 'out')]);
        assert.deepEqual((await readdir(join(folder, 'out'))).sort(), files.map(file => file.name).sort());
        for (const file of files) {
          const path = join(folder, 'out', file.name);
          assert.deepEqual(await readFile(path), file.data);
          assert.equal((await stat(path)).mode & 0o777, 0o600);
          assert.equal((await stat(path)).mtime.toISOString(), time.toISOString());
        }
      },
    ),
    { numRuns: 15 },
  );
});

test('files with sizes around the size of a block are read back', async () => {
  for (const size of [0, 1, 511, 512, 513, 1024]) {
    const archive = tar([{ name: 'a', data: Buffer.alloc(size, 'x') }], time);
    assert.equal(archive.length % 512, 0);
    assert.equal(archive.length, 512 + Math.ceil(size / 512) * 512 + 1024);
    assert.equal(archive.toString('latin1', 257, 263), 'ustar\0');
  }
});

test('a name that is too long is refused', () => {
  assert.throws(() => tar([{ name: 'x'.repeat(101), data: Buffer.alloc(0) }], time), RangeError);
});

const files = [{ name: 'a.txt', text: 'one\n' }];
const plain = (archive: Buffer) => archive.toString('latin1');

test('each kind of archive has the same content, and only its owner can read it', async () => {
  const folder = await newFolder();
  const unpack: Record<string, (data: Buffer) => Buffer> = {
    'a.tar': data => data,
    'a.tar.gz': gunzipSync,
    'a.tgz': gunzipSync,
    'a.tar.zst': zstdDecompressSync,
  };
  for (const [name, read] of Object.entries(unpack)) {
    const archive = await prepareArchive(join(folder, name));
    assert.deepEqual(
      await readdir(folder),
      Object.keys(unpack).slice(0, (await readdir(folder)).length),
      'nothing yet',
    );
    const size = await archive.write(files, time);
    const data = await readFile(archive.path);
    assert.equal(data.length, size);
    assert.match(plain(read(data)), /^muster-doctor\/a\.txt\0/);
    assert.equal((await stat(archive.path)).mode & 0o777, 0o600);
  }
});

test('nothing is overwritten: no file, no link, and no file that was made in the meantime', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a.tar');
  const early = await prepareArchive(path);
  await writeFile(path, 'mine');
  const taken = { code: 'conflict', message: `${path} exists already, and is not overwritten` };
  await assert.rejects(prepareArchive(path), taken);
  await assert.rejects(early.write(files, time), taken);
  assert.equal(await readFile(path, 'utf8'), 'mine');
  await symlink(join(folder, 'elsewhere'), join(folder, 'b.tar'));
  await assert.rejects(prepareArchive(join(folder, 'b.tar')), { code: 'conflict' });
});

test('a wrong ending and a folder that cannot be written are refused before any file is collected', async () => {
  const folder = await newFolder();
  await assert.rejects(prepareArchive(join(folder, 'a.zip')), { code: 'usage' });
  await assert.rejects(prepareArchive(join(folder, 'a')), { code: 'usage' });
  await assert.rejects(prepareArchive(join(folder, 'none', 'a.tar')), { code: 'not_writable' });
});

test('on a full disk writing fails, and leaves no file', async t => {
  const disk = await mountSmallDisk();
  if (!disk) return t.skip('no small disk can be mounted here');
  try {
    const path = join(disk.folder, 'a.tar');
    const archive = await prepareArchive(path);
    await disk.fill();
    await assert.rejects(archive.write(files, time), {
      code: 'not_writable',
      message: /no space left on the device/,
    });
    await assert.rejects(stat(path), { code: 'ENOENT' });
  } finally {
    await disk.release();
  }
});
