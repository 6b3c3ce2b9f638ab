// Shows an error to the operator and returns the exit code for it.
import { errnoOf, MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { showMessage } from './terminal.ts';

export interface ShowErrorOptions {
  /** Whether to show where an unexpected error came from. */
  readonly explain?: boolean;
  /** The command line that shows the help. It is shown below an error in a command line. */
  readonly help?: string;
}

/** Writes `error` to standard error and returns the exit code. */
export function showError(error: unknown, options: ShowErrorOptions = {}): number {
  if (error instanceof MusterError) return showMusterError(error, options);
  if (isWithoutFolder(error)) {
    const text = 'the working folder does not exist any more, and a relative path starts there';
    const hint = 'go to another folder, or write the whole path';
    return showMusterError(new MusterError('failed', text, { hint, cause: error }), options);
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const text = `this should not have happened: ${printable(message, 1024)}`;
  const hint = 'please report it, with what the same command prints with --log-level debug';
  const stack = options.explain && error instanceof Error ? framesOf(error) : undefined;
  showMessage('Error', text, stack ? { stack } : { hint });
  return 1;
}

/**
 * Ends this process after an error that nothing caught, because the state of the process is unknown then. It always shows
 * where the error came from, because the error may never come again.
 */
export function crash(error: unknown): void {
  process.exit(showError(error, { explain: true }));
}

function showMusterError(error: MusterError, { help }: ShowErrorOptions): number {
  // In an error of the settings each fault is a line. Any other line break came from elsewhere, so it is escaped.
  const lines = error.code === 'bad_config' ? error.message.split('\n') : [error.message];
  const hint = error.hint && printable(error.hint, 1024);
  const more = error.details.map(text => printable(text, 1024));
  const usageHelp = error.code === 'usage' ? { help } : {};
  for (const [index, line] of lines.entries()) {
    const isLast = index === lines.length - 1;
    showMessage('Error', printable(line, 4096), {
      code: error.code,
      ...(isLast ? { ...(more.length > 0 ? { more } : {}), hint, ...usageHelp } : {}),
    });
  }
  return error.exitCode;
}

/** Returns true for the error that Node throws when it makes a path absolute and the working folder no longer exists. */
function isWithoutFolder(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' && (error as { syscall?: unknown }).syscall === 'uv_cwd';
}

function framesOf(error: Error): string[] {
  // Only these lines are frames. The message is before them and may contain line breaks.
  const frames = (error.stack ?? '').split('\n').filter(line => /^ {4}at /.test(line));
  return frames.slice(0, 30).map(line => printable(line));
}
