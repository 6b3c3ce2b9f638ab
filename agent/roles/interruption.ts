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

/** The first signal to end that came since `catchInterruption`; `release` gives signals their usual effect again. */
export interface CaughtInterruption {
  signal: NodeJS.Signals | undefined;
  release(): void;
}

/**
 * Lets a command finish what it has begun: the first signal calls `onSignal` and is remembered, a second one ends the process. The
 * command then ends itself by `endBySignal`.
 */
export function catchInterruption(onSignal: () => void): CaughtInterruption {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const caught: CaughtInterruption = {
    signal: undefined,
    release: () => {
      for (const signal of signals) process.off(signal, onEach);
    },
  };
  const onEach = (signal: NodeJS.Signals) => {
    if (caught.signal !== undefined) endBySignal(signal);
    caught.signal = signal;
    onSignal();
  };
  for (const signal of signals) process.on(signal, onEach);
  return caught;
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
