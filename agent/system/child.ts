// A child process with a deadline and a bound on what it may say, ended together with all that it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { type Clock, systemClock } from './clock.ts';
import { beforeEnd } from './last-acts.ts';

export interface ChildOptions {
  /** Milliseconds. */
  deadline: number;
  /** Most bytes of standard output. */
  limit: number;
  /** Ends it at once, for a clean stop. */
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  /** Variables that it gets besides the few that it always has. */
  env?: Readonly<Record<string, string>> | undefined;
}

export type ChildOutcome =
  | {
      kind: 'ended';
      status: number | null;
      killer: NodeJS.Signals | null;
      stdout: string;
      /** The first of it. */
      stderr: string;
    }
  | { kind: 'not_started'; cause: unknown }
  | { kind: 'late' | 'too_long' | 'stopped' };

export interface Child {
  readonly outcome: Promise<ChildOutcome>;
  /** Settles when the process is gone: later than the outcome when it was killed, never when it cannot be killed. */
  readonly gone: Promise<void>;
}

const stderrLimit = 4096;

/** Starts `command`, an absolute path, which does not outlive this process. Neither promise rejects. */
export function startChild(command: string, args: readonly string[], options: ChildOptions): Child {
  const { deadline, limit, signal, clock = systemClock } = options;
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
  // A name would be looked up on the path that the child gets, where another program may have it.
  if (!isAbsolute(command))
    return notStarted(new Error('only its name is known, not its place (is /proc mounted?)'));
  let child: ChildProcess;
  try {
    // A process group of its own, so that what the child starts can be ended with it. The environment is not passed on: it
    // may hold secrets, and what the child starts in turn is looked up on a path of the system's own.
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
  let length = 0;
  let complaint = 0;

  const giveUp = (kind: 'late' | 'too_long' | 'stopped') => {
    killGroup(child.pid);
    // A grandchild may have left the group and hold the pipes: the answer does not wait for it. Nor does the end of our
    // own process wait for a child that cannot be killed.
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
    settle({ kind });
  };
  const stop = () => giveUp('stopped');
  const timer = clock.after(deadline, () => giveUp('late'));
  // A process that ends at once, by a second signal say, has no time to tell whom it started.
  const letGo = beforeEnd(() => killGroup(child.pid));
  const settle = (result: ChildOutcome) => {
    letGo();
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
    length += chunk.length;
    if (length > limit) giveUp('too_long');
    else stdout.push(chunk);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    if (complaint < stderrLimit) stderr.push(chunk.subarray(0, stderrLimit - complaint));
    complaint += chunk.length;
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
    // ESRCH: all of the group has ended already, which is what was wanted.
  }
}
