// Stops a nats-server that is still running because the muster that started it was killed. It holds the port and the store.
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Clock, sleep } from '../system/clock.ts';
import { errnoOf, MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { readOwnFile, readSystemFile } from '../system/read-file.ts';
import type { BrokerFiles } from './broker-files.ts';

/** Time until the server is killed unless the caller names another, and that until it is gone then, in milliseconds. */
const stopTimeoutMs = 3_000;

export interface StopOrphanOptions {
  clock: Clock;
  log: Log;
  /** When it aborts, the server is killed at once, and nobody waits for its end. */
  signal?: AbortSignal | undefined;
  /** Time until the server is killed, in milliseconds; 3 s by default. */
  killAfterMs?: number;
}

/**
 * Stops the nats-server whose process id is in the folder, if it still runs and its command line names our configuration.
 * The caller holds the lock of the folder; otherwise the server of another running muster could be stopped.
 * @throws MusterError `failed` when it does not end; throws the reason of `signal` when that aborts.
 */
export async function stopOrphan(files: BrokerFiles, options: StopOrphanOptions): Promise<void> {
  const { clock, log, signal, killAfterMs = stopTimeoutMs } = options;
  const pid = Number((await readOwnFile(files.pid, 64))?.data.toString('utf8'));
  if (!Number.isInteger(pid) || pid < 2 || !(await isOurs(pid, files.config))) return;
  log.warn({ pid }, 'a broker of an earlier run is still there: stopping it');
  for (const [kind, timeoutMs] of [
    ['SIGTERM', killAfterMs],
    ['SIGKILL', stopTimeoutMs],
  ] as const) {
    if (!sendSignal(pid, kind)) return;
    const end = clock.monotonic() + timeoutMs;
    while (clock.monotonic() < end && !signal?.aborted) {
      await sleep(clock, 20, signal);
      if (!(await isOurs(pid, files.config)) && !(await isEnding(pid))) return;
    }
  }
  signal?.throwIfAborted();
  throw new MusterError('failed', `the broker of an earlier run, process ${pid}, does not end`);
}

/** The process id may belong to another process by now. It is our server if its command line names our configuration. */
async function isOurs(pid: number, config: string): Promise<boolean> {
  const words = await commandLine(pid);
  return words.includes(config);
}

// On Linux a process that ends loses its command line first, and its sockets when its last thread has ended. With many clients
// that takes a while, in which the port is still in use. A zombie has one thread, and no sockets.
async function isEnding(pid: number): Promise<boolean> {
  if (process.platform !== 'linux' || (await commandLine(pid)) !== '') return false;
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const data = await readSystemFile(`/proc/${pid}/stat`, 4_096).catch(() => undefined);
  const state = /\) (\S)/.exec(data?.toString('latin1') ?? '')?.[1] ?? 'X';
  return threads.length > 1 || !'ZX'.includes(state);
}

async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const data = await readSystemFile(`/proc/${pid}/cmdline`, 65_536).catch(() => undefined);
    return data?.toString('utf8') ?? '';
  }
  // ps fails when there is no such process.
  const arguments_ = ['-ww', '-o', 'command=', '-p', String(pid)];
  const result = promisify(execFile)('/bin/ps', arguments_, { timeout: 5_000, env: {} });
  return await result.then(
    ({ stdout }) => stdout,
    () => '',
  );
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw new MusterError('failed', `cannot stop the broker of an earlier run, process ${pid}`, {
      cause: error,
    });
  }
}
