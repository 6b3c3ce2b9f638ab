// Tells the operator of an error, and answers the exit code that follows.
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { tell } from './terminal.ts';

/** `explain`: also show where an unexpected error came from. */
export function report(error: unknown, explain: boolean): number {
  if (error instanceof MusterError) {
    // The faults of settings are a line each; any other line break is foreign.
    const lines = error.code === 'bad_config' ? error.message.split('\n') : [error.message];
    for (const line of lines) tell('Error', printable(line, 4096));
    if (error.hint) tell('Hint', printable(error.hint, 1024));
    return error.exitCode;
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  tell('Error', `this should not have happened: ${printable(message, 1024)}`);
  if (explain && error instanceof Error) {
    for (const line of (error.stack ?? '').split('\n').slice(1)) process.stderr.write(`${printable(line)}\n`);
  } else {
    tell('Hint', 'please report it, with what the same command prints with --log-level debug');
  }
  return 1;
}
