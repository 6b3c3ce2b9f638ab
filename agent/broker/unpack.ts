// Unpacks the nats-server of the packaged file into the broker's folder when it is first needed.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { MusterError, reasonOf } from '../system/errors.ts';
import { makeFolder, notWritable, writeFileAtomic } from '../system/files.ts';
import { type CarriedBroker, packagedContents, readAsset } from '../system/packaged.ts';

/** The nats-server in a packaged file. */
export interface PackedServer extends Pick<CarriedBroker, 'sha256' | 'size'> {
  /** Returns the server, compressed by zstd. */
  bytes(): Uint8Array;
}

/**
 * Returns the nats-server of this packaged file; undefined when the file contains none, or when the program runs from
 * source.
 */
export function carriedServer(): PackedServer | undefined {
  const broker = packagedContents()?.broker;
  return broker && !('missing' in broker) ? { ...broker, bytes: () => readAsset('broker') } : undefined;
}

/**
 * Makes the server of `packed` the file `bin/nats-server` in the broker's folder, removes everything else in `bin`, and
 * returns the path. The caller holds the lock of the folder. @throws MusterError `not_writable`; `failed` when the server
 * in the packaged file is damaged.
 */
export async function unpackServer(packed: PackedServer, folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  const path = join(bin, 'nats-server');
  await makeFolder(bin);
  await removeOthers(bin);
  if (!(await isUnpacked(path, packed))) await writeFileAtomic(path, await decompress(packed), 0o700);
  return path;
}

async function decompress(packed: PackedServer): Promise<Uint8Array> {
  try {
    const server = await promisify(zstdDecompress)(packed.bytes(), { maxOutputLength: packed.size });
    if (createHash('sha256').update(server).digest('hex') !== packed.sha256)
      throw new Error('its hash is wrong');
    return server;
  } catch (cause) {
    throw new MusterError(
      'failed',
      `the nats-server that ${process.execPath} carries is damaged: ${reasonOf(cause)}`,
      {
        hint: 'install muster again, or name a nats-server with broker.binary',
        cause,
      },
    );
  }
}

/**
 * Returns whether the file at `path` is that server and is executable. It returns false for a file that cannot be read.
 */
async function isUnpacked(path: string, { sha256, size }: PackedServer): Promise<boolean> {
  try {
    const info = await lstat(path);
    if (!info.isFile() || info.size !== size || (info.mode & 0o777) !== 0o700) return false;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    return hash.digest('hex') === sha256;
  } catch {
    return false;
  }
}

/** Removes everything except the server: files of an interrupted start, of an earlier version, or of somebody else. */
async function removeOthers(bin: string): Promise<void> {
  try {
    for (const entry of await readdir(bin, { withFileTypes: true })) {
      const isServer = entry.name === 'nats-server' && !entry.isDirectory();
      if (!isServer) await rm(join(bin, entry.name), { recursive: true, force: true });
    }
  } catch (error) {
    throw notWritable(bin, error);
  }
}
