// How this program starts itself again: from source it is Node and the entry file, packaged it is the one executable.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MusterError } from '../system/errors.ts';
import { isPackaged } from '../system/packaged.ts';

export interface OwnCommand {
  command: string;
  args: string[];
}

/** The command line that runs this same program with `args`. */
export function ownCommand(...args: string[]): OwnCommand {
  if (isPackaged()) return { command: executable(), args };
  return {
    command: executable(),
    args: [fileURLToPath(new URL('../main.ts', import.meta.url)), ...args],
  };
}

// Without /proc Node knows only what it was called: a path, seen from here, or a mere name.
function executable(): string {
  const { execPath } = process;
  return execPath.includes('/') ? resolve(execPath) : execPath;
}

/** What a person types to run this program. */
export const programName = (): string => (isPackaged() ? 'muster' : './scripts/muster');

/** Where a person puts it. */
export const usualExecutable = '/usr/local/bin/muster';

/**
 * This very program, for a service to start.
 * @throws MusterError `usage` from source: a checkout moves and changes, and a service of the machine sees no home folder.
 */
export function ownExecutable(): string {
  if (isPackaged()) return process.execPath;
  throw new MusterError(
    'usage',
    'this muster runs from its source, which is no place for a service to start from',
    {
      hint: `put the packaged file in its place (./scripts/package makes it), and give --executable ${usualExecutable}`,
    },
  );
}
