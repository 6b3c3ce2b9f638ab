// Remembers that a library was called and did not return: one that ends the process again and again is not called any more.
import { join } from 'node:path';
import { type Clock, endsWithin, systemClock } from '../../system/clock.ts';
import { readBounded, writeMark } from '../../system/files.ts';
import { HangLimiter } from '../inputs/hang-limiter.ts';
import type { Inputs } from '../inputs/inputs.ts';
import type { NvmlMark } from '../native/native-probe.ts';

export interface CrashGuard {
  /** Why the library must not be called; undefined when it may. */
  readonly fault: string | undefined;
  /** For whoever calls the library without `around`, in every tick: what stands on the disk for as long as it takes. */
  readonly mark: NvmlMark;
  /** Calls the library, with a mark on the disk for as long as it takes. */
  around<T>(call: () => Promise<T>): Promise<T>;
  /** For a process that ends in order: no call is to blame that is under way, and none begins. Waits 300 ms at most. */
  release(): Promise<void>;
}

/**
 * A process may also end in the middle of a call for a reason of its own: killed, or out of memory. Of a library that ends
 * it, two are enough.
 */
const mostEnds = 2;

/** Of a mark that cannot be read: one too many. */
const unreadable = Number.POSITIVE_INFINITY;

const markIn = (folder: string): string => join(folder, 'nvml-called');

/** The boot id and the driver's version: with others a library starts anew. */
export async function readCircumstances(inputs: Pick<Inputs, 'file'>): Promise<string> {
  const boot = await inputs.file('/proc/sys/kernel/random/boot_id');
  const driver = await inputs.file('/proc/driver/nvidia/version');
  return `${boot.value} ${driver.value?.split('\n', 1)[0] ?? ''}`;
}

/** Milliseconds that a call waits for its mark: a disk that hangs takes no GPUs away. */
const markPatience = 250;
/** Milliseconds that an end in order waits for the mark to go: as long as the agent waits for the broker meanwhile. */
const releasePatience = 300;

/**
 * A guard that keeps its mark in `folder`. A mark that an earlier process left stands for a call that did not return, and
 * counts how many in a row; with other `circumstances` the library starts anew.
 */
export async function crashGuard(
  folder: string,
  circumstances: string,
  clock: Clock = systemClock,
): Promise<CrashGuard> {
  const path = markIn(folder);
  const ends = await readBounded(path).then(
    data => endsIn(data?.toString('utf8'), circumstances),
    () => unreadable,
  );
  const fault = faultAfter(ends, path);
  // It need not outlive the machine: with that ends the boot that it speaks of.
  const mark = `${circumstances}\n${ends + 1}\n`;
  let changing: Promise<unknown> | undefined;
  let released = false;
  // One piece of work at a time: of a disk that hangs no more waits behind it.
  const change = async (text: string | undefined) => {
    changing ??= writeMark(path, text)
      .catch(() => undefined)
      .finally(() => {
        changing = undefined;
      });
    await endsWithin(clock, markPatience, changing);
  };
  return {
    fault,
    mark: { path, text: mark },
    async around(call) {
      if (fault !== undefined) throw new Error(`it ${fault}`);
      if (released) throw new Error('it is not called, as this process ends');
      // A disk that is full or read-only takes no GPUs away either.
      await change(mark);
      try {
        return await call();
      } finally {
        await change(undefined);
      }
    },
    async release() {
      released = true;
      if (fault !== undefined) return;
      // Removed behind what may still be under way, not in place of it.
      const removed = writeMark(path, undefined).catch(() => undefined);
      await endsWithin(clock, releasePatience, removed);
    },
  };
}

/**
 * For a process that only looks, and writes nothing: it leaves alone what the agent leaves alone that keeps its mark in `folder`,
 * as far as it may know.
 */
export function readOnlyCrashGuard(folder: string, circumstances: () => Promise<string>) {
  const path = markIn(folder);
  const disk = new HangLimiter({ timeoutMs: 1000, maxHung: 1 });
  return async <T>(call: () => Promise<T>): Promise<T> => {
    const { value } = await disk.ask(path, () => readBounded(path));
    const fault = faultAfter(endsIn(value?.toString('utf8'), await circumstances()), path);
    if (fault !== undefined) throw new Error(`it ${fault}`);
    return await call();
  };
}

function faultAfter(ends: number, path: string): string | undefined {
  if (ends < mostEnds) return undefined;
  if (ends === unreadable) {
    return `is not called, as ${path}, which tells whether it ends processes, cannot be read; remove it and restart the agent`;
  }
  return `is not called, as the last ${mostEnds} processes that called it ended meanwhile; remove ${path} and restart the agent to try again`;
}

/** How many calls in a row did not return, by what stands in the mark. */
function endsIn(mark: string | undefined, circumstances: string): number {
  if (mark === undefined) return 0;
  const [, before, count] = /^(.*)\n(\d{1,3})\n$/.exec(mark) ?? [];
  return before === circumstances ? Number(count) : 0;
}
