// Writes logs and errors to standard error. When it is closed, full or not read, lines are lost but nothing else happens.
import { fstatSync } from 'node:fs';
import { LineWriter } from './line-writer.ts';
import { redactSecrets } from './secrets.ts';

/** Number of bytes that may wait for the reader. */
const maxWaitingBytes = 1_048_576;

export type Severity = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** The priorities of the systemd journal: sd-daemon(3). */
const priorities: Record<Severity, number> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3 };

/** Returns the prefix from which the journal reads the priority of a line. */
export const priorityPrefix = (severity: Severity): string => `<${priorities[severity]}>`;

let ready = false;
/** The writer when standard error is a file. Node would treat a line that a full disk cut as written. */
let file: LineWriter | undefined;

/** Writes `line` without the secrets in it. Calls `onLost` when the line could not be written. Never throws, never waits. */
export function writeError(line: string, onLost: () => void = () => undefined): void {
  if (!ready) prepare();
  // When the reader hangs, lines are dropped, so that they do not fill the memory.
  if (file) writeToFile(file, line, onLost);
  else if (hasRoom()) process.stderr.write(`${redactSecrets(line)}\n`, error => error && onLost());
  else onLost();
}

/**
 * Returns the width of the terminal in columns; undefined when standard error is not a terminal, or its width is unknown.
 */
export const terminalWidth = (): number | undefined =>
  process.stderr.isTTY ? process.stderr.columns || undefined : undefined;

/** Returns whether more lines can wait for the reader. */
export const hasRoom = (): boolean => process.stderr.writableLength <= maxWaitingBytes;

function writeToFile(to: LineWriter, line: string, onLost: () => void): void {
  try {
    to.write(process.stderr.fd, `${redactSecrets(line)}\n`);
  } catch {
    onLost();
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

function prepare(): void {
  ready = true;
  if (isFile(process.stderr.fd)) file = new LineWriter();
  process.stderr.on('error', () => undefined);
  // By default the whole process waits while Node writes to a terminal, and waits for ever after somebody pressed Ctrl-S. No
  // public interface changes that.
  const { _handle: handle } = process.stderr as {
    _handle?: { setBlocking?: (blocking: boolean) => unknown };
  };
  if (process.stderr.isTTY) handle?.setBlocking?.(false);
}
