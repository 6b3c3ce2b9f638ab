// `muster service uninstall` stops a service and removes what its installation wrote; with --purge, its state too.
import { requireRoot, resolveTarget } from '../../../service/target.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { changeFlags, requireRole, typedLine } from './flags.ts';
import { terminal } from './show-plan.ts';
import { uninstallService } from './uninstall-service.ts';

export const flags = {
  ...changeFlags,
  purge: { help: 'also remove its configuration, key, state and logs' },
  force: { help: 'also remove a unit that muster did not write' },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['sudo muster service uninstall --role agent', 'remove the service; its state stays'],
  ['sudo muster service uninstall --role agent --purge', 'also remove its key, state and configuration'],
];

export async function run({ flags: given }: Argv<typeof flags>): Promise<number> {
  const role = requireRole(given.role, 'uninstall');
  const target = await resolveTarget({ scope: given.user ? 'user' : 'system', root: given.root });
  if (!given['dry-run']) requireRoot(target, typedLine('uninstall', { ...given, role }));
  const { purge, force, 'dry-run': dryRun } = given;
  await uninstallService(target, { role, purge, force, dryRun }, terminal);
  return 0;
}
