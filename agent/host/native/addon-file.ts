// Loads an addon from a private file, on systems that cannot load a file without a name. The file is used only if its hash
// is right.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * Loads the addon in `bytes` from a file below `parent` that only this user can write. The file is created when it does
 * not exist. Throws when the folder is not private, or the file cannot be written or loaded.
 */
export function fromPrivateFile(bytes: Uint8Array, parent: string): unknown {
  const uid = process.getuid?.() ?? 0;
  const folder = join(parent, `muster-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { mode, uid: owner } = lstatSync(folder);
  if ((mode & constants.S_IFMT) !== constants.S_IFDIR || owner !== uid || (mode & 0o077) !== 0)
    throw new Error(`${folder} is not a private folder of this user`);
  const digest = sha256(bytes);
  const path = join(folder, `probe-${digest}.node`);
  if (!isIntact(path, digest, uid)) writeAddon(bytes, folder, path);
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}

function isIntact(path: string, digest: string, uid: number): boolean {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const info = fstatSync(fd);
      return info.isFile() && info.uid === uid && sha256(readFileSync(fd)) === digest;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

function writeAddon(bytes: Uint8Array, folder: string, path: string): void {
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    writeFileSync(temporary, bytes, { mode: 0o500, flag: 'wx', flush: true });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
