// Remembers that a library was called and did not return, so that a library that crashes the process is no longer called.
import { join } from 'node:path';
import { type Clock, endsWithin, systemClock } from '../../system/clock.ts';
import { writeMark } from '../../system/files.ts';
import { readBounded } from '../../system/read-file.ts';
import { HangLimiter } from '../inputs/hang-limiter.ts';
import type { Inputs } from '../inputs/inputs.ts';
import type { NvmlMark } from '../native/native-probe.ts';

export interface CrashGuard {
  /** The reason why the library must not be called: the end of a sentence. Undefined when it may be called. */
  readonly fault: string | undefined;
  /** The file that must exist on the disk during a call. The native probe writes it itself when it reads the figures. */
  readonly mark: NvmlMark;
  /** Calls the library, with the mark on the disk during the call. */
  around<T>(call: () => Promise<T>): Promise<T>;
  /**
   * Removes the mark, because a process that ends normally did not crash, and refuses further calls. Waits for at most
   * 300 ms. The agent calls it when it stops.
   */
  release(): Promise<void>;
}

/**
 * Number of calls that did not return, after which the library is no longer called. One is not enough: a process may also
 * be killed, or run out of memory, during a call.
 */
const maxCrashes = 2;

/** The count for a mark that cannot be read. The library is then not called. */
const unreadable = Number.POSITIVE_INFINITY;

/** Time for which a call waits until its mark is written, in milliseconds. A disk that hangs must not hide the GPUs. */
const markTimeoutMs = 250;
/**
 * Time for which a process that ends waits until the mark is removed, in milliseconds. The agent waits this time for the
 * broker anyway.
 */
const releaseTimeoutMs = 300;

/**
 * Creates the guard of an agent, with its mark in `folder`. A mark of an earlier process means that a call did not
 * return. The mark contains the number of such calls in a row. A mark with other `circumstances` does not count.
 */
export async function crashGuard(
  folder: string,
  circumstances: string,
  clock: Clock = systemClock,
): Promise<CrashGuard> {
  const path = markPath(folder);
  const crashes = await readBounded(path).then(
    data => crashesIn(data?.toString('utf8'), circumstances),
    () => unreadable,
  );
  const fault = faultAfter(crashes, path);
  // The mark counts only during the current boot, so it is written without waiting for the disk.
  const mark = `${circumstances}\n${crashes + 1}\n`;
  let writing: Promise<unknown> | undefined;
  let released = false;
  // Only one write runs at a time, so that a disk that hangs does not collect waiting writes.
  const setMark = async (text: string | undefined) => {
    writing ??= writeMark(path, text)
      .catch(() => undefined)
      .finally(() => {
        writing = undefined;
      });
    await endsWithin(clock, markTimeoutMs, writing);
  };
  return {
    fault,
    mark: { path, text: mark },
    async around(call) {
      if (fault !== undefined) throw new Error(`it ${fault}`);
      if (released) throw new Error('it is not called, because this process ends');
      // A full or read-only disk must not hide the GPUs, so a mark that cannot be written is no error.
      await setMark(mark);
      try {
        return await call();
      } finally {
        await setMark(undefined);
      }
    },
    async release() {
      released = true;
      if (fault !== undefined) return;
      // setMark is not used here, because it does nothing while another write runs.
      const removed = writeMark(path, undefined).catch(() => undefined);
      await endsWithin(clock, releaseTimeoutMs, removed);
    },
  };
}

/**
 * Returns a guard for a process that writes nothing, such as `muster probe`. It does not call the library when the mark
 * of the agent, in `folder`, says that the agent must not call it.
 */
export function readOnlyCrashGuard(folder: string, circumstances: () => Promise<string>) {
  const path = markPath(folder);
  const limiter = new HangLimiter({ timeoutMs: 1000, maxHung: 1 });
  return async <T>(call: () => Promise<T>): Promise<T> => {
    const { value } = await limiter.ask(path, () => readBounded(path));
    const fault = faultAfter(crashesIn(value?.toString('utf8'), await circumstances()), path);
    if (fault !== undefined) throw new Error(`it ${fault}`);
    return await call();
  };
}

/** Returns the boot id and the driver's version. After a reboot or with another driver the library gets a new chance. */
export async function readCircumstances(inputs: Pick<Inputs, 'file'>): Promise<string> {
  const boot = await inputs.file('/proc/sys/kernel/random/boot_id');
  const driver = await inputs.file('/proc/driver/nvidia/version');
  return `${boot.value} ${driver.value?.split('\n', 1)[0] ?? ''}`;
}

const markPath = (folder: string): string => join(folder, 'nvml-called');

function faultAfter(crashes: number, path: string): string | undefined {
  if (crashes < maxCrashes) return undefined;
  if (crashes === unreadable) {
    return `is not called, because ${path}, which says whether it crashes processes, cannot be read; remove it and restart the agent`;
  }
  return `is not called, because the last ${maxCrashes} processes that called it ended during the call; remove ${path} and restart the agent to try again`;
}

/** Returns how many calls in a row did not return, according to the text of the mark. */
function crashesIn(mark: string | undefined, circumstances: string): number {
  if (mark === undefined) return 0;
  const [, before, count] = /^(.*)\n(\d{1,3})\n$/.exec(mark) ?? [];
  return before === circumstances ? Number(count) : 0;
}
