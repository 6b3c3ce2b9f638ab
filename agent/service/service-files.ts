// Creates the content of every file that an installation of a service writes.
import { join } from 'node:path';
import type { Role } from '../config/role.ts';
import { readSystemFile } from '../system/read-file.ts';
import type { ServiceFile } from './plan-install.ts';
import type { ManagerName, Scope } from './scope.ts';
import { addSeal } from './seal.ts';
import type { ServicePaths } from './service-paths.ts';

export interface ServiceFileParameters {
  readonly manager: ManagerName;
  readonly role: Role;
  readonly scope: Scope;
  readonly executable: string;
  /** The version of systemd that will read the unit; undefined when it is unknown. */
  readonly systemd: number | undefined;
  /** Those of the groups `render` and `video` that exist on this machine. */
  readonly groups: readonly string[];
}

export interface ServiceFiles {
  readonly unit: ServiceFile;
  readonly rotation: ServiceFile | undefined;
}

/** Returns the files. Throws MusterError `usage` when a unit cannot contain the path of the executable. */
export async function createServiceFiles(
  parameters: ServiceFileParameters,
  paths: ServicePaths,
): Promise<ServiceFiles> {
  const { role, scope, executable, systemd, groups } = parameters;
  if (parameters.manager === 'systemd') {
    const { unitFile } = await import('./systemd-units.ts');
    const text = unitFile(role, { executable, scope, systemd, groups });
    return { unit: { path: paths.unit, content: addSeal(text) }, rotation: undefined };
  }
  const { plistFile, newsyslogFile } = await import('./launchd.ts');
  const log = paths.log ?? '';
  // A user's own configuration is read before the machine's, as under systemd.
  const configFolder = scope === 'user' ? paths.configFolder : undefined;
  const text = plistFile(role, { executable, logFile: log, configFolder });
  return {
    unit: { path: paths.unit, content: addSeal(text) },
    rotation: paths.rotation
      ? { path: paths.rotation, content: addSeal(newsyslogFile(role, log)) }
      : undefined,
  };
}

/** Returns the groups with access to GPUs that exist on this machine. */
export async function gpuGroups(root: string): Promise<string[]> {
  const text = await readSystemFile(join(root || '/', 'etc/group'), 1_048_576).catch(() => undefined);
  const names = new Set((text?.toString('utf8') ?? '').split('\n').map(line => line.split(':', 1)[0]));
  return ['render', 'video'].filter(name => names.has(name));
}
