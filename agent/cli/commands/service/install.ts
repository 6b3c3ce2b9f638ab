// `muster service install` installs a role as a service of this machine, or of this user.
import { path } from '../../../config/kind.ts';
import { ownExecutable } from '../../../roles/own-command.ts';
import { requireRoot, resolveTarget } from '../../../service/target.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { findCode } from './find-code.ts';
import { changeFlags, executableFlag, requireRole, typedLine } from './flags.ts';
import { installService } from './install-service.ts';
import { terminal } from './show-plan.ts';

export const flags = {
  ...changeFlags,
  ...executableFlag,
  join: { help: 'ask for a join code, with which the agent comes into a cluster' },
  'code-file': {
    value: 'FILE',
    kind: path,
    help: 'read the join code from this file instead of asking for it',
  },
  'no-start': { help: 'only install: the service starts neither now nor at boot' },
  force: { help: 'replace a unit that was changed by hand, and restart a role that may fail to start' },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  [
    'sudo muster service install --role agent --join',
    'run the agent whenever the machine runs; it asks for a join code',
  ],
  ['muster service install --role agent --user --dry-run', 'only show what would be done, for this user'],
];

export async function run({ flags: given, config, load }: Argv<typeof flags>): Promise<number> {
  const role = requireRole(given.role, 'install');
  if (config !== undefined) {
    throw new MusterError('usage', 'a service reads the configuration in its usual place, not --config', {
      hint: 'put the file there: "muster service install --dry-run" says where',
    });
  }
  const target = await resolveTarget({ scope: given.user ? 'user' : 'system', root: given.root });
  if (!given['dry-run']) requireRoot(target, typedLine('install', { ...given, role }));
  const options = {
    role,
    executable: given.executable ?? ownExecutable(),
    start: !given['no-start'],
    force: given.force,
    dryRun: given['dry-run'],
    code: await findCode(role, target, given, load),
  };
  await installService(target, options, terminal);
  return 0;
}
