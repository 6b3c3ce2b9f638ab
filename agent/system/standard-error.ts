// Standard error, on which logs and errors go: when it is closed, full or not read, lines are lost and the process is not.
import { fstatSync } from 'node:fs';
import { LineWriter } from './line-writer.ts';
import { redactSecrets } from './secrets.ts';

/** Bytes that may wait for the reader. */
const maxWaiting = 1_048_576;

export type Severity = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** What the journal calls them: sd-daemon(3). */
const priorities: Record<Severity, number> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3 };

/** The prefix from which the journal takes how important a line is. */
export const priorityPrefix = (severity: Severity): string => `<${priorities[severity]}>`;

let ready = false;
/** Where it is a file: Node takes a line that a full disk cut short for written. */
let file: LineWriter | undefined;

/** Writes `line`, without the secrets that may be in it; `lost` is called when it was not taken. Never throws, never waits. */
export function writeError(line: string, lost: () => void = () => undefined): void {
  if (!ready) prepare();
  // A reader that hangs costs lines, not memory.
  if (file) writeToFile(file, line, lost);
  else if (hasRoom()) process.stderr.write(`${redactSecrets(line)}\n`, error => error && lost());
  else lost();
}

/** Returns the width of the terminal in columns; undefined when standard error is not a terminal, or does not know. */
export const terminalWidth = (): number | undefined =>
  process.stderr.isTTY ? process.stderr.columns || undefined : undefined;

/** Whether the reader keeps up. */
export const hasRoom = (): boolean => process.stderr.writableLength <= maxWaiting;

function writeToFile(to: LineWriter, line: string, lost: () => void): void {
  try {
    to.write(process.stderr.fd, `${redactSecrets(line)}\n`);
  } catch {
    lost();
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
  // Node writes to a terminal so that the whole process waits for it: for ever, once somebody pressed Ctrl-S. There is no
  // public way to have it otherwise.
  const { _handle: handle } = process.stderr as {
    _handle?: { setBlocking?: (blocking: boolean) => unknown };
  };
  if (process.stderr.isTTY) handle?.setBlocking?.(false);
}
