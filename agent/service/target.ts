// This machine as a place for services: its service manager, who owns the files, and where they go.
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
  /** Of the files that are written. */
  readonly owner: Owner;
  /** Another root than the machine's own, where nothing runs. */
  readonly root: string | undefined;
  /** Put before every path that is looked at or changed. */
  readonly prefix: string;
  /** undefined where there is nothing to be asked. */
  readonly managerProgram: ManagerProgram | undefined;
  /** The version of systemd, if it is known. */
  readonly systemd: number | undefined;
  paths(role: Role): ServicePaths;
}

export interface TargetOptions {
  scope: Scope;
  /** A folder that stands for `/`. */
  root: string | undefined;
  environment?: Environment;
}

/** Throws MusterError where there is no service manager, or no home for a user's service. */
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
  // Another root may hold another version.
  const systemd = root === undefined ? await systemctl.version() : undefined;
  return { ...base, paths, managerProgram: systemctl, systemd };
}

/** Throws MusterError `failed` on a system that has none that muster knows. */
export function localManager(): ManagerName {
  if (process.platform === 'linux') return 'systemd';
  if (process.platform === 'darwin') return 'launchd';
  throw new MusterError('failed', `muster knows no service manager of ${process.platform}`);
}

/** The version of systemd on this machine; undefined where there is none. */
export async function systemdVersion(): Promise<number | undefined> {
  const program = await findSystemProgram('systemctl').catch(() => undefined);
  if (program === undefined) return undefined;
  return new Systemctl(program, { user: false, root: undefined }).version();
}

/**
 * Throws MusterError `not_allowed` when a service of the whole machine needs root, and this is not root.
 * @param command what was to be done, to be typed after `sudo`
 */
export function requireRoot({ scope, root, uid }: ServiceTarget, command: string): void {
  if (scope === 'user' || root !== undefined || uid === 0) return;
  throw new MusterError('not_allowed', 'a service of the whole machine is root’s to change', {
    hint: `sudo ${command}; for a service of your own: --user; to see what would be done: --dry-run`,
  });
}

async function folderAt(name: string): Promise<string> {
  // A variable that is not set, most likely: the working folder is not what was meant.
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

/** The name of this user, or the number of one without a name. */
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
  throw new MusterError('bad_config', 'this user has no home folder to put a service in', {
    hint: 'set HOME, or install a service of the whole machine, without --user',
  });
}

/** How systemctl finds the user's systemd; after `su` or in a cron job nothing names it. */
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
