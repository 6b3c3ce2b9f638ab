// Where a service's files stand: its unit, the configuration, what it keeps, by service manager and scope.
import { dirname, join } from 'node:path';
import { type Folders, systemEnvironment } from '../config/environment.ts';
import type { Role } from '../config/role.ts';
import { type ManagerName, type Scope, unitName } from './scope.ts';

export interface ServicePaths {
  /** The name under which the service manager knows it. */
  readonly name: string;
  /** The unit, or the property list. */
  readonly unit: string;
  /** Where a package would put it: such a one is used, and left alone. */
  readonly packaged: readonly string[];
  /** What the operator changes about it (systemd's drop-ins). */
  readonly dropIns: string | undefined;
  readonly configFolder: string;
  readonly config: string;
  readonly dataFolder: string;
  /** Where that folder really is, when the one above is a link that systemd makes (DynamicUser). */
  readonly privateDataFolder: string | undefined;
  readonly cacheFolder: string;
  readonly privateCacheFolder: string | undefined;
  /** The folders in the data folder that are this role's alone. */
  readonly ownData: readonly string[];
  /** Where the operator keeps its secrets for systemd. */
  readonly credentials: string | undefined;
  /** The file that takes the log, where no journal does. */
  readonly log: string | undefined;
  /** What rotates that file. */
  readonly rotation: string | undefined;
}

export const roleData: Record<Role, readonly string[]> = {
  agent: ['agent'],
  requester: ['requester', 'broker'],
};

/** `home` is the user's for the scope `user`, and of no matter otherwise. */
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
  return {
    ...common,
    ...(manager === 'systemd' ? systemd(scope, role, folders) : launchd(scope, role, folders)),
  };
}

/** Where a changed file goes that is not lost, beside `earlier` ones: no service manager reads it there. */
export const savedPath = (path: string, earlier = 0): string =>
  `${path}.saved${earlier === 0 ? '' : `.${earlier}`}`;

/** Is `name` where a changed `path` went? */
export const isSaved = (name: string, path: string): boolean =>
  name.startsWith(savedPath(path)) && /^(\.\d+)?$/.test(name.slice(savedPath(path).length));

export const launchdLabel = (role: Role): string => `org.muster.${role}`;

type ManagerPaths = Omit<ServicePaths, 'configFolder' | 'config' | 'dataFolder' | 'cacheFolder' | 'ownData'>;

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
    log: undefined,
    rotation: undefined,
  };
}

function launchd(scope: Scope, role: Role, folders: Folders): ManagerPaths {
  const name = launchdLabel(role);
  // ~/Library/Preferences/muster
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
    log: system ? `/var/log/muster-${role}.log` : join(library, 'Logs', `muster-${role}.log`),
    // Only root may say what newsyslog rotates.
    rotation: system ? `/etc/newsyslog.d/${name}.conf` : undefined,
  };
}
