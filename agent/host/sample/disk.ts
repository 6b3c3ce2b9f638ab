// Holds the newest answer about the space in the data folder, and asks again in the background.
import { type Clock, endsWithin, systemClock } from '../../system/clock.ts';
import type { DiskSpace } from '../inputs/disk-space.ts';
import type { Answer } from '../inputs/inputs.ts';

export class Disk {
  readonly #ask: () => Promise<Answer<DiskSpace>>;
  #space: DiskSpace | undefined;
  #lateReason: string | undefined;
  #inFlight: Promise<void> | undefined;

  /** @param ask the question; it must not reject */
  constructor(ask: () => Promise<Answer<DiskSpace>>) {
    this.#ask = ask;
  }

  /** The newest answer; undefined before the first one. After a failure it says that nothing is available. */
  get space(): DiskSpace | undefined {
    return this.#space;
  }

  /** The reason why `space` is an older answer: the end of a sentence. Undefined when the last question was answered. */
  get lateReason(): string | undefined {
    return this.#lateReason;
  }

  /** Asks again. All callers that come before the answer wait for the same one. */
  refresh(): Promise<void> {
    this.#inFlight ??= this.#read().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  /** Asks again and returns the new answer, or the previous one if there is none within `timeoutMs`. */
  async within(timeoutMs: number, clock: Clock = systemClock): Promise<DiskSpace | undefined> {
    await endsWithin(clock, timeoutMs, this.refresh());
    return this.#space;
  }

  async #read(): Promise<void> {
    const { value, fault } = await this.#ask();
    this.#lateReason = fault?.kind === 'late' ? fault.reason : undefined;
    if (value) this.#space = value;
    // When the folder is gone or its file system failed, nothing can be written there. When the answer is only late, nothing
    // changes.
    else if (fault?.kind !== 'late') this.#space = { total: this.#space?.total ?? 0, available: 0 };
  }
}
