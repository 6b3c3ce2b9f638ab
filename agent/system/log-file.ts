// A file that takes the log, and that something else rotates: whoever moves it away and puts a new one there loses no line.
import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import type { Clock } from './clock.ts';
import { LineWriter } from './line-writer.ts';

/** Milliseconds without a file at its place before one is made: who rotates makes it sooner, with the owner it should have. */
const patience = 10_000;
/** Without O_NONBLOCK, opening a pipe would wait for a reader. */
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

interface Opened {
  fd: number;
  info: Stats;
}

export class LogFile {
  readonly #path: string;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #opened: Opened;
  /** Since when nothing stands at its place, on the monotonic clock. */
  #missing: number | undefined;
  #lines = new LineWriter();

  /** Opens `path`, or makes it for its owner alone. Throws the system's error, or one that says that it is no file. */
  constructor(path: string, clock: Pick<Clock, 'monotonic'>) {
    this.#path = path;
    this.#clock = clock;
    this.#opened = open(path);
  }

  /** Appends `text`. Throws the system's error when it cannot all be written, such as ENOSPC. */
  write(text: string): void {
    this.#follow();
    this.#lines.write(this.#opened.fd, text);
  }

  close(): void {
    closeSync(this.#opened.fd);
  }

  // Where nothing stands, somebody is just rotating: what is written meanwhile belongs to the end of the old file.
  #follow(): void {
    const now = this.#clock.monotonic();
    const there = look(this.#path);
    if (there) this.#missing = undefined;
    else this.#missing ??= now;
    const moved = there && !same(there, this.#opened.info);
    if (moved || (this.#missing !== undefined && now - this.#missing >= patience)) this.#openAnew();
  }

  #openAnew(): void {
    let next: Opened;
    try {
      next = open(this.#path);
    } catch {
      // The old one still takes the lines; the next line tries again.
      return;
    }
    closeSync(this.#opened.fd);
    this.#opened = next;
    this.#lines = new LineWriter();
    this.#missing = undefined;
  }
}

function open(path: string): Opened {
  const fd = openSync(path, flags, 0o600);
  const info = fstatSync(fd);
  if (info.isFile()) return { fd, info };
  closeSync(fd);
  throw new Error(`${path} is not a regular file`);
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

const same = (one: Stats, other: Stats): boolean => one.ino === other.ino && one.dev === other.dev;
