// Tells the operator of an error, and answers the exit code that follows.
import { errnoOf, MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { tell } from './terminal.ts';

/** `explain`: also show where an unexpected error came from. */
export function report(error: unknown, explain: boolean): number {
  if (error instanceof MusterError) {
    // The faults of settings are a line each; any other line break is foreign.
    const lines = error.code === 'bad_config' ? error.message.split('\n') : [error.message];
    const hint = error.hint && printable(error.hint, 1024);
    for (const [index, line] of lines.entries()) {
      const last = index === lines.length - 1;
      tell('Error', printable(line, 4096), { code: error.code, ...(last ? { hint } : {}) });
    }
    return error.exitCode;
  }
  if (isWithoutFolder(error)) {
    return report(
      new MusterError(
        'failed',
        'the working folder is gone, and a path that is not absolute would be in it',
        {
          hint: 'go to another folder, or write the whole path',
          cause: error,
        },
      ),
      explain,
    );
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const text = `this should not have happened: ${printable(message, 1024)}`;
  if (explain && error instanceof Error) tell('Error', text, { stack: framesOf(error) });
  else
    tell('Error', text, {
      hint: 'please report it, with what the same command prints with --log-level debug',
    });
  return 1;
}

/** Node asks for the working folder where a path is to be made absolute. */
function isWithoutFolder(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' && (error as { syscall?: unknown }).syscall === 'uv_cwd';
}

/**
 * Ends this process after an error that nobody caught: what it was doing is not known, so it must not go on. Where the
 * error came from is always told, as it may never come again.
 */
export function crash(error: unknown): void {
  const code = error instanceof MusterError ? report(error, false) : report(error, true);
  process.exit(code);
}

function framesOf(error: Error): string[] {
  // The message stands before the frames, and may have line breaks of its own.
  const frames = (error.stack ?? '').split('\n').filter(line => /^ {4}at /.test(line));
  return frames.slice(0, 30).map(line => printable(line));
}
