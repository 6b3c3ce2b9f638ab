// Plans a purge. It removes the role's key, state and logs, and also the shared files when the other role is not installed.
import { dirname, join, resolve } from 'node:path';
import { roles } from '../config/role.ts';
import type { Inspection, Step } from './plan.ts';
import { isSaved, roleData, type ServicePaths } from './service-paths.ts';

/**
 * Returns the steps that remove the files that are left by `install` and by the role. They come after the steps that
 * remove the service.
 */
export function planPurge(paths: ServicePaths, inspection: Inspection): { steps: Step[]; notes: string[] } {
  const steps: Step[] = [];
  const notes: string[] = [];
  const remove = (path: string, what: 'file' | 'folder' | 'tree') => {
    steps.push({ action: 'remove', path, what });
  };
  const inside = (folder: string) => inspection.entries.get(folder) ?? [];
  if (paths.dropIns && inspection.folders.has(paths.dropIns)) remove(paths.dropIns, 'tree');
  for (const path of [paths.unit, paths.rotation]) {
    for (const name of inspection.files.keys())
      if (path !== undefined && isSaved(name, path)) remove(name, 'file');
  }
  for (const log of inspection.logs) remove(log, 'file');
  // In the data folder only the files of this role are removed.
  for (const name of paths.ownData) {
    if (inside(paths.dataFolder).includes(name)) remove(join(paths.dataFolder, name), 'tree');
  }
  for (const folder of paths.restoring) if (inspection.folders.has(folder)) remove(folder, 'tree');
  const others = inside(paths.dataFolder).filter(name => !paths.ownData.includes(name));
  const kept = others.filter(name => roles.some(role => roleData[role].includes(name)));
  if (inspection.otherInstalled) {
    notes.push(`${paths.config} stays: the other role is installed, and uses it too`);
  } else {
    removeShared(paths.cacheFolder, paths.privateCacheFolder, 'tree');
    if (others.length === 0) removeShared(paths.dataFolder, paths.privateDataFolder, 'folder');
    else notes.push(`${paths.dataFolder} still holds ${others.join(', ')}, and stays`);
    // The other role was uninstalled without a purge, so its state must stay for a later installation.
    if (kept.length === 0) removeConfig();
    else notes.push(`${paths.config} stays with the state of the other role`);
  }
  for (const secret of inspection.secrets) {
    // The install made the code, and it is of no use for another node.
    if (secret === paths.joinCode) remove(secret, 'file');
    else notes.push(`${secret} stays: you made it`);
  }
  return { steps, notes };

  /** Removes a folder. systemd may have moved it elsewhere and left a link in its place. */
  function removeShared(folder: string, hidden: string | undefined, what: 'folder' | 'tree'): void {
    const link = inspection.files.get(folder);
    if (inspection.folders.has(folder)) remove(folder, what);
    if (link?.kind !== 'link') return;
    if (resolve(dirname(folder), link.target) === hidden) remove(hidden, what);
    else notes.push(`${folder} is a link to ${link.target}, which stays`);
    remove(folder, 'file');
  }

  function removeConfig(): void {
    if (inspection.packaged) {
      notes.push(`${paths.config} belongs to the package`);
      return;
    }
    if (inspection.files.has(paths.config)) remove(paths.config, 'file');
    const left = inside(paths.configFolder).filter(name => join(paths.configFolder, name) !== paths.config);
    const link = inspection.files.get(paths.configFolder);
    if (left.length > 0) notes.push(`${paths.configFolder} still holds ${left.join(', ')}, and stays`);
    else if (link?.kind === 'link')
      notes.push(`${paths.configFolder} is a link to ${link.target}, which stays`);
    else if (inspection.folders.has(paths.configFolder)) remove(paths.configFolder, 'folder');
  }
}
