// `muster config check`: finds every fault in the settings, what a role would refuse, and what is doubtful.
import { choice } from '../../../config/kind.ts';
import { roles } from '../../../config/role.ts';
import { print, tell } from '../../../output/terminal.ts';
import { checkRoleRequirements } from '../../../roles/role-requirements.ts';
import { checkSettingFiles } from '../../../roles/setting-files.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, FlagTable } from '../../line/command.ts';
import { chosenFile, optionalOperands } from './file.ts';

export { optionalOperands };

export const settings = 'all';

export const flags = {
  role: {
    value: 'ROLE',
    kind: choice(...roles),
    help: 'judge them for one role only',
  },
} as const satisfies FlagTable;

export async function run(argv: Argv<typeof flags, never, 'file'>): Promise<number> {
  const loaded = await argv.load({
    configFile: chosenFile(argv),
    alsoCheck: settings => checkRoleRequirements(argv.flags.role, settings),
  });
  const { file, places, warnings } = loaded;
  for (const warning of [...warnings, ...(await checkSettingFiles(loaded))])
    tell('Warning', printable(warning, 4096));
  const none = `no configuration file (looked for ${places.join(', ')})`;
  print(`Ok: ${printable(file ?? none, 4096)}\n`);
  return 0;
}
