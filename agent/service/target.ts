// Describes the place of an installation: the service manager, the scope, the owner of the files, and their paths.
import { access, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { type Environment, type Folders, systemEnvironment } from '../config/environment.ts';
import type { Role } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import { Launchctl } from './launchctl.ts';
import { findSystemProgram, type ManagerProgram } from './manager-program.ts';
import type { Owner } from './plan.ts';
import { launchdDomain } from './plan-install.ts';
import type { ManagerName, Scope } from './scope.ts';
import { type ServicePaths, servicePathsOf } from './service-paths.ts';
import { Systemctl } from './systemctl.ts';

export interface ServiceTarget {
  readonly manager: ManagerName;
  readonly scope: Scope;
  readonly uid: number;
  /** The owner of the files that are written. */
  readonly owner: Owner;
  /** The other root, where nothing runs; undefined for `/`. */
  readonly root: string | undefined;
  /** The text that is put before every path that is read or changed. */
  readonly prefix: string;
  /** The program of the service manager; undefined for another root with launchd, where nothing can be asked. */
  readonly managerProgram: ManagerProgram | undefined;
  /** The version of systemd; undefined when it is unknown. */
  readonly systemd: number | undefined;
  paths(role: Role): ServicePaths;
}

export interface TargetOptions {
  scope: Scope;
  /** The folder that is used as `/`. */
  root: string | undefined;
  environment?: Environment;
}

/**
 * Returns the target. Throws MusterError when there is no service manager, or the user has no home folder for a service.
 */
export async function resolveTarget(options: TargetOptions): Promise<ServiceTarget> {
  const { scope, environment = systemEnvironment } = options;
  const manager = localManager();
  const root = options.root === undefined ? undefined : await folderAt(options.root);
  const home = scope === 'user' ? await homeOf(environment) : undefined;
  const uid = process.getuid?.() ?? 0;
  const prefix = root === undefined || root === '/' ? '' : root;
  const base = { manager, scope, uid, root, prefix, owner: owner(manager, scope, uid) };
  const paths = (role: Role) => servicePathsOf(manager, scope, role, home);
  if (manager === 'launchd') {
    const managerProgram =
      root === undefined
        ? new Launchctl(await findSystemProgram('launchctl'), launchdDomain(base))
        : undefined;
    return { ...base, paths, managerProgram, systemd: undefined };
  }
  const env = scope === 'user' ? await userBus(uid, environment) : {};
  const systemctl = new Systemctl(await findSystemProgram('systemctl'), {
    user: scope === 'user',
    root,
    env,
  });
  // Another root may contain another version of systemd.
  const systemd = root === undefined ? await systemctl.version() : undefined;
  return { ...base, paths, managerProgram: systemctl, systemd };
}

/**
 * Returns the service manager of this system. Throws MusterError `failed` on a system whose manager is unknown to muster.
 */
export function localManager(): ManagerName {
  if (process.platform === 'linux') return 'systemd';
  if (process.platform === 'darwin') return 'launchd';
  throw new MusterError('failed', `muster does not know the service manager of ${process.platform}`);
}

/** Returns the version of systemd on this machine; undefined when there is none. */
export async function systemdVersion(): Promise<number | undefined> {
  const program = await findSystemProgram('systemctl').catch(() => undefined);
  if (program === undefined) return undefined;
  return new Systemctl(program, { user: false, root: undefined }).version();
}

/**
 * Throws MusterError `not_allowed` when this user is not root but the service of the whole machine is to be changed.
 * @param command the command line that the person must type after `sudo`
 */
export function requireRoot({ scope, root, uid }: ServiceTarget, command: string): void {
  if (scope === 'user' || root !== undefined || uid === 0) return;
  throw new MusterError('not_allowed', 'only root can change a service of the whole machine', {
    hint: `sudo ${command}; or --user for a service of your own; or --dry-run to see what would be done`,
  });
}

async function folderAt(name: string): Promise<string> {
  // An empty name usually comes from a shell variable that is not set. It must not mean the working folder.
  if (name === '') throw new MusterError('usage', '--root is empty: it needs the name of a folder');
  const path = resolve(name);
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory()) return path;
  throw new MusterError('usage', `--root ${path}: there is no such folder`);
}

function owner(manager: ManagerName, scope: Scope, uid: number): Owner {
  if (scope === 'system') return { uid: 0, gid: 0, name: manager === 'systemd' ? 'root:root' : 'root:wheel' };
  const gid = process.getgid?.() ?? 0;
  return { uid, gid, name: `${userName()}:${gid}` };
}

/** Returns the name of this user, or the user's number when there is no name. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.());
  }
}

async function homeOf(environment: Environment): Promise<Folders> {
  const home = await environment.user();
  if (home) return home;
  throw new MusterError(
    'bad_config',
    'this user has no home folder, where a service of a user is installed',
    {
      hint: 'set HOME, or install a service of the whole machine, without --user',
    },
  );
}

/** Returns the variables with which systemctl finds the user's systemd. They are not set after `su` or in a cron job. */
async function userBus(uid: number, { variables }: Environment): Promise<Record<string, string>> {
  const { XDG_RUNTIME_DIR, DBUS_SESSION_BUS_ADDRESS } = variables;
  const usual = `/run/user/${uid}`;
  const there = await access(usual).then(
    () => true,
    () => false,
  );
  const runtime = XDG_RUNTIME_DIR ?? (there ? usual : undefined);
  return {
    ...(runtime ? { XDG_RUNTIME_DIR: runtime } : {}),
    ...(DBUS_SESSION_BUS_ADDRESS ? { DBUS_SESSION_BUS_ADDRESS } : {}),
  };
}
