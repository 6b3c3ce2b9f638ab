// Runs the processes of `muster dev`: each is a child with one role, and an agent that ends is restarted.
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

export interface SupervisedAgent {
  /** Resolves when the agent is ready for the first time. */
  up: Promise<void>;
  /** Resolves with the exit code when the agent ends before it is ready. Its own error message gives the reason. */
  failed: Promise<number>;
}

const restartDelayMs = 1_000;

/** Runs an agent, and restarts it when it ends after it was ready. `agents` contains the running process. */
export function superviseAgent(
  id: string,
  args: string[],
  agents: Set<DevProcess>,
  life: Lifetime,
  print: (text: string) => void,
): SupervisedAgent {
  const up = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<number>();
  const run = async () => {
    while (!life.stopping) {
      const child = startProcess(args);
      agents.add(child);
      const ready = await child.ready;
      if (ready) {
        print(`${id}  agent is up\n`);
        up.resolve();
      }
      const { code, how } = await child.exit;
      agents.delete(child);
      if (life.stopping) return;
      if (!ready) return failed.resolve(code);
      print(`${id}  agent ended (${how}): starting it again\n`);
      await Promise.race([life.stopRequested, sleep(systemClock, restartDelayMs)]);
    }
  };
  void run();
  return { up: up.promise, failed: failed.promise };
}
