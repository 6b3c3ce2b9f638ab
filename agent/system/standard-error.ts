// Standard error, on which logs and errors go: when it is closed, full or not read, lines are lost and the process is not.
import { withoutSecrets } from './secrets.ts';

/** Bytes that may wait for the reader. */
const maxWaiting = 1_048_576;

export type Severity = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** What the journal calls them: sd-daemon(3). */
const priorities: Record<Severity, number> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3 };

/** The prefix from which the journal takes how important a line is. */
export const priorityPrefix = (severity: Severity): string => `<${priorities[severity]}>`;

let ready = false;

/** Writes `line`, without the secrets that may be in it; `lost` is called when it was not taken. Never throws, never waits. */
export function writeError(line: string, lost: () => void = () => undefined): void {
  if (!ready) prepare();
  // A reader that hangs costs lines, not memory.
  if (hasRoom()) process.stderr.write(`${withoutSecrets(line)}\n`, error => error && lost());
  else lost();
}

/** Whether the reader keeps up. */
export const hasRoom = (): boolean => process.stderr.writableLength <= maxWaiting;

function prepare(): void {
  ready = true;
  process.stderr.on('error', () => undefined);
  // Node writes to a terminal so that the whole process waits for it: for ever, once somebody pressed Ctrl-S. There is no
  // public way to have it otherwise.
  const { _handle: handle } = process.stderr as {
    _handle?: { setBlocking?: (blocking: boolean) => unknown };
  };
  if (process.stderr.isTTY) handle?.setBlocking?.(false);
}
