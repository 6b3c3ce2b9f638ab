// Inspects a machine before anything is changed: which files of a service exist, and what state the service manager shows.
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Role } from '../config/role.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { readBounded } from '../system/read-file.ts';
import { askHolder } from '../system/role-socket.ts';
import type { ExistingFile, Inspection, ServiceState } from './plan.ts';
import { otherRole } from './scope.ts';
import { isSaved, savedPath } from './service-paths.ts';
import type { ServiceTarget } from './target.ts';

const maxFileBytes = 1_048_576;

/**
 * Inspects the machine. Throws MusterError when the service manager does not answer. A file that this user may not see
 * counts as absent.
 */
export async function inspect(target: ServiceTarget, role: Role): Promise<Inspection> {
  const { managerProgram, prefix } = target;
  const paths = target.paths(role);
  const other = target.paths(otherRole(role));
  const files = new Map<string, ExistingFile>();
  const folders = new Set<string>();
  const entries = new Map<string, readonly string[]>();
  const readPath = async (path: string) => {
    const info = await lstat(prefix + path).catch(() => undefined);
    if (info?.isDirectory()) folders.add(path);
    else if (info?.isSymbolicLink()) {
      files.set(path, { kind: 'link', target: await readlink(prefix + path) });
      if (parentFolders.includes(path) && (await leadsToFolder(path))) folders.add(path);
    } else if (info) files.set(path, await readExisting(prefix + path));
  };
  // On macOS /etc is a link to a folder. Links in another root are not followed, because they may lead out of it.
  const leadsToFolder = async (path: string) => {
    const info = target.root === undefined && (await stat(prefix + path).catch(() => undefined));
    return info ? info.isDirectory() : false;
  };
  const list = async (folder: string) => {
    entries.set(folder, (await readdir(prefix + folder).catch(() => [])).sort());
  };
  const { unit, config, rotation, log, dropIns, configFolder, dataFolder, cacheFolder } = paths;
  const hidden = [paths.privateDataFolder, paths.privateCacheFolder, ...paths.restoring];
  const parentFolders = [unit, config, rotation, log].flatMap(path => (path ? parents(path) : []));
  const savedOf = async (path: string) => {
    const names = await listWithPrefix(dirname(path), basename(savedPath(path)), prefix);
    return names.filter(name => isSaved(name, path));
  };
  const saved = (await Promise.all([unit, rotation].map(path => (path ? savedOf(path) : [])))).flat();
  const own = [dropIns, configFolder, dataFolder, cacheFolder, paths.credentials];
  const wanted = [unit, config, rotation, ...saved, ...own];
  await Promise.all(
    [...new Set([...wanted, ...hidden, ...parentFolders])].map(path => path && readPath(path)),
  );
  await Promise.all([configFolder, dataFolder, cacheFolder].map(list));
  const packaged = await firstExisting(paths.packaged, prefix);
  const otherInstalled =
    (await exists(prefix + other.unit)) ||
    ((await firstExisting(other.packaged, prefix)) !== undefined &&
      isUsed(await managerProgram?.state(other.name)));
  const service = await managerProgram?.state(paths.name);
  return {
    files,
    folders,
    entries,
    packaged,
    otherInstalled,
    logs: log ? await listWithPrefix(dirname(log), basename(log), prefix) : [],
    secrets: paths.credentials ? await listWithPrefix(paths.credentials, `${bare(paths.name)}.`, prefix) : [],
    // No role runs in another root.
    holder: target.root === undefined ? await askHolderPid(join(prefix + dataFolder, role)) : undefined,
    outdated: service?.pid !== undefined && (await isOutdated(service.pid)),
    service,
  };
}

/**
 * Returns whether the service is used. A package installs the units of both roles, but a role is used on this machine
 * only when its unit is enabled or running.
 */
export const isUsed = (service: Pick<ServiceState, 'enabled' | 'state'> | undefined): boolean =>
  service !== undefined && (service.enabled || service.state !== 'stopped');

/** Returns the folders above `path`: `/a/b` and `/a` for `/a/b/c`. */
function parents(path: string): string[] {
  const parent = dirname(path);
  return parent === '/' ? [] : [parent, ...parents(parent)];
}

async function readExisting(path: string): Promise<ExistingFile> {
  try {
    const text = (await readBounded(path, maxFileBytes))?.toString('utf8') ?? '';
    return { kind: 'text', text };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    const why = errnoOf(error.cause) === 'EACCES' ? 'permission denied' : reasonOf(error.cause);
    return { kind: 'other', why: `it cannot be read (${why})` };
  }
}

async function askHolderPid(folder: string): Promise<number | undefined> {
  // The role may not answer, or this user may not ask it. If it holds the data folder, the start of the service will fail
  // and say so.
  const status = await askHolder(folder, { command: 'status' }).catch(() => undefined);
  const { pid } = (status ?? {}) as { pid?: unknown };
  return Number.isSafeInteger(pid) ? Number(pid) : undefined;
}

/**
 * Returns whether the file of the running program was deleted or replaced. Only Linux tells that, and only to root and to
 * the owner.
 */
export async function isOutdated(pid: number): Promise<boolean> {
  const file = await readlink(`/proc/${pid}/exe`).catch(() => '');
  return file.endsWith(' (deleted)');
}

async function firstExisting(paths: readonly string[], prefix: string): Promise<string | undefined> {
  for (const path of paths) if (await exists(prefix + path)) return path;
  return undefined;
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Returns the paths of the files in `folder` whose names begin with `start`. */
async function listWithPrefix(folder: string, start: string, prefix: string): Promise<string[]> {
  const names = await readdir(prefix + folder).catch(() => []);
  return names
    .filter(name => name.startsWith(start))
    .sort()
    .map(name => join(folder, name));
}

const bare = (name: string): string => name.replace(/\.service$/, '');
