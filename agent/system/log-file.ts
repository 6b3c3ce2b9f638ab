// The log file may be rotated by another program. No line is lost when the file is moved or replaced.
import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import type { Clock } from './clock.ts';
import { errnoOf } from './errors.ts';
import { LineWriter } from './line-writer.ts';

/**
 * Time for which the path may have no file before one is created, in milliseconds. A program that rotates the file
 * creates the new file sooner, with the right owner.
 */
const recreateAfterMs = 10_000;
/** Without O_NONBLOCK, opening a pipe would wait for a reader. */
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
/** Another user who may write the folder of the log must not make root write elsewhere, so root follows no link. */
const noLink = process.geteuid?.() === 0 ? constants.O_NOFOLLOW : 0;

interface Opened {
  fd: number;
  info: Stats;
}

export class LogFile {
  readonly #path: string;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #opened: Opened;
  /** Monotonic time since when the path has no file, in milliseconds. */
  #missingSince: number | undefined;
  #lines = new LineWriter();

  /**
   * Opens `path`, or creates it so that only the owner can use it. Throws the system's error, or an Error when it is not
   * a regular file.
   */
  constructor(path: string, clock: Pick<Clock, 'monotonic'>) {
    this.#path = path;
    this.#clock = clock;
    this.#opened = open(path);
  }

  /** Appends `text`. Throws the system's error, such as ENOSPC, if not everything was written. */
  write(text: string): void {
    this.#followRotation();
    this.#lines.write(this.#opened.fd, text);
  }

  close(): void {
    closeSync(this.#opened.fd);
  }

  // Opens the new file after a rotation. While the path has no file, the rotation is not finished, and lines still go to the
  // old file.
  #followRotation(): void {
    const now = this.#clock.monotonic();
    const current = statIfPresent(this.#path);
    if (current) this.#missingSince = undefined;
    else this.#missingSince ??= now;
    const replaced = current && !isSameFile(current, this.#opened.info);
    if (replaced || (this.#missingSince !== undefined && now - this.#missingSince >= recreateAfterMs))
      this.#reopen();
  }

  #reopen(): void {
    let next: Opened;
    try {
      next = open(this.#path);
    } catch {
      // The old file can still be written, and the next line tries again.
      return;
    }
    closeSync(this.#opened.fd);
    this.#opened = next;
    this.#lines = new LineWriter();
    this.#missingSince = undefined;
  }
}

function open(path: string): Opened {
  const fd = openAt(path);
  const info = fstatSync(fd);
  if (info.isFile() && !(noLink && info.nlink > 1)) return { fd, info };
  closeSync(fd);
  throw new Error(`${path} is ${info.isFile() ? 'a hard link' : 'not a regular file'}`);
}

function openAt(path: string): number {
  try {
    return openSync(path, flags | noLink, 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'ELOOP') throw error;
    throw new Error(`${path} is a symbolic link, which root does not follow`, { cause: error });
  }
}

function statIfPresent(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

const isSameFile = (one: Stats, other: Stats): boolean => one.ino === other.ino && one.dev === other.dev;
