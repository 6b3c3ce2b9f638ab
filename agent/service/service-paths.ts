// Computes the paths of a service's files for each service manager and scope: the unit, the configuration, the state and the
// logs.
import { dirname, join } from 'node:path';
import { type Folders, systemEnvironment } from '../config/environment.ts';
import { restoringFolder } from '../config/paths.ts';
import type { Role } from '../config/role.ts';
import { type ManagerName, type Scope, unitName } from './scope.ts';

export interface ServicePaths {
  /** The name of the service in the service manager. */
  readonly name: string;
  /** The unit (systemd) or the property list (launchd). */
  readonly unit: string;
  /** Paths where a package puts the unit. muster uses such a unit and does not change it. */
  readonly packaged: readonly string[];
  /** The folder of the drop-ins, with which an operator changes the unit (systemd only). */
  readonly dropIns: string | undefined;
  readonly configFolder: string;
  readonly config: string;
  readonly dataFolder: string;
  /** The real data folder when `dataFolder` is a link that systemd makes (DynamicUser=). */
  readonly privateDataFolder: string | undefined;
  readonly cacheFolder: string;
  readonly privateCacheFolder: string | undefined;
  /** The names of the folders in the data folder that belong to this role. */
  readonly ownData: readonly string[];
  /** The folders beside the data folder in which a restore as root may have left the keys of a requester. */
  readonly restoring: readonly string[];
  /** The folder in which the operator keeps secrets for systemd. */
  readonly credentials: string | undefined;
  /** The secret that holds the join code of an agent; undefined where the service manager passes no secrets. */
  readonly joinCode: string | undefined;
  /** The log file; undefined when the log goes to the journal. */
  readonly log: string | undefined;
  /** The file with the rule that rotates the log. */
  readonly rotation: string | undefined;
}

export const roleData: Record<Role, readonly string[]> = {
  agent: ['agent'],
  requester: ['requester', 'broker'],
};

/** Returns the paths; `home` is used only for the scope `user`. */
export function servicePathsOf(
  manager: ManagerName,
  scope: Scope,
  role: Role,
  home: Folders | undefined,
): ServicePaths {
  const folders = scope === 'user' && home ? home : systemEnvironment.machine;
  const common = {
    configFolder: folders.config,
    config: join(folders.config, 'config.yaml'),
    dataFolder: folders.data,
    cacheFolder: folders.cache,
    ownData: roleData[role],
  };
  const paths = {
    ...common,
    ...(manager === 'systemd' ? systemd(scope, role, folders) : launchd(scope, role, folders)),
  };
  const dataFolders =
    scope === 'system' && role === 'requester' ? [paths.privateDataFolder, paths.dataFolder] : [];
  return { ...paths, restoring: dataFolders.flatMap(folder => (folder ? [restoringFolder(folder)] : [])) };
}

/**
 * Returns the name to which a changed file is renamed when there are `earlier` such files. No service manager reads it.
 */
export const savedPath = (path: string, earlier = 0): string =>
  `${path}.saved${earlier === 0 ? '' : `.${earlier}`}`;

/** Returns whether `name` is a name to which a changed file `path` was renamed. */
export const isSaved = (name: string, path: string): boolean =>
  name.startsWith(savedPath(path)) && /^(\.\d+)?$/.test(name.slice(savedPath(path).length));

export const launchdLabel = (role: Role): string => `org.muster.${role}`;

type ManagerPaths = Omit<
  ServicePaths,
  'configFolder' | 'config' | 'dataFolder' | 'cacheFolder' | 'ownData' | 'restoring'
>;

function systemd(scope: Scope, role: Role, folders: Folders): ManagerPaths {
  const name = unitName(role);
  const system = scope === 'system';
  const folder = system ? '/etc/systemd/system' : join(dirname(folders.config), 'systemd/user');
  const hidden = (path: string) => (system ? join(dirname(path), 'private', 'muster') : undefined);
  return {
    name,
    unit: join(folder, name),
    packaged: ['/usr/local/lib', '/usr/lib', '/lib'].map(lib => join(lib, 'systemd', scope, name)),
    dropIns: join(folder, `${name}.d`),
    privateDataFolder: hidden(folders.data),
    privateCacheFolder: hidden(folders.cache),
    credentials: system ? '/etc/credstore' : undefined,
    joinCode: system && role === 'agent' ? '/etc/credstore/muster-agent.join.code' : undefined,
    log: undefined,
    rotation: undefined,
  };
}

function launchd(scope: Scope, role: Role, folders: Folders): ManagerPaths {
  const name = launchdLabel(role);
  // `folders.config` is ~/Library/Preferences/muster.
  const library = dirname(dirname(folders.config));
  const system = scope === 'system';
  return {
    name,
    unit: system ? `/Library/LaunchDaemons/${name}.plist` : join(library, 'LaunchAgents', `${name}.plist`),
    packaged: [],
    dropIns: undefined,
    privateDataFolder: undefined,
    privateCacheFolder: undefined,
    credentials: undefined,
    joinCode: undefined,
    log: system ? `/var/log/muster-${role}.log` : join(library, 'Logs', `muster-${role}.log`),
    // Only root may configure newsyslog.
    rotation: system ? `/etc/newsyslog.d/${name}.conf` : undefined,
  };
}
