// Starts a child process with a time limit and an output limit, and ends it together with all processes that it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { type Clock, systemClock } from './clock.ts';
import { onProcessEnd } from './process-end.ts';

export interface ChildOptions {
  /** Time that the child may run before it is killed, in milliseconds. */
  timeoutMs: number;
  /** Size of the standard output at which the child is killed, in bytes. */
  outputLimitBytes: number;
  /** Signal that kills the child at once, for a clean stop of this process. */
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  /** Environment variables in addition to PATH and LC_ALL, which the child always gets. */
  env?: Readonly<Record<string, string>> | undefined;
}

/**
 * The way in which a child ended. `ended` means by itself. `late`, `too_long` (too much output) and `stopped` (by the
 * signal) mean that it was killed.
 */
export type ChildOutcome =
  | {
      kind: 'ended';
      status: number | null;
      killer: NodeJS.Signals | null;
      stdout: string;
      /** The first 4096 bytes of standard error. */
      stderr: string;
    }
  | { kind: 'not_started'; cause: unknown }
  | { kind: 'late' | 'too_long' | 'stopped' };

export interface Child {
  readonly outcome: Promise<ChildOutcome>;
  /**
   * Resolves when the process no longer exists. A killed process may end after the outcome; one that cannot be killed
   * never ends.
   */
  readonly gone: Promise<void>;
}

const maxStderrBytes = 4096;

/**
 * Starts `command`, an absolute path. The child ends at the latest when this process ends. Neither promise of the result
 * rejects: every failure is an outcome.
 */
export function startChild(command: string, args: readonly string[], options: ChildOptions): Child {
  const { timeoutMs, outputLimitBytes, signal, clock = systemClock } = options;
  const outcome = Promise.withResolvers<ChildOutcome>();
  const gone = Promise.withResolvers<void>();
  const result = { outcome: outcome.promise, gone: gone.promise };
  const notStarted = (cause: unknown) => {
    outcome.resolve({ kind: 'not_started', cause });
    gone.resolve();
    return result;
  };
  if (signal?.aborted) {
    outcome.resolve({ kind: 'stopped' });
    gone.resolve();
    return result;
  }
  // A name without a folder would be searched on the child's PATH, where another program may have the same name.
  if (!isAbsolute(command))
    return notStarted(new Error('only its name is known, not its place (is /proc mounted?)'));
  let child: ChildProcess;
  try {
    // The child leads a process group, so that everything it starts can be killed with it. It does not get this process's
    // environment, which may contain secrets, and its PATH contains only folders of the system.
    child = spawn(command, [...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...options.env },
    });
  } catch (error) {
    return notStarted(error);
  }
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let stdoutBytes = 0;
  let stderrBytes = 0;

  const giveUp = (kind: 'late' | 'too_long' | 'stopped') => {
    killGroup(child.pid);
    // A grandchild may have left the group and may still have the pipes open, so the outcome does not wait for them to
    // close. With unref, this process can end although a child that cannot be killed still exists.
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
    settle({ kind });
  };
  const stop = () => giveUp('stopped');
  const timer = clock.after(timeoutMs, () => giveUp('late'));
  // The child is also killed when this process ends at once, for instance at a second signal.
  const cancelKill = onProcessEnd(() => killGroup(child.pid));
  const settle = (result: ChildOutcome) => {
    cancelKill();
    timer.cancel();
    signal?.removeEventListener('abort', stop);
    outcome.resolve(result);
  };
  signal?.addEventListener('abort', stop, { once: true });

  child.on('error', cause => {
    settle({ kind: 'not_started', cause });
    if (child.pid === undefined) gone.resolve();
  });
  child.on('exit', () => gone.resolve());
  child.stdout?.on('data', (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes > outputLimitBytes) giveUp('too_long');
    else stdout.push(chunk);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderrBytes < maxStderrBytes) stderr.push(chunk.subarray(0, maxStderrBytes - stderrBytes));
    stderrBytes += chunk.length;
  });
  child.on('close', (status, killer) =>
    settle({
      kind: 'ended',
      status,
      killer,
      stdout: Buffer.concat(stdout).toString('utf8'),
      stderr: Buffer.concat(stderr).toString('utf8'),
    }),
  );
  return result;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // With ESRCH, the whole group has already ended.
  }
}
