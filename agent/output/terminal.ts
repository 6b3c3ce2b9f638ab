// Writes the results of the commands to standard output, and all other text to standard error. Colour only on a terminal.
import { format } from 'node:util';
import { mayColour, startedByService, systemEnvironment, writesToJournal } from '../config/environment.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { priorityPrefix, writeError } from '../system/standard-error.ts';

/** Writes a result as it is. Text from elsewhere must have passed `printable`. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Writes a result and waits until the reader has taken it, so that a slow reader slows the writer. */
export async function printSlowly(text: string): Promise<void> {
  await new Promise<void>(resolve => process.stdout.write(text, () => resolve()));
}

let messageFormat: 'json' | 'text' | undefined;

/** Sets the format of errors and warnings to that of the log in which they stand. */
export function setMessageFormat(wanted: 'json' | 'text'): void {
  messageFormat = wanted;
}

/** What may stand below a message. Every text must have passed `printable`. */
export interface Details {
  code?: string;
  /** What the operator can do. */
  hint?: string | undefined;
  /** The command line that shows the help. */
  help?: string | undefined;
  /** The stack frames of an error. */
  stack?: readonly string[];
}

/**
 * Writes a message for people: `Error: …`, with the hint on a line of its own. Under a service manager it is one line of
 * JSON, unless the settings want text. `text` must have passed `printable`.
 */
export function showMessage(label: 'Error' | 'Warning', text: string, details: Details = {}): void {
  const severity = label === 'Error' ? 'error' : 'warn';
  const prefix = writesToJournal(systemEnvironment) ? priorityPrefix(severity) : '';
  const { stack, ...fields } = details;
  if ((messageFormat ?? (startedByService(systemEnvironment) ? 'json' : 'text')) === 'json') {
    const time = new Date().toISOString();
    writeError(`${prefix}${JSON.stringify({ level: severity, time, ...fields, msg: text, stack })}`);
    return;
  }
  const { hint, help } = fields;
  const lines = [
    labelled(label, text),
    ...(stack ?? []),
    ...(hint ? [labelled('Hint', hint)] : []),
    ...(help ? [labelled('Help', help)] : []),
  ];
  for (const line of lines) writeError(`${prefix}${line}`);
}

/** Writes a warning. `text` must have passed `printable`. */
export const warn = (text: string): void => showMessage('Warning', text);

/** Writes a line to people that is neither a result nor a warning. */
export function note(text: string): void {
  writeError(text);
}

const colours = { Error: 31, Hint: 32, Help: 32, Warning: 33 } as const;

function labelled(name: keyof typeof colours, text: string): string {
  const label = `${name}:`;
  const coloured = mayColour(systemEnvironment, process.stderr.isTTY)
    ? `\u001b[${colours[name]}m${label}\u001b[0m`
    : label;
  return `${coloured}${' '.repeat(Math.max(1, 'Error: '.length - label.length))}${text}`;
}

/**
 * Ends the process when its results cannot be written: silently when the reader went away (`| head`), else with an error. A
 * failure of standard error is ignored.
 */
export function guardOutput(): void {
  process.stdout.on('error', error => {
    if (errnoOf(error) === 'EPIPE') process.exit();
    showMessage('Error', `cannot write the output: ${reasonOf(error)}`);
    process.exit(1);
  });
}

/** Bounds for what libraries print: the number of different messages, and the characters of each. */
const libraryMessages = { most: 50, maxLength: 500 };

/**
 * Writes what libraries print with `console` to standard error, made printable, and each message once. On standard output it
 * would mix with the results, and it would end a role whose standard output is closed.
 */
export function guardConsole(): void {
  const shown = new Set<string>();
  const show = (...words: unknown[]) => {
    // An error is shown without its stack, which lies inside the library.
    const plain = words.map(word => (word instanceof Error ? `${word.name}: ${word.message.trim()}` : word));
    const text = printable(format(...plain), libraryMessages.maxLength);
    if (shown.has(text) || shown.size >= libraryMessages.most) return;
    shown.add(text);
    warn(`a library says: ${text}`);
  };
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const) console[name] = show;
}
