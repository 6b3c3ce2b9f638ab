// Makes the structured log of a process: one line for each event, with the same field names everywhere.
import { pino } from 'pino';
import { systemClock } from './clock.ts';
import { escapeText } from './escape.ts';
import { LogFile } from './log-file.ts';
import { formatLogText } from './log-text.ts';
import { redactSecrets } from './secrets.ts';
import { hasRoom, priorityPrefix, type Severity, terminalWidth, writeError } from './standard-error.ts';

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
  /** `json` is for programs, `text` for people. */
  format: 'json' | 'text';
  /** Whether each line begins with its priority, which the systemd journal reads. */
  priorities?: boolean;
  /** Fields in every line, such as `{ role: 'agent' }`. */
  base?: LogFields;
  /** Path of a file for the log. Without a path, or when the file cannot be written, lines go to standard error. */
  file?: string | undefined;
}

/**
 * Creates the log of the process. Writing never throws: when the output is closed, full or not read, lines are lost but
 * nothing else happens.
 */
export function createLog(options: LogOptions): Log & { setLevel(level: LogLevel): void } {
  const { base = {} } = options;
  const file = openFile(options.file);
  let lost = 0;
  const put = (line: string, lineCount: number) => {
    const inFile = { ...options, priorities: false };
    if (file instanceof LogFile && tryWrite(file, format(line, inFile, undefined))) return;
    writeError(format(line, options, terminalWidth()), () => {
      lost += lineCount;
    });
  };
  const write = (line: string) => {
    // When there is room again, a line says how many lines were lost.
    if (lost > 0 && hasRoom()) {
      const count = lost;
      lost = 0;
      const msg = 'lines of this log were lost: its reader was too slow, or its disk full';
      put(
        JSON.stringify({ level: 'warn', ...base, time: new Date().toISOString(), lost: count, msg }),
        count,
      );
    }
    put(line, 1);
  };
  const logger = pino(
    {
      level: options.level,
      base,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: error => (error instanceof Error ? errorFields(error) : error) },
    },
    { write },
  );
  if (file instanceof Error) {
    logger.warn({ file: options.file, err: file }, 'cannot log to the file: the log goes to standard error');
  }
  return Object.assign(logger as Log, {
    setLevel(level: LogLevel) {
      logger.level = level;
    },
  });
}

/** A log that drops every line. */
export const silentLog: Log = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function openFile(path: string | undefined): LogFile | Error | undefined {
  if (path === undefined) return undefined;
  try {
    return new LogFile(path, systemClock);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function tryWrite(file: LogFile, text: string): boolean {
  try {
    file.write(`${redactSecrets(text)}\n`);
    return true;
  } catch {
    // The most common reason is a full disk. Standard error may go to another disk.
    return false;
  }
}

function errorFields(error: Error): LogFields {
  const code = (error as { code?: unknown }).code;
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.cause instanceof Error ? { cause: errorFields(error.cause) } : {}),
  };
}

/** Returns a line of pino in the format of the options, without its line break. Only text on a terminal has a `width`. */
function format(line: string, { format, priorities }: LogOptions, width: number | undefined): string {
  // pino writes the level first.
  const level = /^\{"level":"(\w+)"/.exec(line)?.[1] as Severity;
  // JSON may contain characters that control a terminal. The escaped JSON has the same meaning.
  const text = format === 'text' ? formatLogText(line, width) : escapeText(line.trimEnd());
  return priorities ? `${priorityPrefix(level)}${text}` : text;
}
