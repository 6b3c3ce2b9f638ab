// Loads an addon that is a part of the packaged program. On Linux no file of it stays on the disk.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../../system/errors.ts';
import { fromPrivateFile } from './addon-file.ts';

export type LoadedAddon =
  | {
      readonly exports: unknown;
      /** `memory`, or the folder from which the addon was loaded. */
      readonly from: string;
    }
  | {
      readonly exports?: undefined;
      /** The reasons why each way failed, on one line. */
      readonly reason: string;
    };

/** One way to load the addon. */
interface Way {
  /** `memory`, or the folder to which the addon is written. */
  readonly place: string;
  /** Returns what the addon exports, or throws. */
  load(): unknown;
}

/**
 * Loads the addon in `bytes`, and tries one way after the other. On Linux: first a file in memory, then in each of
 * `folders` a file that is removed before it is loaded. On other systems an open file has no path, so in each of
 * `folders` it uses a private file, which is checked by its hash. Never throws.
 */
export function loadAddon(
  bytes: Uint8Array,
  folders: readonly string[],
  platform: NodeJS.Platform = process.platform,
): LoadedAddon {
  const linux = platform === 'linux';
  const ways: Way[] = folders.map(place => ({
    place,
    load: () => (linux ? fromUnlinkedFile(bytes, place) : fromPrivateFile(bytes, place)),
  }));
  if (linux) ways.unshift({ place: 'memory', load: () => fromMemory(bytes) });
  const failures = new Map<string, string>();
  for (const { place, load } of ways) {
    try {
      return { exports: load(), from: place };
    } catch (error) {
      // A broken addon fails in the same way everywhere, so each reason is given only once.
      const reason = reasonOf(error).replaceAll(/\/proc\/self\/fd\/\d+/g, 'it');
      if (![...failures.values()].includes(reason)) failures.set(place, reason);
    }
  }
  return { reason: [...failures].map(([place, reason]) => `in ${place}: ${reason}`).join('; ') };
}

/**
 * Flags of memfd_create(2). A kernel before 6.3 refuses the second flag, but there each such file may be executed anyway.
 */
const memfd = { closeOnExec: 1, executable: 0x10 };

/**
 * Loads the addon from a file in memory. Node has no function for that, so this calls the C library through Node's FFI.
 */
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

/** Loads the addon from a file that is removed from its folder before anything is written to it. */
function fromUnlinkedFile(bytes: Uint8Array, folder: string): unknown {
  const path = join(folder, `.muster-${randomBytes(8).toString('hex')}`);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  unlinkSync(path);
  return fromDescriptor(fd, bytes);
}

function fromDescriptor(fd: number, bytes: Uint8Array): unknown {
  try {
    writeFileSync(fd, bytes);
    // `require` chooses by the extension of the name, but this name has none.
    const module = { exports: {} };
    process.dlopen(module, `/proc/self/fd/${fd}`);
    return module.exports;
  } finally {
    closeSync(fd);
  }
}
