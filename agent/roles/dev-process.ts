// Runs the processes of `muster dev`: each is a child with one role, and some are started again when they end.
import { type ChildProcess, spawn } from 'node:child_process';
import { sleep, systemClock } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import type { Lifetime, RoleReady } from './lifetime.ts';
import { ownCommand } from './own-command.ts';

export interface DevProcess {
  process: ChildProcess;
  /** Resolves when the role is ready; with undefined when the process ended earlier. */
  ready: Promise<RoleReady | undefined>;
  exit: Promise<{ code: number; how: string }>;
}

/**
 * Runs `muster ARGS`. The process gets a process group of its own. So Ctrl-C in the terminal reaches only `muster dev`,
 * which then sends each child one signal.
 */
export function startProcess(args: string[]): DevProcess {
  const { command, args: all } = ownCommand(...args);
  const child = spawn(command, all, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  const exit = new Promise<{ code: number; how: string }>(resolve => {
    child.once('error', error => resolve({ code: 1, how: reasonOf(error) }));
    child.once('exit', (code, signal) => resolve({ code: code ?? 1, how: signal ?? `exit code ${code}` }));
  });
  const ready = new Promise<RoleReady | undefined>(resolve => {
    child.once('message', message => resolve(message as RoleReady));
    void exit.then(() => resolve(undefined));
  });
  return { process: child, ready, exit };
}

/** Stops a process, and kills it after `timeoutMs`. */
export async function stopProcess({ process: running, exit }: DevProcess, timeoutMs: number): Promise<void> {
  if (running.exitCode !== null || running.signalCode !== null || running.pid === undefined) return;
  running.kill('SIGTERM');
  const timer = setTimeout(() => running.kill('SIGKILL'), timeoutMs);
  await exit;
  clearTimeout(timer);
}

export interface Supervised {
  /** Resolves when the role is ready for the first time. */
  up: Promise<RoleReady['ready']>;
  /** Resolves with the exit code when the role ends before it was ever ready. Its own error message gives the reason. */
  failed: Promise<number>;
}

export interface SupervisedOptions {
  args: string[];
  /** Contains the running process. */
  running: Set<DevProcess>;
  life: Lifetime;
  /** Called each time that the role is ready. */
  onReady(ready: RoleReady['ready'], child: DevProcess): void;
  /** Called each time that it has ended. Returns the time after which it is started again, in milliseconds. */
  onEnd(how: string): number;
}

/** Runs a role, and starts it again when it ends after it was ready once. */
export function supervise({ args, running, life, onReady, onEnd }: SupervisedOptions): Supervised {
  const up = Promise.withResolvers<RoleReady['ready']>();
  const failed = Promise.withResolvers<number>();
  const run = async () => {
    for (let wasUp = false; !life.stopping; ) {
      const child = startProcess(args);
      running.add(child);
      const ready = await child.ready;
      if (ready) {
        wasUp = true;
        onReady(ready.ready, child);
        up.resolve(ready.ready);
      }
      const { code, how } = await child.exit;
      running.delete(child);
      if (life.stopping) return;
      if (!wasUp) return failed.resolve(code);
      await Promise.race([life.stopRequested, sleep(systemClock, onEnd(how))]);
    }
  };
  void run();
  return { up: up.promise, failed: failed.promise };
}
