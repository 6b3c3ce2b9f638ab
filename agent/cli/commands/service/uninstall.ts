// `muster service uninstall`: stops a service and removes what its installation wrote; with --purge, what it kept too.
import { loadSettings } from '../../../config/load.ts';
import type { Role } from '../../../config/role.ts';
import { inspect } from '../../../service/inspect.ts';
import type { ExistingFile } from '../../../service/plan.ts';
import { planUninstall } from '../../../service/plan-uninstall.ts';
import { requireRoot, resolveTarget, type ServiceTarget } from '../../../service/target.ts';
import { escaped } from '../../../system/escaped.ts';
import type { Argv, FlagTable } from '../../line/command.ts';
import { changeFlags, needed, take, terminal, typed, type Voice } from './flags.ts';

export const flags = {
  ...changeFlags,
  purge: { help: 'also remove its configuration, key, state and logs' },
  force: { help: 'remove a unit that muster did not write' },
} as const satisfies FlagTable;

export async function run({ flags: given }: Argv<typeof flags>): Promise<number> {
  const role = needed(given.role, 'uninstall');
  const machine = await resolveTarget({ scope: given.user ? 'user' : 'system', root: given.root });
  if (!given['dry-run']) requireRoot(machine, typed('uninstall', { ...given, role }));
  return uninstallService(
    machine,
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
  machine: ServiceTarget,
  options: UninstallOptions,
  { print, warn }: Voice,
): Promise<number> {
  const { role, dryRun } = options;
  const { prefix } = machine;
  const places = machine.paths(role);
  const found = await inspect(machine, role);
  const plan = planUninstall({ ...machine, ...options }, places, found);
  const elsewhere =
    options.purge && machine.root === undefined
      ? await dataElsewhere(prefix + places.config, found.files.get(places.config))
      : [];
  for (const warning of plan.warnings) warn(escaped(warning));
  await take(plan, machine, { name: places.name, dryRun, print });
  for (const note of [...plan.notes, ...elsewhere]) print(`${escaped(note)}\n`);
  if (plan.steps.length === 0) print(`Nothing to do: ${places.name} is not installed.\n`);
  else if (dryRun) print('Nothing of this was done: --dry-run.\n');
  return 0;
}

/** A note about state in a folder of the operator's choice. To be asked before the configuration goes. */
async function dataElsewhere(config: string, standing: ExistingFile | undefined): Promise<string[]> {
  if (standing?.kind !== 'text') return [];
  // One with faults says nothing for sure.
  const loaded = await loadSettings({ configFile: config }).catch(() => undefined);
  const folder = loaded?.settings.dataDir;
  return folder === undefined ? [] : [`${folder}, which dataDir names, is yours, and stays`];
}
