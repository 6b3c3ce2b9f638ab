// Uninstalling, decided: what install wrote goes, configuration and state stay; a purge leaves nothing of this role. Pure.
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
  /** Configuration and state go too. */
  readonly purge: boolean;
  /** Remove even a unit that muster did not write. */
  readonly force: boolean;
}

/**
 * The plan is empty when nothing of it is left.
 * @throws MusterError `failed` for a unit that muster did not write; `in_use` when another process uses what is to go.
 */
export function planUninstall(wish: UninstallParameters, places: ServicePaths, found: Inspection): Plan {
  const steps: Step[] = [];
  const warnings: string[] = [];
  const notes: string[] = [];
  if (wish.purge && found.holder !== undefined && found.holder !== found.service?.pid) {
    throw new MusterError('in_use', `process ${found.holder} runs the ${wish.role} on this state`, {
      hint: 'stop it first; without --purge the state stays',
    });
  }
  const end = wish.manager === 'systemd' ? stopWithSystemd : stopWithLaunchd;
  steps.push(...end(wish, places, found, removeUnit(wish, places, found, warnings)));
  if (found.packaged) notes.push(`${found.packaged} belongs to a package, which removes it`);
  if (places.rotation) {
    steps.push(...removeWritten(wish, places.rotation, found, warnings));
  }
  if (wish.purge) {
    const rest = planPurge(places, found);
    steps.push(...rest.steps);
    notes.push(...rest.notes);
  }
  if (!wish.purge) notes.push(...describeWhatStays(places, found));
  return { steps, warnings, notes };
}

/** The unit is the service: one that muster did not write is another's, and so is what it runs. */
function removeUnit(
  wish: UninstallParameters,
  { unit }: ServicePaths,
  found: Inspection,
  warnings: string[],
): Step[] {
  const standing = found.files.get(unit);
  const seal = standing?.kind === 'text' ? readSeal(standing.text) : 'none';
  if (standing && seal === 'none' && !wish.force) {
    const text = `${unit} is not one that muster wrote: it is left as it is, and the service too`;
    throw new MusterError('failed', text, { hint: '--force removes it all the same' });
  }
  return removeWritten(wish, unit, found, warnings);
}

/** Removes a file that install wrote. One that was changed since is kept under a name that no service manager reads. */
function removeWritten(
  { force, purge }: UninstallParameters,
  path: string,
  { files, folders }: Inspection,
  warnings: string[],
): Step[] {
  const standing = files.get(path);
  if (standing === undefined) return [];
  if (force || purge || (standing.kind === 'text' && readSeal(standing.text) === 'whole')) {
    return [{ action: 'remove', path, what: 'file' }];
  }
  let earlier = 0;
  while (files.has(savedPath(path, earlier)) || folders.has(savedPath(path, earlier))) earlier++;
  const to = savedPath(path, earlier);
  warnings.push(`${path} was changed since it was installed: it is kept as ${to}`);
  return [{ action: 'rename', path, to }];
}

function stopWithSystemd(
  wish: UninstallParameters,
  { name }: ServicePaths,
  found: Inspection,
  unit: Step[],
): Step[] {
  const run = (...args: string[]): Step => ({ action: 'run', args: systemctlArgs(wish, args) });
  const { service } = found;
  if (wish.root !== undefined) return [...(service?.enabled ? [run('disable', name)] : []), ...unit];
  const steps: Step[] = [];
  // One that waits to be started again counts as failed; a stop ends that, and leaves nothing to be reset.
  const failed = service?.state === 'failed' && !service.managerState.startsWith('activating');
  if (service?.enabled) steps.push(run('disable', '--now', name));
  else if (service && service.state !== 'stopped' && !failed) steps.push(run('stop', name));
  steps.push(...unit);
  if (unit.length > 0) steps.push(run('daemon-reload'));
  // Else systemd would go on to list what is no more.
  if (failed) steps.push(run('reset-failed', name));
  return steps;
}

function stopWithLaunchd(
  wish: UninstallParameters,
  { name }: ServicePaths,
  found: Inspection,
  unit: Step[],
): Step[] {
  if (wish.root !== undefined || !found.service?.loaded) return unit;
  const stop: Step = { action: 'run', args: ['bootout', `${launchdDomain(wish)}/${name}`] };
  return [stop, { action: 'await stop' }, ...unit];
}

function describeWhatStays(places: ServicePaths, found: Inspection): string[] {
  const kept = [
    ...[places.config].filter(path => found.files.has(path) && !found.otherInstalled),
    ...places.ownData
      .filter(name => found.entries.get(places.dataFolder)?.includes(name))
      .map(name => join(places.dataFolder, name)),
    ...[places.dropIns].filter(path => path !== undefined && found.folders.has(path)),
    ...found.logs,
  ];
  return kept.length > 0 ? [`these stay, and go with --purge: ${kept.join(', ')}`] : [];
}
