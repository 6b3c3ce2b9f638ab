// Unpacks the carried nats-server when it is missing or changed, and uses it before the one on PATH.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { findServerBinary } from '../../agent/broker/binary.ts';
import { type PackedServer, unpackServer } from '../../agent/broker/unpack.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { silentLog } from '../../agent/system/log.ts';
import { findProgram } from '../support/find-program.ts';
import { recordLog } from '../support/log-lines.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';

const server = (text: string): Buffer => Buffer.from(`#!/bin/sh\n${text}\n`);
const pack = (content: Buffer): PackedServer => ({
  sha256: createHash('sha256').update(content).digest('hex'),
  size: content.length,
  bytes: () => zstdCompressSync(content),
});
const good = server('echo "nats-server: v2.12.15"');

test('the server is unpacked once, only for its owner, and later only checked', async () => {
  const folder = join(await newFolder(), 'broker');
  const path = await unpackServer(pack(good), folder);
  assert.equal(path, join(folder, 'bin/nats-server'));
  assert.ok((await readFile(path)).equals(good));
  for (const each of [path, join(folder, 'bin'), folder])
    assert.equal((await stat(each)).mode & 0o777, 0o700, each);
  const past = new Date(1000);
  await utimes(path, past, past);
  const again = await unpackServer(
    { ...pack(good), bytes: () => assert.fail('it was unpacked again') },
    folder,
  );
  assert.equal(again, path);
  assert.equal((await stat(path)).mtimeMs, 1000);
});

test('anything else in its place is replaced, and other files are removed', async () => {
  const elsewhere = join(await newFolder(), 'target');
  await writeFile(elsewhere, good, { mode: 0o700 });
  const places: ((path: string) => Promise<unknown>)[] = [
    path => writeFile(path, server('echo "nats-server: v2.11.0"'), { mode: 0o700 }),
    path => writeFile(path, good.subarray(0, -5), { mode: 0o700 }),
    // The wrong file has the same size.
    path => writeFile(path, Buffer.from(good).fill('#', good.length - 6), { mode: 0o700 }),
    path => writeFile(path, good, { mode: 0o600 }),
    path => symlink(elsewhere, path),
    path => mkdir(join(path, 'deep'), { recursive: true }),
  ];
  for (const place of places) {
    const folder = await newFolder();
    const bin = join(folder, 'bin');
    await mkdir(bin);
    await place(join(bin, 'nats-server'));
    await writeFile(join(bin, '.0123456789ab.tmp'), 'cut off');
    await mkdir(join(bin, 'nats-server-2.11.0'));
    const path = await unpackServer(pack(good), folder);
    assert.deepEqual(await readdir(bin), ['nats-server'], String(place));
    assert.ok((await readFile(path)).equals(good), String(place));
    assert.equal((await stat(path)).mode & 0o777, 0o700);
  }
  assert.ok((await readFile(elsewhere)).equals(good));
});

test('a server that is damaged in the packaged file is never run', async () => {
  const folder = await newFolder();
  const damaged: Partial<PackedServer>[] = [
    { sha256: pack(server('exit 1')).sha256 },
    { bytes: () => pack(good).bytes().subarray(0, 20) },
    { bytes: () => Buffer.from('no zstd') },
    // This server is larger than declared, so that unpacking it could fill the disk.
    { bytes: () => zstdCompressSync(Buffer.alloc(1_000_000)) },
  ];
  for (const part of damaged)
    await assert.rejects(unpackServer({ ...pack(good), ...part }, folder), {
      code: 'failed',
      message: /^the nats-server that .* carries is damaged: /,
      hint: /broker\.binary/,
    });
  assert.deepEqual(await readdir(join(folder, 'bin')), []);
});

test('a full disk is an error, and no incomplete server is left', async t => {
  const disk = await mountSmallDisk();
  if (!disk) return t.skip('only root may mount a small disk, and not in every container');
  try {
    const large = Buffer.concat([good, Buffer.alloc(200_000, '#')]);
    await assert.rejects(unpackServer(pack(large), disk.folder), {
      code: 'not_writable',
      message: /nats-server: no space left on the device/,
    });
    assert.deepEqual(await readdir(join(disk.folder, 'bin')), []);
    await unpackServer(pack(good), disk.folder);
  } finally {
    await disk.release();
  }
});

test('broker.binary comes before the carried server, and that before the one on PATH', async () => {
  const real = await findProgram('nats-server');
  const path = await unpackServer(pack(good), await newFolder());
  const never = () => assert.fail('it was asked');
  const places = { unpack: async () => path, findOnPath: () => real, log: silentLog };
  assert.equal((await findServerBinary({ ...places, configured: real, unpack: never })).path, real);
  assert.equal((await findServerBinary({ ...places, configured: undefined, findOnPath: never })).path, path);
});

test('when the carried server cannot be used, the one on PATH is used with a warning; without one the error says why', async () => {
  const real = await findProgram('nats-server');
  const full = new MusterError('not_writable', 'cannot write it: no space left');
  const wrong = await unpackServer(pack(server('echo something else')), await newFolder());
  const cases: [() => Promise<string>, RegExp][] = [
    [() => Promise.reject(full), /cannot write it: no space left$/],
    [async () => wrong, /bin\/nats-server is not a nats-server: it says "something else"$/],
  ];
  for (const [carried, why] of cases) {
    const { log, lines } = recordLog();
    const places = { configured: undefined, unpack: carried, log };
    assert.equal((await findServerBinary({ ...places, findOnPath: () => real })).path, real);
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields.path]),
      [['warn', real]],
    );
    assert.match(String(lines[0]?.fields.err), why);
    await assert.rejects(findServerBinary({ ...places, findOnPath: () => undefined }), { message: why });
  }
});

test('the error for a file system that allows no programs names the setting that helps', async () => {
  const folder = await newFolder();
  const path = join(folder, 'nats-server');
  // This is like a file system that is mounted noexec: the system refuses to run the file, also for root.
  await writeFile(path, good, { mode: 0o600 });
  const places = {
    configured: undefined,
    unpack: async () => path,
    findOnPath: () => undefined,
    log: silentLog,
  };
  await assert.rejects(findServerBinary(places), {
    code: 'not_allowed',
    message: `the broker ${path} may not be run: its file system does not allow programs`,
    hint: /noexec.*broker\.binary/,
  });
});
