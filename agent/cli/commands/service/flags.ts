// Defines the flags that the service commands share.
import { choice } from '../../../config/kind.ts';
import { roles } from '../../../config/role.ts';
import { programName } from '../../../roles/own-command.ts';
import { MusterError } from '../../../system/errors.ts';
import type { FlagTable } from '../../line/command.ts';

export const roleFlag = {
  role: { value: 'ROLE', kind: choice(...roles), help: 'the role' },
} as const satisfies FlagTable;

export const scopeFlag = {
  user: { help: 'a service of this user, not of the whole machine' },
} as const satisfies FlagTable;

export const executableFlag = {
  executable: { value: 'PATH', help: 'the program that the service starts; default: this program' },
} as const satisfies FlagTable;

/** The flags of the commands that change a service. */
export const changeFlags = {
  ...roleFlag,
  ...scopeFlag,
  root: {
    value: 'FOLDER',
    help: 'only change files in this folder, as if it were /, and start nothing: for a package or an image',
  },
  'dry-run': { help: 'show every file and every command, and change nothing' },
} as const satisfies FlagTable;

/** Returns the role. Throws MusterError `usage` when none is given. */
export function requireRole<T>(role: T | undefined, command: string): T {
  if (role !== undefined) return role;
  throw new MusterError('usage', `service ${command} needs --role agent or --role requester`);
}

/** Returns the command line with these flags as a person would type it. */
export function typedLine(
  command: string,
  flags: Readonly<Record<string, string | boolean | undefined>>,
): string {
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined || value === false ? [] : value === true ? [`--${name}`] : [`--${name} ${value}`],
  );
  return [programName(), 'service', command, ...given].join(' ');
}
