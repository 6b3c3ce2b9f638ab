// Builds the command that starts this same program: Node with the entry file, or the packaged executable.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MusterError } from '../system/errors.ts';
import { isPackaged } from '../system/packaged.ts';

export interface OwnCommand {
  command: string;
  args: string[];
}

/** Returns the command that runs this same program with `args`. */
export function ownCommand(...args: string[]): OwnCommand {
  if (isPackaged()) return { command: executable(), args };
  return {
    command: executable(),
    args: [fileURLToPath(new URL('../main.ts', import.meta.url)), ...args],
  };
}

// Returns the path of the program. Without /proc, Node knows only how it was called: by a path relative to this folder, or
// by a name.
function executable(): string {
  const { execPath } = process;
  return execPath.includes('/') ? resolve(execPath) : execPath;
}

/** Returns the command that a person types to run this program. */
export const programName = (): string => (isPackaged() ? 'muster' : './scripts/muster');

/** The usual path of the packaged program. */
export const usualExecutable = '/usr/local/bin/muster';

/**
 * Returns the path of this program, for a service to start. @throws MusterError `usage` when the program runs from
 * source: a checkout may move or change, and a service of the machine cannot see home folders.
 */
export function ownExecutable(): string {
  if (isPackaged()) return process.execPath;
  throw new MusterError('usage', 'this muster runs from source, and a service needs the packaged program', {
    hint: `make the packaged file with ./scripts/package, copy it to ${usualExecutable}, and give --executable ${usualExecutable}`,
  });
}
