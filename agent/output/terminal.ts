// Writes the results of the commands to standard output, and all other text to standard error. Colours are used only on a
// terminal.
import { format } from 'node:util';
import { mayColour, startedByService, systemEnvironment, writesToJournal } from '../config/environment.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { priorityPrefix, writeError } from '../system/standard-error.ts';
import { breakLines } from './break-lines.ts';
import { onOutputFailure, standardOutput, writeOutput } from './standard-output.ts';

/** Writes a result unchanged. Text from outside this program must be made safe by `printable` first. */
export function print(text: string): void {
  writeOutput(text);
}

/**
 * Writes a result and waits until the reader has read it, so that a slow reader slows the writer. Returns false when it could
 * not be written.
 */
export async function printSlowly(text: string): Promise<boolean> {
  return await new Promise(resolve => standardOutput().write(text, error => resolve(!error)));
}

/** Returns the width of the terminal that shows the results, in columns; undefined when they go elsewhere. */
export function outputWidth(): number | undefined {
  const { isTTY, columns } = standardOutput();
  return isTTY ? columns || undefined : undefined;
}

/** Returns the size of that terminal in characters; undefined as `outputWidth`. */
export function outputSize(): { columns: number; rows: number } | undefined {
  const columns = outputWidth();
  return columns === undefined ? undefined : { columns, rows: standardOutput().rows || 24 };
}

let messageFormat: 'json' | 'text' | undefined;

/** Makes errors and warnings use the format of the log among whose lines they appear. */
export function setMessageFormat(wanted: 'json' | 'text'): void {
  messageFormat = wanted;
}

/** The lines that may follow a message. Every text must be made safe by `printable` first. */
export interface Details {
  code?: string;
  /** A hint about what the operator can do. */
  hint?: string | undefined;
  /** A command line that ends the hint. It stays on one line, so that it can be copied into a shell. */
  command?: string | undefined;
  /** The command line that shows the help. */
  help?: string | undefined;
  /** Sentences that say more than the message, a line each. */
  more?: readonly string[];
  /** The stack frames of an error. */
  stack?: readonly string[];
}

/**
 * Writes a message for people: `Error: …`, with the hint on a line of its own. Under a service manager it is one line of
 * JSON, unless the settings ask for text. `text` must be made safe by `printable` first.
 */
export function showMessage(label: 'Error' | 'Warning', text: string, details: Details = {}): void {
  const severity = label === 'Error' ? 'error' : 'warn';
  const prefix = writesToJournal(systemEnvironment) ? priorityPrefix(severity) : '';
  const { stack, command, ...fields } = details;
  if ((messageFormat ?? (startedByService(systemEnvironment) ? 'json' : 'text')) === 'json') {
    const time = new Date().toISOString();
    const hint = fields.hint && [fields.hint, command].filter(Boolean).join(' ');
    writeError(`${prefix}${JSON.stringify({ level: severity, time, ...fields, hint, msg: text, stack })}`);
    return;
  }
  const { hint, help, more = [] } = fields;
  const lines = [
    ...labelled(label, text),
    ...more.flatMap(indented),
    ...(stack ?? []),
    ...(hint ? labelled('Hint', hint, command) : []),
    ...(help ? labelled('Help', help) : []),
  ];
  for (const line of lines) writeError(`${prefix}${line}`);
}

/** Writes a warning. `text` must be made safe by `printable` first. */
export const warn = (text: string): void => showMessage('Warning', text);

/** Writes a line for people that is neither a result nor a warning. */
export function note(text: string): void {
  writeError(text);
}

/** The longest line of text, in columns. */
const maxColumns = 80;
/** The texts of errors, hints and help begin below each other. */
const margin = 'Error: '.length;

/** Breaks a sentence into indented lines of at most 80 columns. A longer word, such as an address, stays whole. */
const indented = (text: string): string[] =>
  breakLines(text, maxColumns - 4).map((line, index) => `${index === 0 ? '  ' : '    '}${line}`);

const colours = { Error: 31, Hint: 32, Help: 32, Warning: 33 } as const;

/**
 * Returns the lines of a text with its label, and of a command that ends it. On a terminal they fit its width, except for the
 * command; elsewhere it is one line, for those who search.
 */
function labelled(name: keyof typeof colours, text: string, command?: string): string[] {
  const { isTTY, columns = maxColumns } = process.stderr;
  const most = Math.max(20, Math.min(columns, maxColumns) - margin);
  const whole = command === undefined ? text : `${text} ${command}`;
  const isShort = whole.length <= most;
  const broken =
    isShort || command === undefined ? breakLines(whole, most) : [...breakLines(text, most), command];
  const [first = '', ...rest] = isTTY ? broken : [whole];
  return [withLabel(name, first), ...rest.map(line => `${' '.repeat(margin)}${line}`)];
}

function withLabel(name: keyof typeof colours, text: string): string {
  const label = `${name}:`;
  const coloured = mayColour(systemEnvironment, process.stderr.isTTY)
    ? `\u001b[${colours[name]}m${label}\u001b[0m`
    : label;
  return `${coloured}${' '.repeat(Math.max(1, margin - label.length))}${text}`;
}

/**
 * Ends the process when its results cannot be written: silently when the reader went away (`| head`), otherwise with an
 * error. A failure of standard error is ignored.
 */
export function guardOutput(): void {
  onOutputFailure(error => {
    if (errnoOf(error) === 'EPIPE') process.exit();
    showMessage('Error', `cannot write the output: ${reasonOf(error)}`);
    process.exit(1);
  });
}

/** Limits for the output of libraries: the number of different messages, and the characters of each. */
const libraryMessages = { most: 50, maxLength: 500 };

/**
 * Writes what libraries print with `console` to standard error, made safe, and each message once. On standard output it
 * would mix with the results, and would end a role whose standard output is closed.
 */
export function guardConsole(): void {
  const shown = new Set<string>();
  const show = (...words: unknown[]) => {
    // An error is shown without its stack, because the stack is inside the library.
    const plain = words.map(word => (word instanceof Error ? `${word.name}: ${word.message.trim()}` : word));
    const text = printable(format(...plain), libraryMessages.maxLength);
    if (shown.has(text) || shown.size >= libraryMessages.most) return;
    shown.add(text);
    warn(`a library says: ${text}`);
  };
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const) console[name] = show;
}
