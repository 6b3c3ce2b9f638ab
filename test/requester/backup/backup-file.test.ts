// A backup file comes back as it was written, and whatever is not whole is refused before anything is read from it.
import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { backedUpStreams } from '../../../agent/requester/backup/backup-contents.ts';
import { Backup, type BackupFault } from '../../../agent/requester/backup/backup-reader.ts';
import { BackupWriter } from '../../../agent/requester/backup/backup-writer.ts';
import { newFolder } from '../../support/temporary.ts';

const about = {
  muster: '1.2.3',
  cluster: 'c-1',
  requester: 'node-0',
  at: '2026-11-28T12:00:00.000Z',
  eventsUntil: 7,
};

async function write(path: string, contents: readonly Uint8Array[][], file?: Buffer): Promise<void> {
  const writer = await BackupWriter.create(path);
  for (const [at, name] of backedUpStreams.entries()) {
    // The first attempt of each stream is taken back.
    assert.equal(
      await writer.addPart(async add => {
        await add(Buffer.alloc(1_000 * at, 1));
        return undefined;
      }),
      false,
    );
    await writer.addPart(async add => {
      for (const chunk of contents[at] ?? []) await add(chunk);
      return {
        kind: 'stream',
        name,
        config: { name },
        state: { messages: at },
        messages: at,
        lastSequence: at,
      };
    });
  }
  if (file) await writer.addFile('ca.pem', [file]);
  await writer.finish(about);
}

async function readAll(path: string): Promise<Buffer[]> {
  const backup = await Backup.open(path);
  try {
    const streams: Buffer[] = [];
    for (const { name } of backup.streams())
      streams.push(Buffer.concat(await Array.fromAsync(backup.read(name))));
    return streams;
  } finally {
    await backup.close();
  }
}

const isFault = (fault: BackupFault) => ({ name: 'MusterError', code: 'bad_state', fault });

test('a backup comes back as it was written, and only its owner can read it', async () => {
  const folder = await newFolder();
  const chunk = fc.uint8Array({ maxLength: 300 });
  let number = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(chunk, { maxLength: 4 }), { minLength: 3, maxLength: 3 }),
      chunk,
      async (contents, ca) => {
        const path = join(folder, `${number++}.backup`);
        await write(path, contents, Buffer.from(ca));
        assert.equal((await stat(path)).mode & 0o777, 0o600);
        assert.deepEqual(
          await readAll(path),
          contents.map(each => Buffer.concat(each)),
        );
        const backup = await Backup.open(path);
        const { parts, ...rest } = backup.list;
        assert.deepEqual(rest, about);
        assert.equal(parts.length, 4);
        assert.deepEqual(await backup.readFile('ca.pem'), Buffer.from(ca));
        assert.equal(await backup.readFile('ca.key'), undefined);
        await backup.close();
      },
    ),
    { numRuns: 25 },
  );
});

test('a file that is torn, changed, foreign or newer is refused, each with its own sentence', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a.backup');
  await write(path, [[Buffer.alloc(5_000, 7)], [Buffer.from('x')], []], Buffer.from('ca'));
  const whole = await readFile(path);
  const refused = async (content: Buffer, fault: BackupFault) => {
    await writeFile(path, content);
    await assert.rejects(Backup.open(path), isFault(fault));
  };
  for (const length of [24, 100, whole.length / 2, whole.length - 1])
    await refused(whole.subarray(0, length), 'torn');
  for (const length of [0, 5, 12]) await refused(whole.subarray(0, length), 'foreign');
  await refused(Buffer.from('just some text\n'.repeat(100)), 'foreign');
  await refused(Buffer.from(whole.toString('latin1').replace('backup 1', 'backup 2'), 'latin1'), 'newer');
  for (let at = 16; at < whole.length; at += 97) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(path, changed);
    await assert.rejects(Backup.open(path), error => {
      const { fault } = error as { fault?: BackupFault };
      return fault === 'damaged' || (at >= whole.length - 80 && fault === 'torn');
    });
  }
  await writeFile(path, whole);
  await appendFile(path, 'more');
  await assert.rejects(Backup.open(path), isFault('torn'));
  await truncate(path, whole.length);
  assert.equal((await readAll(path)).length, 3);
  await assert.rejects(Backup.open(join(folder, 'none')), { code: 'not_found' });
  await assert.rejects(Backup.open(folder), { code: 'bad_state' });
});

test('nothing is overwritten, and an attempt that fails leaves nothing', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a.backup');
  await writeFile(path, 'mine');
  await assert.rejects(write(path, []), { code: 'conflict' });
  assert.equal(await readFile(path, 'utf8'), 'mine');
  const writer = await BackupWriter.create(join(folder, 'b.backup'));
  await assert.rejects(
    writer.addPart(() => Promise.reject(new Error('the broker went away'))),
    /went away/,
  );
  await writer.discard();
  assert.deepEqual(await readdir(folder), ['a.backup']);
  await assert.rejects(BackupWriter.create(join(folder, 'none', 'c.backup')), { code: 'not_writable' });
});
