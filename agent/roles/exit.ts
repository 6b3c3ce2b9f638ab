// The end of the process when a thread of it hangs in a file system or a driver: Node would wait for that thread, for ever.
import { endsWithin, systemClock } from '../system/clock.ts';
import { runEndCallbacks } from '../system/process-end.ts';

/** Milliseconds in which what is left over may end by itself, and in which standard error may be read then. */
const timeoutsMs = { leftovers: 200, unread: 300 };

/**
 * To be called when all work is done and `process.exitCode` says how it went: the end comes, whatever still hangs. Results on
 * standard output wait for their reader as long as it takes; what nobody reads on standard error keeps no process alive.
 */
export function exitWithoutWaiting(): void {
  const timer = setTimeout(async () => {
    await flushed(process.stdout);
    await endsWithin(systemClock, timeoutsMs.unread, flushed(process.stderr));
    await exitNow(Number(process.exitCode ?? 0));
  }, timeoutsMs.leftovers);
  // When nothing is left over, the process ends before.
  timer.unref();
}

/**
 * Ends this process at once with `code`. By SIGKILL where a thread hangs and there is no native probe, as nothing else does not
 * wait for it.
 */
export async function exitNow(code: number): Promise<void> {
  runEndCallbacks();
  const { loadProbe } = await import('../host/native/native-probe.ts');
  loadProbe().probe?.exitNow(code);
  if (process.getActiveResourcesInfo().some(isThreadWork)) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

// What is done on a thread of Node's: files, names.
const isThreadWork = (resource: string): boolean => /^(FSReq|GetAddrInfo|GetNameInfo)/.test(resource);

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise<void>(resolve => stream.write('', () => resolve()));
}
