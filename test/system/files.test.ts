// State files are written whole or not at all, are private, and are read up to a limit. Every refusal is a whole sentence.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MusterError } from '../../agent/system/errors.ts';
import {
  makeFolder,
  notWritable,
  removeFile,
  removeLeftovers,
  setAside,
  writeFileAtomic,
} from '../../agent/system/files.ts';
import { readBounded } from '../../agent/system/read-file.ts';
import { mountReadOnly, mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../support/unprivileged.ts';

const writer = fileURLToPath(new URL('./writer.ts', import.meta.url));
const userFolder = await unprivilegedFolder();
after(() => rm(userFolder, { recursive: true, force: true }));

async function refused(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof MusterError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

const mode = async (path: string) => (await stat(path)).mode & 0o777;

describe('writing', () => {
  test('replaces the whole file, gives access to the owner alone, and leaves nothing else', async () => {
    const folder = await newFolder();
    const path = join(folder, 'state');
    await writeFileAtomic(path, 'a longer text than the next');
    await writeFileAtomic(path, new Uint8Array([0x61, 0x62]));
    assert.equal(await readFile(path, 'utf8'), 'ab');
    assert.equal(await mode(path), 0o600);
    assert.deepEqual(await readdir(folder), ['state']);
  });

  test('uses the mode that is given', async () => {
    const path = join(await newFolder(), 'state');
    await writeFileAtomic(path, '', 0o640);
    assert.equal(await mode(path), 0o640);
  });

  test('leaves the whole text of one writer when many write a file at once', async () => {
    const folder = await newFolder();
    const path = join(folder, 'state');
    const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000));
    await Promise.all(texts.map(text => writeFileAtomic(path, text)));
    assert.ok(texts.includes(await readFile(path, 'utf8')));
    assert.deepEqual(await readdir(folder), ['state']);
  });

  test('leaves a whole file when the writer is killed at any moment, never older than the last reported write', async () => {
    const folder = await newFolder();
    for (let kill = 1; kill <= 8; kill++) {
      const child = spawn(process.execPath, [writer, folder, '200000'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let done = 0;
      for await (const line of createInterface(child.stdout)) {
        done = Number(line);
        if (done === kill) child.kill('SIGKILL');
      }
      const text = await readFile(join(folder, 'state'), 'utf8');
      const found = /^(\d+):x{200000}:\1\n$/.exec(text)?.[1];
      assert.ok(found, `torn: ${text.length} bytes, from ${text.slice(0, 10)}`);
      assert.ok(Number(found) >= done && done >= kill, `${found} found, ${done} was done`);
    }
  });

  test('removes what a killed writer left, and nothing else, when the folder is taken', async () => {
    const folder = await newFolder();
    const left = async () => (await readdir(folder)).filter(name => name !== 'state');
    // The writer may be killed between two writes. Then another writer is started.
    while ((await left()).length === 0) {
      const child = spawn(process.execPath, [writer, folder, '2000000'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      for await (const line of createInterface(child.stdout)) if (line === '2') child.kill('SIGKILL');
    }
    const [name] = await left();
    assert.match(name ?? '', /^\.state\.[0-9a-f]{12}\.tmp$/);
    const kept = ['.sock.tmp', '.state.tmp', 'state', 'x.0123456789ab.tmp'];
    for (const each of [...kept, '.0123456789ab.tmp']) await writeFile(join(folder, each), '');
    await mkdir(join(folder, '.folder.0123456789ab.tmp'));
    await removeLeftovers(folder);
    assert.deepEqual((await readdir(folder)).sort(), ['.folder.0123456789ab.tmp', ...kept]);
    await removeLeftovers(join(folder, 'nowhere'));
  });

  test('names the path and the cause when it fails, and keeps the old content', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'file'), 'old');
    await mkdir(join(folder, 'taken'));
    const cases: [string, RegExp][] = [
      [
        join(folder, 'nowhere', 'state'),
        /^cannot write .*nowhere\/state: a part of the path does not exist$/,
      ],
      [join(folder, 'file', 'state'), /^cannot write .*file\/state: a part of the path is not a folder$/],
      [join(folder, 'taken'), /^cannot write .*taken: EISDIR/],
    ];
    for (const [path, message] of cases) await refused(writeFileAtomic(path, 'new'), 'not_writable', message);
    assert.deepEqual((await readdir(folder)).sort(), ['file', 'taken']);
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'old');
  });

  test('fails in a folder that the user may not write', async () => {
    const folder = join(userFolder, 'locked');
    const path = join(folder, 'state');
    await asUnprivileged(async () => {
      await makeFolder(folder);
      await writeFileAtomic(path, 'old');
      await chmod(folder, 0o500);
      const denied = /^cannot write .*locked\/state: permission denied$/;
      await refused(writeFileAtomic(path, 'new'), 'not_writable', denied);
      await refused(removeFile(path), 'not_writable', denied);
      await refused(setAside(path, '.bad'), 'not_writable', denied);
      await refused(makeFolder(join(folder, 'sub')), 'not_writable', /locked\/sub: permission denied$/);
      assert.equal(await readFile(path, 'utf8'), 'old');
      await chmod(folder, 0o700);
      assert.deepEqual(await readdir(folder), ['state']);
    });
  });

  test('fails with a hint that fits the reason: nothing has to be unlocked on a full disk', () => {
    const hint = (code: string) => notWritable('/a', Object.assign(new Error(code), { code })).hint;
    for (const full of ['ENOSPC', 'EDQUOT'])
      assert.equal(hint(full), 'make room on its disk, or choose another folder with dataDir');
    for (const other of ['EACCES', 'EROFS', 'ENOTDIR'])
      assert.equal(hint(other), 'free or unlock it, or choose another folder with dataDir');
  });

  test('fails on a full disk, and works again when there is room', async () => {
    const disk = await mountSmallDisk();
    if (disk) {
      const path = join(disk.folder, 'state');
      try {
        await writeFileAtomic(path, 'old');
        await disk.fill();
        const full = /^cannot write .*state: no space left on the device$/;
        await refused(writeFileAtomic(path, 'x'.repeat(8192)), 'not_writable', full);
        assert.deepEqual((await readdir(disk.folder)).sort(), ['filler', 'state']);
        assert.equal(await readFile(path, 'utf8'), 'old');
        await disk.makeRoom();
        await writeFileAtomic(path, 'new');
        assert.equal(await readFile(path, 'utf8'), 'new');
      } finally {
        await disk.release();
      }
      return;
    }
    // Without a small disk, a process that may write only 512 or 1024 bytes also fails in the middle of the file.
    const folder = await newFolder();
    await writeFile(join(folder, 'state'), 'old');
    const command = 'ulimit -f 1; exec "$@"';
    const args = ['-c', command, 'sh', process.execPath, writer, folder, '8192', '1'];
    const { stdout } = await promisify(execFile)('sh', args);
    assert.match(stdout, /^not_writable: cannot write .*state: the system does not allow a file so large\n$/);
    assert.equal(await readFile(join(folder, 'state'), 'utf8'), 'old');
    assert.deepEqual(await readdir(folder), ['state']);
  });
});

describe('reading', () => {
  test('reads a file of exactly the limit, and refuses one byte more', async () => {
    const path = join(await newFolder(), 'state');
    await writeFile(path, 'x'.repeat(100));
    assert.equal((await readBounded(path, 100))?.length, 100);
    await refused(readBounded(path, 99), 'bad_state', /^cannot read .*state: larger than 99 bytes$/);
  });

  const isLinux = process.platform === 'linux';
  test('reads a file of the kernel, which comes one page at a time', {
    skip: !isLinux && 'there is no /proc',
  }, async t => {
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
    t.after(() => child.kill('SIGKILL'));
    child.stdin.write('x');
    await once(child.stdout, 'data');
    const path = `/proc/${child.pid}/smaps`;
    // The mappings are the same now, but the amounts of memory in use may differ.
    const mapped = (data: Buffer | undefined) => String(data).match(/^[0-9a-f]+-[0-9a-f]+ .*$/gm);
    const whole = await readFile(path);
    assert.ok(whole.length > 4096);
    assert.deepEqual(mapped(await readBounded(path, 1_048_576)), mapped(whole));
    await refused(readBounded(path, 4096), 'bad_state', /smaps: larger than 4096 bytes$/);
  });

  test('returns undefined when there is no file or no folder', async () => {
    const folder = await newFolder();
    assert.equal(await readBounded(join(folder, 'state')), undefined);
    assert.equal(await readBounded(join(folder, 'nowhere', 'state')), undefined);
  });

  test('refuses a folder, a device and a pipe without a writer at once', async () => {
    const folder = await newFolder();
    await promisify(execFile)('mkfifo', [join(folder, 'pipe')]);
    for (const path of [folder, '/dev/zero', join(folder, 'pipe')])
      await refused(readBounded(path), 'bad_state', /not a regular file$/);
  });

  test('refuses a file that the user may not read', async () => {
    const path = join(userFolder, 'secret');
    await asUnprivileged(async () => {
      await writeFileAtomic(path, 'x');
      await chmod(path, 0);
      await refused(readBounded(path), 'bad_state', /^cannot read .*secret: EACCES/);
    });
  });
});

describe('moving and removing', () => {
  test('setAside replaces what was set aside before, of whatever kind it is', async () => {
    const folder = await newFolder();
    const path = join(folder, 'state');
    await writeFile(path, 'first');
    await setAside(path, '.bad');
    await mkdir(join(path, 'sub'), { recursive: true });
    await setAside(path, '.bad');
    assert.deepEqual(await readdir(`${path}.bad`), ['sub']);
    await mkdir(path);
    await setAside(path, '.bad');
    await writeFile(path, 'last');
    await setAside(path, '.bad');
    assert.equal(await readFile(`${path}.bad`, 'utf8'), 'last');
    assert.deepEqual(await readdir(folder), ['state.bad']);
  });

  test('does nothing when there is no file', async () => {
    const folder = await newFolder();
    await setAside(join(folder, 'state'), '.bad');
    await removeFile(join(folder, 'state'));
    await removeFile(join(folder, 'nowhere', 'state'));
    assert.deepEqual(await readdir(folder), []);
  });

  test('removeFile removes a file', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'state'), '');
    await removeFile(join(folder, 'state'));
    assert.deepEqual(await readdir(folder), []);
  });
});

test('makeFolder creates a private folder and its parents, and may be called twice', async () => {
  const base = await newFolder();
  const folder = join(base, 'a', 'b');
  await makeFolder(folder);
  await makeFolder(folder);
  assert.deepEqual([await mode(join(base, 'a')), await mode(folder)], [0o700, 0o700]);
  await writeFile(join(base, 'file'), '');
  await refused(makeFolder(join(base, 'file')), 'not_writable', /file: something else is in the way$/);
  await refused(makeFolder(join(base, 'file', 'sub')), 'not_writable', /a part of the path is not a folder$/);
});

test('makeFolder lets many create the same folder and its parents at once', async () => {
  const base = await newFolder();
  for (let round = 0; round < 50; round++) {
    const path = join(base, `shared-${round}`, 'b', 'c');
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
    assert.ok((await stat(path)).isDirectory());
  }
});

test('changes of one folder run one after another, and a failed change does not stop the next ones', async () => {
  const folder = await newFolder();
  await mkdir(join(folder, 'taken'));
  let most = 0;
  const look = () => {
    most = Math.max(most, readdirSync(folder).filter(name => name.endsWith('.tmp')).length);
    looking = setImmediate(look);
  };
  let looking = setImmediate(look);
  const names = Array.from({ length: 30 }, (_, index) => (index === 3 ? 'taken' : `f${index}`));
  const writes = await Promise.allSettled(names.map(name => writeFileAtomic(join(folder, name), name)));
  await Promise.all([writeFileAtomic(join(folder, 'f0'), 'again'), removeFile(join(folder, 'f0'))]);
  clearImmediate(looking);
  assert.equal(most, 1);
  assert.deepEqual(
    writes.flatMap(({ status }, index) => (status === 'rejected' ? index : [])),
    [3],
  );
  assert.deepEqual(readdirSync(folder).sort(), names.filter(name => name !== 'f0').sort());
});

test('a folder that cannot be created is reported with the real reason', async t => {
  const base = await newFolder();
  await symlink('nowhere', join(base, 'dangling'));
  await refused(
    makeFolder(join(base, 'dangling', 'sub')),
    'not_writable',
    /dangling\/sub: something else is in the way$/,
  );
  const disk = await mountReadOnly();
  if (!disk) return t.skip('no file system can be mounted here');
  t.after(() => disk.release());
  for (const folder of [join(disk.folder, 'a'), join(disk.folder, 'a', 'b')])
    await refused(makeFolder(folder), 'not_writable', /: the file system is read-only$/);
  await makeFolder(disk.folder);
});
