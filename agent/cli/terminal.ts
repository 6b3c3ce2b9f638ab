// What the commands write: results on standard output, everything else on standard error, colour only on a terminal.
import { mayColour, systemEnvironment } from '../config/environment.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';

/** Writes results, as they are: whatever came from elsewhere must have passed `printable`. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Writes results and waits until they are taken, so that a slow reader slows the writer. */
export async function printSlowly(text: string): Promise<void> {
  await new Promise<void>(resolve => process.stdout.write(text, () => resolve()));
}

/** Writes one line to people: `Error: …`, the label coloured where it may be. */
export function tell(label: 'Error' | 'Hint' | 'Warning', text: string): void {
  const colours = { Error: 31, Hint: 32, Warning: 33 };
  const mark = `${label}:`;
  const shown = mayColour(systemEnvironment, process.stderr.isTTY)
    ? `\u001b[${colours[label]}m${mark}\u001b[0m`
    : mark;
  process.stderr.write(`${shown}${' '.repeat(Math.max(1, 'Error: '.length - mark.length))}${text}\n`);
}

/**
 * Ends the process when nobody takes its output: quietly when the reader went away (`| head`), with a sentence when the
 * output cannot be written.
 */
export function guardOutput(): void {
  process.stdout.on('error', error => {
    if (errnoOf(error) === 'EPIPE') process.exit();
    tell('Error', `cannot write the output: ${reasonOf(error)}`);
    process.exit(1);
  });
  process.stderr.on('error', () => undefined);
}
