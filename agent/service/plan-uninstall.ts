// Plans an uninstallation. It removes what install wrote, and with a purge also the configuration and the state. The
// functions are pure.
import { join } from 'node:path';
import type { Role } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import type { Inspection, Plan, Step } from './plan.ts';
import { type InstallParameters, launchdDomain, systemctlArgs } from './plan-install.ts';
import { planPurge } from './plan-purge.ts';
import { readSeal } from './seal.ts';
import { type ServicePaths, savedPath } from './service-paths.ts';

export interface UninstallParameters extends Pick<InstallParameters, 'manager' | 'scope' | 'uid' | 'root'> {
  readonly role: Role;
  /** Whether to remove the configuration and the state too. */
  readonly purge: boolean;
  /** Whether to remove even a unit that muster did not write. */
  readonly force: boolean;
}

/**
 * Returns the plan; it is empty when nothing is left to remove. @throws MusterError `failed` for a unit that muster did
 * not write; `in_use` when another process uses the state.
 */
export function planUninstall(
  parameters: UninstallParameters,
  paths: ServicePaths,
  inspection: Inspection,
): Plan {
  const steps: Step[] = [];
  const warnings: string[] = [];
  const notes: string[] = [];
  if (parameters.purge && inspection.holder !== undefined && inspection.holder !== inspection.service?.pid) {
    throw new MusterError(
      'in_use',
      `process ${inspection.holder} runs the ${parameters.role} with this state`,
      {
        hint: 'stop it first; without --purge the state stays',
      },
    );
  }
  const end = parameters.manager === 'systemd' ? stopWithSystemd : stopWithLaunchd;
  steps.push(...end(parameters, paths, inspection, removeUnit(parameters, paths, inspection, warnings)));
  if (inspection.packaged) notes.push(`${inspection.packaged} belongs to a package, which removes it`);
  if (paths.rotation) {
    steps.push(...removeWritten(parameters, paths.rotation, inspection, warnings));
  }
  if (parameters.purge) {
    const rest = planPurge(paths, inspection);
    steps.push(...rest.steps);
    notes.push(...rest.notes);
  }
  if (!parameters.purge) notes.push(...describeWhatStays(paths, inspection));
  return { steps, warnings, notes };
}

/**
 * Removes the unit. Without `force`, a unit that muster did not write stays, because its service may belong to somebody
 * else.
 */
function removeUnit(
  parameters: UninstallParameters,
  { unit }: ServicePaths,
  inspection: Inspection,
  warnings: string[],
): Step[] {
  const existing = inspection.files.get(unit);
  const seal = existing?.kind === 'text' ? readSeal(existing.text) : 'none';
  if (existing && seal === 'none' && !parameters.force) {
    const text = `muster did not write ${unit}: the file and the service are left unchanged`;
    throw new MusterError('failed', text, { hint: '--force removes it anyway' });
  }
  return removeWritten(parameters, unit, inspection, warnings);
}

/** Removes a file that install wrote. A changed file is renamed instead, to a name that no service manager reads. */
function removeWritten(
  { force, purge }: UninstallParameters,
  path: string,
  { files, folders }: Inspection,
  warnings: string[],
): Step[] {
  const existing = files.get(path);
  if (existing === undefined) return [];
  if (force || purge || (existing.kind === 'text' && readSeal(existing.text) === 'whole')) {
    return [{ action: 'remove', path, what: 'file' }];
  }
  let earlier = 0;
  while (files.has(savedPath(path, earlier)) || folders.has(savedPath(path, earlier))) earlier++;
  const to = savedPath(path, earlier);
  warnings.push(`${path} was changed after it was installed: it is kept as ${to}`);
  return [{ action: 'rename', path, to }];
}

function stopWithSystemd(
  parameters: UninstallParameters,
  { name }: ServicePaths,
  inspection: Inspection,
  unit: Step[],
): Step[] {
  const run = (...args: string[]): Step => ({ action: 'run', args: systemctlArgs(parameters, args) });
  const { service } = inspection;
  if (parameters.root !== undefined) return [...(service?.enabled ? [run('disable', name)] : []), ...unit];
  const steps: Step[] = [];
  // A service that waits for its next restart also has the state "failed". Stopping it leaves nothing to reset.
  const failed = service?.state === 'failed' && !service.managerState.startsWith('activating');
  if (service?.enabled) steps.push(run('disable', '--now', name));
  else if (service && service.state !== 'stopped' && !failed) steps.push(run('stop', name));
  steps.push(...unit);
  if (unit.length > 0) steps.push(run('daemon-reload'));
  // Without this step, systemd would still list the removed service as failed.
  if (failed) steps.push(run('reset-failed', name));
  return steps;
}

function stopWithLaunchd(
  parameters: UninstallParameters,
  { name }: ServicePaths,
  inspection: Inspection,
  unit: Step[],
): Step[] {
  if (parameters.root !== undefined || !inspection.service?.loaded) return unit;
  const stop: Step = { action: 'run', args: ['bootout', `${launchdDomain(parameters)}/${name}`] };
  return [stop, { action: 'await stop' }, ...unit];
}

function describeWhatStays(paths: ServicePaths, inspection: Inspection): string[] {
  const kept = [
    ...[paths.config].filter(path => inspection.files.has(path) && !inspection.otherInstalled),
    ...paths.ownData
      .filter(name => inspection.entries.get(paths.dataFolder)?.includes(name))
      .map(name => join(paths.dataFolder, name)),
    ...paths.restoring.filter(path => inspection.folders.has(path)),
    ...[paths.dropIns].filter(path => path !== undefined && inspection.folders.has(path)),
    ...inspection.logs,
  ];
  return kept.length > 0 ? [`these stay, and --purge removes them: ${kept.join(', ')}`] : [];
}
