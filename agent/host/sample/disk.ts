// How much room the data folder's file system has, asked so that one that hangs costs a thread once, never the event loop.
import { statfs } from 'node:fs/promises';
import { type Clock, endsWithin, systemClock } from '../../system/clock.ts';
import type { Answer } from '../inputs/inputs.ts';
import type { NativeProbe } from '../native/native-probe.ts';

/** Bytes. */
export interface Space {
  total: number;
  /** What we may fill: blocks kept back for root do not count. */
  available: number;
}

/**
 * Asks the file system of `folder`. The probe asks on a thread of its own, only one while that hangs, and gives up after
 * `deadline` milliseconds; Node, where there is no probe, on one of the few that everybody waits for, without a deadline.
 * Rejects as the system does.
 */
export async function readDiskSpace(
  folder: string,
  deadline: number,
  probe: Pick<NativeProbe, 'disk'> | undefined,
  node: (folder: string) => Promise<{ bsize: number; blocks: number; bavail: number }> = statfs,
): Promise<Space> {
  if (probe) {
    const { total, available } = await probe.disk(folder, deadline);
    return { total, available };
  }
  const { bsize, blocks, bavail } = await node(folder);
  return { total: bsize * blocks, available: bsize * bavail };
}

export class Disk {
  readonly #ask: () => Promise<Answer<Space>>;
  #last: Space | undefined;
  #late: string | undefined;
  #inFlight: Promise<void> | undefined;

  /** `ask` must not reject. */
  constructor(ask: () => Promise<Answer<Space>>) {
    this.#ask = ask;
  }

  /** The newest answer; undefined until there was one. After a failed attempt nothing is available. */
  get space(): Space | undefined {
    return this.#last;
  }

  /** Why `space` is an older answer, the end of a sentence; undefined when the last question was answered. */
  get late(): string | undefined {
    return this.#late;
  }

  /** Asks again. While an answer is awaited no second question is asked: both callers wait for the first. */
  refresh(): Promise<void> {
    this.#inFlight ??= this.#read().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  /** The answer within `patience` milliseconds, else the last one. */
  async within(patience: number, clock: Clock = systemClock): Promise<Space | undefined> {
    await endsWithin(clock, patience, this.refresh());
    return this.#last;
  }

  async #read(): Promise<void> {
    const { value, fault } = await this.#ask();
    this.#late = fault?.kind === 'late' ? fault.reason : undefined;
    if (value) this.#last = value;
    // The folder is gone or its file system failed: nothing could be written there now. One that is late has what it had.
    else if (fault?.kind !== 'late') this.#last = { total: this.#last?.total ?? 0, available: 0 };
  }
}
