// Ends a command by a signal, together with the programs that it started: these do not get the signals of the terminal.
import { constants } from 'node:os';
import { runEndCallbacks } from '../system/process-end.ts';

/** Calls `close` when a signal comes, and then ends this process by that signal. */
export function closeWhenInterrupted(close: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      close();
      endBySignal(signal);
    });
  }
}

/** Ends this process as `signal` ends a process that does not handle it. */
export function endBySignal(signal: NodeJS.Signals): never {
  runEndCallbacks();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The kernel does not deliver the signal to the first process of a container. That one ends with the exit code of a shell.
  process.exit(128 + constants.signals[signal]);
}
