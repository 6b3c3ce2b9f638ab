// `muster config check` finds every fault in the settings, what a role would refuse, and what may be wrong.
import { choice } from '../../../config/kind.ts';
import { roles } from '../../../config/role.ts';
import { print, warn } from '../../../output/terminal.ts';
import { isRoot, refusedFileLines } from '../../../roles/refused-paths.ts';
import { checkRoleRequirements } from '../../../roles/role-requirements.ts';
import { checkSettingFiles } from '../../../roles/setting-files.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { chosenFile, optionalOperands } from './file.ts';

export { optionalOperands };

export const settings = 'all';

export const flags = {
  role: {
    value: 'ROLE',
    kind: choice(...roles),
    help: 'check them for one role only',
  },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster config check', 'check the settings that a role would read now'],
  ['muster config check muster.yaml --role agent', 'check a file before an agent uses it'],
];

export async function run(argv: Argv<typeof flags, never, 'file'>): Promise<number> {
  const loaded = await argv.load({
    configFile: chosenFile(argv),
    role: argv.flags.role,
    findMoreConflicts: settings => checkRoleRequirements(argv.flags.role, settings),
  });
  const { file, places, warnings } = loaded;
  const refused = await refusedFileLines(argv.flags.role, loaded);
  const faults = [...(loaded.refusedByRoot ? [loaded.refusedByRoot] : []), ...(isRoot() ? refused : [])];
  const doubts = [...warnings, ...(await checkSettingFiles(loaded)), ...(isRoot() ? [] : refused)];
  for (const doubt of doubts) if (!faults.includes(doubt)) warn(printable(doubt, 4096));
  if (faults.length > 0)
    throw new MusterError('bad_config', faults.map(line => printable(line, 4096)).join('\n'));
  const none = `no configuration file (looked for ${places.join(', ')})`;
  print(`Ok: ${printable(file ?? none, 4096)}\n`);
  return 0;
}
