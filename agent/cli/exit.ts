// The end of the process when a thread of it hangs in a file system or a driver: Node would wait for that thread, for ever.

/** Milliseconds in which what is left over may end by itself. */
const patience = 200;

/** To be called when all work is done and `process.exitCode` says how it went: the end comes, whatever still hangs. */
export function endWithoutWaiting(): void {
  const timer = setTimeout(async () => {
    // Output that waits for its reader is no thread that hangs.
    await Promise.all([process.stdout, process.stderr].map(flushed));
    await endNow(Number(process.exitCode ?? 0));
  }, patience);
  // When nothing is left over, the process ends before.
  timer.unref();
}

/**
 * Ends this process at once with `code`. By SIGKILL where a thread hangs and there is no native probe, as nothing else does not
 * wait for it.
 */
export async function endNow(code: number): Promise<void> {
  const { loadProbe } = await import('../host/probe.ts');
  loadProbe().probe?.exitNow(code);
  if (process.getActiveResourcesInfo().some(isWork)) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

// What is done on a thread of Node's: files, names.
const isWork = (resource: string): boolean => /^(FSReq|GetAddrInfo|GetNameInfo)/.test(resource);

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise<void>(resolve => stream.write('', () => resolve()));
}
