// What the commands write: results on standard output, everything else on standard error, colour only on a terminal.

import { format } from 'node:util';
import { mayColour, startedByService, systemEnvironment, writesToJournal } from '../config/environment.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { priorityPrefix, writeError } from '../system/standard-error.ts';

/** Writes results, as they are: whatever came from elsewhere must have passed `printable`. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Writes results and waits until they are taken, so that a slow reader slows the writer. */
export async function printSlowly(text: string): Promise<void> {
  await new Promise<void>(resolve => process.stdout.write(text, () => resolve()));
}

let shape: 'json' | 'text' | undefined;

/** Says how what is told is to be written: as the lines of the log that it stands among. */
export function speakAs(wanted: 'json' | 'text'): void {
  shape = wanted;
}

/** What may go with what is told. Each is fit for a terminal. */
export interface More {
  code?: string;
  hint?: string | undefined;
  /** Where an error came from, a line each. */
  stack?: readonly string[];
}

/**
 * Tells people something, of which `text` is fit for a terminal: `Error: …`, the label coloured where it may be, and what
 * to do on a line of its own. To a service manager it is one line of the log: JSON, unless the settings want text.
 */
export function tell(label: 'Error' | 'Warning', text: string, more: More = {}): void {
  const severity = label === 'Error' ? 'error' : 'warn';
  const prefix = writesToJournal(systemEnvironment) ? priorityPrefix(severity) : '';
  const { stack, ...fields } = more;
  if ((shape ?? (startedByService(systemEnvironment) ? 'json' : 'text')) === 'json') {
    const time = new Date().toISOString();
    writeError(`${prefix}${JSON.stringify({ level: severity, time, ...fields, msg: text, stack })}`);
    return;
  }
  const lines = [marked(label, text), ...(stack ?? []), ...(more.hint ? [marked('Hint', more.hint)] : [])];
  for (const line of lines) writeError(`${prefix}${line}`);
}

/** Writes a line to people that is neither result nor fault. */
export function note(text: string): void {
  writeError(text);
}

function marked(label: 'Error' | 'Hint' | 'Warning', text: string): string {
  const colours = { Error: 31, Hint: 32, Warning: 33 };
  const mark = `${label}:`;
  const shown = mayColour(systemEnvironment, process.stderr.isTTY)
    ? `\u001b[${colours[label]}m${mark}\u001b[0m`
    : mark;
  return `${shown}${' '.repeat(Math.max(1, 'Error: '.length - mark.length))}${text}`;
}

/**
 * Ends the process when nobody takes its results: quietly when the reader went away (`| head`), with a sentence when the
 * output cannot be written. Standard error may be lost without harm.
 */
export function guardOutput(): void {
  process.stdout.on('error', error => {
    if (errnoOf(error) === 'EPIPE') process.exit();
    tell('Error', `cannot write the output: ${reasonOf(error)}`);
    process.exit(1);
  });
}

/** Most things that libraries may say, and the most of each that is told. */
const chatter = { most: 50, length: 500 };

/**
 * What a library prints by itself is no result: it goes to standard error, fit for a terminal, and each thing once. It
 * repeats what others sent, and on standard output it would end a role whose output is closed.
 */
export function guardConsole(): void {
  const said = new Set<string>();
  const say = (...words: unknown[]) => {
    // Of an error, without where in the library it came from.
    const plain = words.map(word => (word instanceof Error ? `${word.name}: ${word.message.trim()}` : word));
    const text = printable(format(...plain), chatter.length);
    if (said.has(text) || said.size >= chatter.most) return;
    said.add(text);
    tell('Warning', `a library says: ${text}`);
  };
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const) console[name] = say;
}
