// Uninstalls a service: reads what is there, plans the steps, carries them out, and says what is left.
import { loadSettings } from '../../../config/load.ts';
import type { Role } from '../../../config/role.ts';
import { inspect } from '../../../service/inspect.ts';
import type { ExistingFile } from '../../../service/plan.ts';
import { planUninstall } from '../../../service/plan-uninstall.ts';
import type { ServiceTarget } from '../../../service/target.ts';
import { escapeText } from '../../../system/escape.ts';
import { carryOut, type Output } from './show-plan.ts';

export interface UninstallOptions {
  role: Role;
  purge: boolean;
  force: boolean;
  /** Whether to show what would be done, and change nothing. */
  dryRun: boolean;
}

/** Uninstalls the service. Throws MusterError when the removal is refused, or a step fails. */
export async function uninstallService(
  target: ServiceTarget,
  options: UninstallOptions,
  { print, warn }: Output,
): Promise<void> {
  const { role, purge, dryRun } = options;
  const paths = target.paths(role);
  const inspection = await inspect(target, role);
  const plan = planUninstall({ ...target, ...options }, paths, inspection);
  // The notes are made before the steps, because --purge removes the configuration.
  const notes = [...plan.notes];
  if (purge && target.root === undefined)
    notes.push(...(await dataFolderNote(target.prefix + paths.config, inspection.files.get(paths.config))));
  for (const warning of plan.warnings) warn(escapeText(warning));
  await carryOut(plan, target, { name: paths.name, dryRun, print });
  for (const note of notes) print(`${escapeText(note)}\n`);
  if (plan.steps.length === 0) print(`Nothing to do: ${paths.name} is not installed.\n`);
  else if (dryRun) print('Nothing was changed: --dry-run.\n');
}

/** Returns a note about the state in a folder that the operator chose. That folder is never removed. */
async function dataFolderNote(config: string, existing: ExistingFile | undefined): Promise<string[]> {
  if (existing?.kind !== 'text') return [];
  // When the configuration has faults, the folder in it may be wrong.
  const loaded = await loadSettings({ configFile: config }).catch(() => undefined);
  const folder = loaded?.settings.dataDir;
  return folder === undefined ? [] : [`the state in ${folder} stays: the setting dataDir names that folder`];
}
