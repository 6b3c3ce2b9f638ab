// Ends the process even when one of its threads hangs in a file system or a driver. Node alone would wait for that thread
// for ever.
import { usedOutput } from '../output/standard-output.ts';
import { endsWithin, systemClock } from '../system/clock.ts';
import { runEndCallbacks } from '../system/process-end.ts';

/** Time for unfinished operations to end, and time for standard error to be read, in milliseconds. */
const timeoutsMs = { leftovers: 200, unread: 300 };

/**
 * Ends the process when all work is done and `process.exitCode` is set, even if a thread hangs. It waits until all of
 * standard output was read, because that is the result. It does not wait for unread text on standard error.
 */
export function exitWithoutWaiting(): void {
  const timer = setTimeout(async () => {
    await flushed(usedOutput());
    await endsWithin(systemClock, timeoutsMs.unread, flushed(process.stderr));
    await exitNow(Number(process.exitCode ?? 0));
  }, timeoutsMs.leftovers);
  // When nothing is unfinished, the process ends earlier by itself.
  timer.unref();
}

/**
 * Ends this process at once with `code`. When a thread hangs and there is no native probe, it uses SIGKILL, because every
 * other way waits for the thread.
 */
export async function exitNow(code: number): Promise<void> {
  runEndCallbacks();
  const { loadProbe } = await import('../host/native/native-probe.ts');
  loadProbe().probe?.exitNow(code);
  if (process.getActiveResourcesInfo().some(isThreadWork)) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

// Returns whether the resource uses a thread. Node runs file operations and name look-ups on threads.
const isThreadWork = (resource: string): boolean => /^(FSReq|GetAddrInfo|GetNameInfo)/.test(resource);

async function flushed(stream: NodeJS.WriteStream | undefined): Promise<void> {
  if (stream && stream.writableLength > 0)
    await new Promise<void>(resolve => stream.write('', () => resolve()));
}
