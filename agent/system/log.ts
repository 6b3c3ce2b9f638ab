// Structured logs: one event a line, the same field names everywhere, on standard error.
import { pino } from 'pino';
import { escaped, printable } from './printable.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
export type LogFields = Record<string, unknown>;

export interface Log {
  trace(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export interface LogOptions {
  level: LogLevel;
  /** `json` for programs; `text` for people. */
  format: 'json' | 'text';
  /** Fields on every line, such as `{ role: 'agent' }`. */
  base?: LogFields;
}

/** Bytes that may wait for the reader of standard error. */
const maxWaiting = 1_048_576;

/** Makes the process's log. Writing never throws: a closed or full output loses lines, not the process. */
export function createLog(options: LogOptions): Log & { setLevel(level: LogLevel): void } {
  const write = (line: string) => {
    // A reader that hangs costs lines, not memory.
    if (process.stderr.writableLength > maxWaiting) return;
    // JSON may hold what is no text for a terminal; escaped it says the same.
    process.stderr.write(options.format === 'text' ? asText(line) : `${escaped(line.trimEnd())}\n`);
  };
  process.stderr.on('error', () => undefined);
  const logger = pino(
    {
      level: options.level,
      base: options.base ?? {},
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: error => (error instanceof Error ? errorFields(error) : error) },
    },
    { write },
  );
  return Object.assign(logger as Log, {
    setLevel(level: LogLevel) {
      logger.level = level;
    },
  });
}

export const silentLog: Log = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/**
 * Lets a repeated event through at most once per `interval` milliseconds and key, and says how many were held back.
 * Returns undefined to stay quiet, or the fields to add to the line.
 */
export function rateLimit(
  monotonic: () => number,
  interval: number,
): (key: string) => { suppressed?: number } | undefined {
  const last = new Map<string, { at: number; held: number }>();
  return key => {
    const now = monotonic();
    const entry = last.get(key);
    if (entry && now - entry.at < interval) {
      entry.held++;
      return undefined;
    }
    // Keys may come from the network; forgetting the lot now and then bounds the memory.
    if (last.size > 1000) last.clear();
    last.set(key, { at: now, held: 0 });
    return entry && entry.held > 0 ? { suppressed: entry.held } : {};
  };
}

function errorFields(error: Error): LogFields {
  const code = (error as { code?: unknown }).code;
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.cause instanceof Error ? { cause: errorFields(error.cause) } : {}),
  };
}

function asText(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  const clock = String(time).slice(11, 19);
  return `${clock} ${String(level).toUpperCase().padEnd(5)} ${printable(String(msg))}${rest.length ? `  ${rest.join(' ')}` : ''}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value) return quoted(String(value.message));
  return typeof value === 'string' ? quoted(value) : printable(JSON.stringify(value) ?? '');
}

function quoted(value: string): string {
  const text = printable(value);
  return /[\s"=]/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text;
}
