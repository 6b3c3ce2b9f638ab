// Decides what is wrong with the broker's server, and when it must be started again, from what the server did. This rule
// asks nobody: it gets the time and the findings as parameters.

import { durationText } from '../protocol/unit-text.ts';

/** Times of the watch over the server, in milliseconds. */
export const watchTimesMs = {
  /** Between two beats of the watch. At each beat the server gets a ping, unless an earlier one is not answered yet. */
  beat: 3_000,
  /** Between two writes while the store takes them. While it does not, one is tried at each beat. */
  write: 15_000,
  /** Until a write that is not answered counts as failed. A busy disk is slow, and a restart would not help it. */
  slowWrite: 30_000,
  /** Silence after which the server is started again. */
  silent: 12_000,
  /** How long the store must take no writes, although its disk does, until the server is started again. */
  failing: 10_000,
  /** Between two restarts by the watch. It doubles with each restart. */
  firstPause: 60_000,
  longestPause: 1_800_000,
};
export type WatchTimes = typeof watchTimesMs;

/** What a write of our own to the disk of the store showed. */
export type DiskState =
  | { kind: 'writable' | 'full' | 'hangs' }
  /** `reason` is the words of the system, such as "the file system is read-only". */
  | { kind: 'broken'; reason: string };

export interface Verdict {
  /** A sentence without a full stop that says what is wrong; undefined when the server is well. */
  problem: string | undefined;
  /** Whether the server must be started again, and whether it hangs, so that it cannot end in order. */
  restart: 'hanging' | 'failing' | undefined;
}

const well: Verdict = { problem: undefined, restart: undefined };

/**
 * Collects what one server after another did. All times are milliseconds of the monotonic clock. A restart is due when
 * the server is silent, or its store takes no writes although its disk does. A full disk makes no restart due: that would
 * not help, and the server still passes heartbeats on.
 */
export class ServerHealth {
  readonly #times: WatchTimes;
  readonly #store: string;
  #beatAt = 0;
  #answeredAt = 0;
  #failure: { text: string; since: number } | undefined;
  #disk: DiskState = { kind: 'writable' };
  #restarts = 0;
  #restartedAt = Number.NEGATIVE_INFINITY;

  /** `store` is the path of the store, for messages. */
  constructor(times: WatchTimes, store: string) {
    this.#times = times;
    this.#store = store;
  }

  /** Begins anew with a server that accepts clients from now on. */
  begin(now: number): void {
    this.#beatAt = now;
    this.#answeredAt = now;
    this.#failure = undefined;
    this.#disk = { kind: 'writable' };
  }

  /**
   * Notes a beat of the watch. Returns false when it is much too late: this process or the whole machine stood still. The
   * server may be well then, so all times are counted from now on.
   */
  beat(now: number): boolean {
    const late = now - this.#beatAt > 2 * this.#times.beat;
    this.#beatAt = now;
    if (!late) return true;
    this.#answeredAt = now;
    if (this.#failure) this.#failure.since = now;
    return false;
  }

  /** Notes that the server answered a ping, or refused a client. */
  onAnswer(now: number): void {
    this.#answeredAt = now;
  }

  /** Notes that the server stored a message. */
  onStored(): void {
    this.#failure = undefined;
    this.#disk = { kind: 'writable' };
  }

  /** Notes that the server did not store a message: it said so with this text, or did not answer in time. */
  onStoreFailure(now: number, text: string): void {
    this.#failure = { text, since: this.#failure?.since ?? now };
  }

  /**
   * Notes what a write of our own to the disk showed, after the store took none. When the disk has space again, the server
   * gets some time to use it.
   */
  onDisk(now: number, disk: DiskState): void {
    if (this.#failure && this.#disk.kind !== disk.kind) this.#failure.since = now;
    this.#disk = disk;
  }

  /**
   * Notes that the server is started again because of a verdict. After a long time without one, the pauses are short
   * again.
   */
  onRestart(now: number): void {
    if (now - this.#restartedAt > 2 * this.#times.longestPause) this.#restarts = 0;
    this.#restarts++;
    this.#restartedAt = now;
  }

  /** Whether the store takes no writes. */
  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  /** Returns what is wrong now. The caller calls `onRestart` when it starts the server again because of it. */
  verdict(now: number): Verdict {
    const { beat, silent } = this.#times;
    const silence = now - this.#answeredAt;
    if (silence >= silent)
      return this.#restartAfterPause(now, 'hanging', `the broker has not answered for ${silent / 1_000} s`);
    if (silence > 2 * beat) return { problem: 'the broker does not answer', restart: undefined };
    return this.#failure ? this.#storeVerdict(now, this.#failure) : well;
  }

  #storeVerdict(now: number, { text, since }: { text: string; since: number }): Verdict {
    const store = this.#store;
    switch (this.#disk.kind) {
      case 'full':
        return { problem: `the broker's store has no space left on ${store}`, restart: undefined };
      case 'hangs':
        return { problem: `the disk of the broker's store does not answer: ${store}`, restart: undefined };
      case 'broken':
        return {
          problem: `the broker's store ${store} cannot be written: ${this.#disk.reason}`,
          restart: undefined,
        };
      case 'writable': {
        const problem = `the broker's store takes no writes: ${text}`;
        if (now - since < this.#times.failing) return { problem, restart: undefined };
        return this.#restartAfterPause(now, 'failing', problem);
      }
    }
  }

  // Restarts have growing pauses between them: when one did not help, the next one hardly will.
  #restartAfterPause(now: number, restart: 'hanging' | 'failing', problem: string): Verdict {
    const { firstPause, longestPause } = this.#times;
    const pause = Math.min(longestPause, firstPause * 2 ** (this.#restarts - 1));
    if (this.#restarts > 0 && now - this.#restartedAt < pause)
      return {
        problem: `${problem}; it was started again less than ${durationText(pause)} ago, so the next restart waits`,
        restart: undefined,
      };
    return { problem, restart };
  }
}
