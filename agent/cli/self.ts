// How this program starts itself again: from source it is Node and the entry file, packaged it is the one executable.

import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

export interface SelfCommand {
  command: string;
  args: string[];
}

/** The command line that runs this same program with `args`. */
export function selfCommand(...args: string[]): SelfCommand {
  if (isSea()) return { command: process.execPath, args };
  return {
    command: process.execPath,
    args: [fileURLToPath(new URL('../main.ts', import.meta.url)), ...args],
  };
}

/** What a person types to run this program. */
export const programName = (): string => (isSea() ? 'muster' : './scripts/muster');
