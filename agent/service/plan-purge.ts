// What a purge takes besides the service itself: this role's key, state and logs, and what both roles share once both are gone.
import { dirname, join, resolve } from 'node:path';
import { roles } from '../config/role.ts';
import type { Inspection, Step } from './plan.ts';
import { isSaved, roleData, type ServicePaths } from './service-paths.ts';

/** The removal of all that `install` and the role itself have left, once the service is gone. */
export function planPurge(places: ServicePaths, found: Inspection): { steps: Step[]; notes: string[] } {
  const steps: Step[] = [];
  const notes: string[] = [];
  const remove = (path: string, what: 'file' | 'folder' | 'tree') => {
    steps.push({ action: 'remove', path, what });
  };
  const inside = (folder: string) => found.entries.get(folder) ?? [];
  if (places.dropIns && found.folders.has(places.dropIns)) remove(places.dropIns, 'tree');
  for (const path of [places.unit, places.rotation]) {
    for (const name of found.files.keys())
      if (path !== undefined && isSaved(name, path)) remove(name, 'file');
  }
  for (const log of found.logs) remove(log, 'file');
  // What lies in the data folder: this role's own goes, all else is somebody else's.
  for (const name of places.ownData) {
    if (inside(places.dataFolder).includes(name)) remove(join(places.dataFolder, name), 'tree');
  }
  const others = inside(places.dataFolder).filter(name => !places.ownData.includes(name));
  const kept = others.filter(name => roles.some(role => roleData[role].includes(name)));
  if (found.otherInstalled) {
    notes.push(`${places.config} stays: the other role is installed, and uses it too`);
  } else {
    removeShared(places.cacheFolder, places.privateCacheFolder, 'tree');
    if (others.length === 0) removeShared(places.dataFolder, places.privateDataFolder, 'folder');
    else notes.push(`${places.dataFolder} still holds ${others.join(', ')}, and stays`);
    // The state of the other role was kept for a day when it is installed again.
    if (kept.length === 0) removeConfig();
    else notes.push(`${places.config} stays with the state of the other role`);
  }
  for (const secret of found.secrets) notes.push(`${secret} is yours, and stays`);
  return { steps, notes };

  /** A folder that systemd may have put elsewhere, with a link in its place. */
  function removeShared(folder: string, hidden: string | undefined, what: 'folder' | 'tree'): void {
    const link = found.files.get(folder);
    if (found.folders.has(folder)) remove(folder, what);
    if (link?.kind !== 'link') return;
    if (resolve(dirname(folder), link.target) === hidden) remove(hidden, what);
    else notes.push(`${folder} is a link to ${link.target}, which stays`);
    remove(folder, 'file');
  }

  function removeConfig(): void {
    if (found.packaged) {
      notes.push(`${places.config} belongs to the package`);
      return;
    }
    if (found.files.has(places.config)) remove(places.config, 'file');
    const left = inside(places.configFolder).filter(
      name => join(places.configFolder, name) !== places.config,
    );
    const link = found.files.get(places.configFolder);
    if (left.length > 0) notes.push(`${places.configFolder} still holds ${left.join(', ')}, and stays`);
    else if (link?.kind === 'link')
      notes.push(`${places.configFolder} is a link to ${link.target}, which stays`);
    else if (found.folders.has(places.configFolder)) remove(places.configFolder, 'folder');
  }
}
