// Ends a process of nats-server, together with a wrapper around it.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type Clock, endsWithin } from '../system/clock.ts';
import { errnoOf } from '../system/errors.ts';

/** Returns whether the process runs. */
export function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Signals the process group, because `broker.binary` may be a wrapper that has the server as its child. */
export function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  // After the child has ended, its id may belong to another process.
  if (child.pid === undefined || !isAlive(child)) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') child.kill(signal);
  }
}

/** Sends `signal`, and returns whether the process ended within `timeoutMs`. */
export async function endsBy(
  child: ChildProcess,
  signal: NodeJS.Signals,
  clock: Clock,
  timeoutMs: number,
): Promise<boolean> {
  if (!isAlive(child)) return true;
  const exited = once(child, 'exit');
  signalAll(child, signal);
  return await endsWithin(clock, timeoutMs, exited);
}
