// How much room the data folder's file system has, asked so that one that hangs costs a thread once, never the event loop.
import { statfs } from 'node:fs/promises';
import { type Clock, systemClock } from '../system/clock.ts';

/** Bytes. */
export interface Space {
  total: number;
  /** What we may fill: blocks kept back for root do not count. */
  available: number;
}

export type Statfs = (path: string) => Promise<{ bsize: number; blocks: number; bavail: number }>;

export class Disk {
  readonly #folder: string;
  readonly #statfs: Statfs;
  #last: Space | undefined;
  #inFlight: Promise<void> | undefined;

  constructor(folder: string, read: Statfs = statfs) {
    this.#folder = folder;
    this.#statfs = read;
  }

  /** The newest answer; undefined until there was one. After a failed attempt nothing is available. */
  get space(): Space | undefined {
    return this.#last;
  }

  /** Asks again. While an answer is awaited no second question is asked: both callers wait for the first. */
  refresh(): Promise<void> {
    this.#inFlight ??= this.#read().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  /** The answer within `patience` milliseconds, else the last one. */
  async ask(patience: number, clock: Clock = systemClock): Promise<Space | undefined> {
    await new Promise<void>(resolve => {
      const timer = clock.after(patience, resolve);
      void this.refresh().finally(() => {
        timer.cancel();
        resolve();
      });
    });
    return this.#last;
  }

  async #read(): Promise<void> {
    try {
      const { bsize, blocks, bavail } = await this.#statfs(this.#folder);
      this.#last = { total: bsize * blocks, available: bsize * bavail };
    } catch {
      // The folder is gone or its file system failed: nothing could be written there now.
      this.#last = { total: this.#last?.total ?? 0, available: 0 };
    }
  }
}
