// `muster service uninstall`: stops a service and removes what its installation wrote; with --purge, what it kept too.
import { loadSettings } from '../../../config/load.ts';
import type { Role } from '../../../config/role.ts';
import { inspect } from '../../../service/inspect.ts';
import type { ExistingFile } from '../../../service/plan.ts';
import { planUninstall } from '../../../service/plan-uninstall.ts';
import { requireRoot, resolveTarget, type ServiceTarget } from '../../../service/target.ts';
import { escapeText } from '../../../system/escape.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { changeFlags, needed, take, terminal, typed, type Voice } from './flags.ts';

export const flags = {
  ...changeFlags,
  purge: { help: 'also remove its configuration, key, state and logs' },
  force: { help: 'remove a unit that muster did not write' },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['sudo muster service uninstall --role agent', 'remove the service; its state stays'],
  ['sudo muster service uninstall --role agent --purge', 'also remove its key, state and configuration'],
];

export async function run({ flags: given }: Argv<typeof flags>): Promise<number> {
  const role = needed(given.role, 'uninstall');
  const target = await resolveTarget({ scope: given.user ? 'user' : 'system', root: given.root });
  if (!given['dry-run']) requireRoot(target, typed('uninstall', { ...given, role }));
  return uninstallService(
    target,
    {
      role,
      purge: given.purge,
      force: given.force,
      dryRun: given['dry-run'],
    },
    terminal,
  );
}

export interface UninstallOptions {
  role: Role;
  purge: boolean;
  force: boolean;
  /** Print what would be done, and do nothing. */
  dryRun: boolean;
}

/** Throws MusterError when it is not to be removed, or a step fails. */
export async function uninstallService(
  target: ServiceTarget,
  options: UninstallOptions,
  { print, warn }: Voice,
): Promise<number> {
  const { role, dryRun } = options;
  const { prefix } = target;
  const paths = target.paths(role);
  const inspection = await inspect(target, role);
  const plan = planUninstall({ ...target, ...options }, paths, inspection);
  const elsewhere =
    options.purge && target.root === undefined
      ? await dataElsewhere(prefix + paths.config, inspection.files.get(paths.config))
      : [];
  for (const warning of plan.warnings) warn(escapeText(warning));
  await take(plan, target, { name: paths.name, dryRun, print });
  for (const note of [...plan.notes, ...elsewhere]) print(`${escapeText(note)}\n`);
  if (plan.steps.length === 0) print(`Nothing to do: ${paths.name} is not installed.\n`);
  else if (dryRun) print('Nothing of this was done: --dry-run.\n');
  return 0;
}

/** A note about state in a folder of the operator's choice. To be asked before the configuration goes. */
async function dataElsewhere(config: string, existing: ExistingFile | undefined): Promise<string[]> {
  if (existing?.kind !== 'text') return [];
  // One with faults says nothing for sure.
  const loaded = await loadSettings({ configFile: config }).catch(() => undefined);
  const folder = loaded?.settings.dataDir;
  return folder === undefined ? [] : [`${folder}, which dataDir names, is yours, and stays`];
}
