// Keeps the sentinel's file in line with what is known: one write at a time, and what failed is tried again.
import { isDeepStrictEqual } from 'node:util';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Found, Sentinel } from './sentinel.ts';

export interface KeptSentinelOptions {
  node: string;
  log: Log;
  /** For what may fail again and again. */
  limitedLog: LimitedLog;
  readSentinel(): Promise<Found>;
  writeSentinel(sentinel: Sentinel): Promise<void>;
  voidSentinel(): Promise<void>;
}

export class KeptSentinel {
  readonly #options: KeptSentinelOptions;
  #wanted: Sentinel | undefined;
  /** What the file holds, as far as is known. */
  #stored: Sentinel | undefined;
  #work = Promise.resolve();

  constructor(options: KeptSentinelOptions) {
    this.#options = options;
  }

  /** What the file says or is to say; undefined: there is to be none. */
  get value(): Sentinel | undefined {
    return this.#wanted;
  }

  /** Reads the file. One that is bad is set aside, and as good as none. */
  async load(): Promise<Sentinel | undefined> {
    const { node, log } = this.#options;
    try {
      const found = await this.#options.readSentinel();
      if (found.kind === 'valid') this.#wanted = this.#stored = found.sentinel;
      if (found.kind === 'bad')
        log.warn(
          { node, reason: found.reason },
          'the sentinel was set aside (.bad); this node registers again',
        );
    } catch (error) {
      log.warn({ node, err: error }, 'the bad sentinel could not be set aside; this node registers again');
    }
    return this.#wanted;
  }

  /** Takes another value. Resolves when the file holds the newest, or could not be written; never rejects. */
  set(value: Sentinel | undefined): Promise<void> {
    this.#wanted = value;
    return this.settle();
  }

  /** Brings the file in line, if it is not. */
  settle(): Promise<void> {
    this.#work = this.#work.then(() => this.#bringInLine());
    return this.#work;
  }

  // A sentinel that cannot be written costs a registration at the next start, no more: the node goes on.
  async #bringInLine(): Promise<void> {
    const { node, limitedLog, writeSentinel, voidSentinel } = this.#options;
    const value = this.#wanted;
    if (isDeepStrictEqual(value, this.#stored)) return;
    try {
      await (value ? writeSentinel(value) : voidSentinel());
      this.#stored = value;
    } catch (error) {
      const what = value
        ? 'the sentinel could not be written; tried again with the next answer'
        : 'the void sentinel could not be removed; the requester decides anyway';
      limitedLog.warn(value ? 'sentinel' : 'void sentinel', { node, err: error }, what);
    }
  }
}
