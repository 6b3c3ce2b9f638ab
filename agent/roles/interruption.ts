// The end of a command by a signal: what it started ends with it, as that hears nothing of a signal from the terminal.
import { constants } from 'node:os';
import { runEndCallbacks } from '../system/process-end.ts';

/** Calls `close` when a signal ends this process, which it then does. */
export function closeWhenInterrupted(close: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      close();
      endBySignal(signal);
    });
  }
}

/** Does what `signal` does to a process that does not listen for it. */
export function endBySignal(signal: NodeJS.Signals): never {
  runEndCallbacks();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // Only the first process of a container comes to here, as the kernel keeps signals from it: it ends as a shell would tell.
  process.exit(128 + constants.signals[signal]);
}
