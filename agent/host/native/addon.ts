// Loads an addon out of memory, for a program whose one file carries it: on Linux nothing of it stays on the disk.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../../system/errors.ts';
import { fromKeptFile } from './addon-file.ts';

export type LoadedAddon =
  | { readonly exports: unknown /** Where it was loaded from. */; readonly from: string }
  | { readonly exports?: undefined /** Why each way failed, on one line. */; readonly reason: string };

interface Way {
  /** Where the addon is put. */
  readonly place: string;
  /** Answers what the addon exports, or throws. */
  load(): unknown;
}

/**
 * Tries one way after the other: a file in memory, then one in each of `folders` that is removed before it is opened (Linux),
 * or a private file that is checked by its hash (elsewhere, as an open file has no path there). Never throws.
 */
export function loadAddon(
  bytes: Uint8Array,
  folders: readonly string[],
  platform: NodeJS.Platform = process.platform,
): LoadedAddon {
  const linux = platform === 'linux';
  const ways: Way[] = folders.map(place => ({
    place,
    load: () => (linux ? fromUnlinkedFile(bytes, place) : fromKeptFile(bytes, place)),
  }));
  if (linux) ways.unshift({ place: 'memory', load: () => fromMemory(bytes) });
  const failures = new Map<string, string>();
  for (const { place, load } of ways) {
    try {
      return { exports: load(), from: place };
    } catch (error) {
      // What is wrong with the addon itself is wrong everywhere, and is told once.
      const reason = reasonOf(error).replaceAll(/\/proc\/self\/fd\/\d+/g, 'it');
      if (![...failures.values()].includes(reason)) failures.set(place, reason);
    }
  }
  return { reason: [...failures].map(([place, reason]) => `in ${place}: ${reason}`).join('; ') };
}

/** linux/memfd.h. A kernel before 6.3 refuses the second one, and lets every such file be run. */
const memfd = { closeOnExec: 1, executable: 0x10 };

/** A file that no file system has. Node has no call for it, but its FFI reaches the C library's. */
function fromMemory(bytes: Uint8Array): unknown {
  const ffi: typeof import('node:ffi') | undefined = process.getBuiltinModule('node:ffi');
  if (!ffi) throw new Error('this Node has no FFI');
  using library = ffi.dlopen(null, { memfd_create: { arguments: ['string', 'uint32'], return: 'int32' } });
  const create = library.functions.memfd_create;
  let fd = create('muster-probe', memfd.closeOnExec | memfd.executable);
  if (fd < 0) fd = create('muster-probe', memfd.closeOnExec);
  if (fd < 0) throw new Error('the system makes no such file');
  return fromDescriptor(fd, bytes);
}

/** A file that is gone from its folder before anything is in it. */
function fromUnlinkedFile(bytes: Uint8Array, folder: string): unknown {
  const path = join(folder, `.muster-${randomBytes(8).toString('hex')}`);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  unlinkSync(path);
  return fromDescriptor(fd, bytes);
}

function fromDescriptor(fd: number, bytes: Uint8Array): unknown {
  try {
    writeFileSync(fd, bytes);
    // Not `require`: it goes by the ending of a name, and this one has none.
    const module = { exports: {} };
    process.dlopen(module, `/proc/self/fd/${fd}`);
    return module.exports;
  } finally {
    closeSync(fd);
  }
}
