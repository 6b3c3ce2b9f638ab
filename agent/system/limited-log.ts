// Defines a log that writes repeated messages only rarely, with the number of lines that were left out.
import type { Clock } from './clock.ts';
import type { Log, LogFields } from './log.ts';

export interface LimitedLog {
  /** Writes a warning. Lines with the same `key` count as repetitions of one message. */
  warn(key: string, fields: LogFields, message: string): void;
  /** Writes an error. Lines with the same `key` count as repetitions of one message. */
  error(key: string, fields: LogFields, message: string): void;
}

/** Number of keys after which all keys are forgotten. Keys may come from the network, and must not fill the memory. */
const maxKeys = 1000;

/**
 * Returns a log that writes the first line of each key at once, and then at most one line per `intervalMs`. When lines
 * were left out, the next line has their number in its field `suppressed`.
 */
export function limitedLog(
  log: Log,
  clock: Pick<Clock, 'monotonic'>,
  intervalMs: number = 60_000,
): LimitedLog {
  const written = new Map<string, { at: number; suppressed: number }>();

  const write = (level: 'warn' | 'error', key: string, fields: LogFields, message: string) => {
    const now = clock.monotonic();
    const last = written.get(key);
    if (last && now - last.at < intervalMs) {
      last.suppressed++;
      return;
    }
    if (written.size > maxKeys) written.clear();
    written.set(key, { at: now, suppressed: 0 });
    const count = last && last.suppressed > 0 ? { suppressed: last.suppressed } : {};
    log[level]({ ...fields, ...count }, message);
  };

  return {
    warn: (key, fields, message) => write('warn', key, fields, message),
    error: (key, fields, message) => write('error', key, fields, message),
  };
}
