// Ends a command by a signal, and also the programs that it started, because these do not get the signals of the terminal.
import { constants } from 'node:os';
import { runEndCallbacks } from '../system/process-end.ts';

/** Calls `close` when a signal comes, and then ends this process with the same signal. */
export function closeWhenInterrupted(close: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      close();
      endBySignal(signal);
    });
  }
}

/** Ends this process in the way in which `signal` ends a process without a handler. */
export function endBySignal(signal: NodeJS.Signals): never {
  runEndCallbacks();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // In a container the kernel does not deliver the signal to the first process. So that process ends with the exit code that
  // a shell uses.
  process.exit(128 + constants.signals[signal]);
}
