// The text of every file that a service is installed with.
import { join } from 'node:path';
import type { Role } from '../config/role.ts';
import { readBounded } from '../system/files.ts';
import type { ServiceFile } from './plan-install.ts';
import type { ManagerName, Scope } from './scope.ts';
import { addSeal } from './seal.ts';
import type { ServicePaths } from './service-paths.ts';

export interface ServiceFileParameters {
  readonly manager: ManagerName;
  readonly role: Role;
  readonly scope: Scope;
  readonly executable: string;
  /** The version of systemd that will read it, if known. */
  readonly systemd: number | undefined;
  /** Those of the groups `render` and `video` that are there. */
  readonly groups: readonly string[];
}

export interface ServiceFiles {
  readonly unit: ServiceFile;
  readonly rotation: ServiceFile | undefined;
}

/** Throws MusterError `usage` when the executable's path cannot stand in a unit. */
export async function createServiceFiles(
  wish: ServiceFileParameters,
  places: ServicePaths,
): Promise<ServiceFiles> {
  const { role, scope, executable, systemd, groups } = wish;
  if (wish.manager === 'systemd') {
    const { unitFile } = await import('./systemd-units.ts');
    const text = unitFile(role, { executable, scope, systemd, groups });
    return { unit: { path: places.unit, content: addSeal(text) }, rotation: undefined };
  }
  const { plistFile, newsyslogFile } = await import('./launchd.ts');
  const log = places.log ?? '';
  // A user's own comes before the machine's, as it does with systemd.
  const configFolder = scope === 'user' ? places.configFolder : undefined;
  const text = plistFile(role, { executable, logFile: log, configFolder });
  return {
    unit: { path: places.unit, content: addSeal(text) },
    rotation: places.rotation
      ? { path: places.rotation, content: addSeal(newsyslogFile(role, log)) }
      : undefined,
  };
}

/** Which of the groups that own GPUs this machine has. */
export async function gpuGroups(root: string): Promise<string[]> {
  const text = await readBounded(join(root || '/', 'etc/group'), 1_048_576).catch(() => undefined);
  const names = new Set((text?.toString('utf8') ?? '').split('\n').map(line => line.split(':', 1)[0]));
  return ['render', 'video'].filter(name => names.has(name));
}
