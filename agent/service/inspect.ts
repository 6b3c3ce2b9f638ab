// Looks at a machine before anything is done to it: which of a service's files are there, and what the manager says.
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Role } from '../config/role.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { readBounded } from '../system/files.ts';
import { askHolder } from '../system/role-socket.ts';
import type { ExistingFile, Inspection, ServiceState } from './plan.ts';
import { otherRole } from './scope.ts';
import { isSaved, savedPath } from './service-paths.ts';
import type { ServiceTarget } from './target.ts';

const maxFileBytes = 1_048_576;

/** Throws MusterError when the service manager does not answer. What may not be read counts as not there. */
export async function inspect(machine: ServiceTarget, role: Role): Promise<Inspection> {
  const { managerProgram, prefix } = machine;
  const places = machine.paths(role);
  const other = machine.paths(otherRole(role));
  const files = new Map<string, ExistingFile>();
  const folders = new Set<string>();
  const entries = new Map<string, readonly string[]>();
  const look = async (path: string) => {
    const info = await lstat(prefix + path).catch(() => undefined);
    if (info?.isDirectory()) folders.add(path);
    else if (info?.isSymbolicLink()) {
      files.set(path, { kind: 'link', target: await readlink(prefix + path) });
      if (leading.includes(path) && (await leadsToFolder(path))) folders.add(path);
    } else if (info) files.set(path, await readExisting(prefix + path));
  };
  // As /etc does on macOS. In another root a link may lead out of it.
  const leadsToFolder = async (path: string) => {
    const info = machine.root === undefined && (await stat(prefix + path).catch(() => undefined));
    return info ? info.isDirectory() : false;
  };
  const list = async (folder: string) => {
    entries.set(folder, (await readdir(prefix + folder).catch(() => [])).sort());
  };
  const { unit, config, rotation, log, dropIns, configFolder, dataFolder, cacheFolder } = places;
  const hidden = [places.privateDataFolder, places.privateCacheFolder];
  const leading = [unit, config, rotation, log].flatMap(path => (path ? parents(path) : []));
  const savedOf = async (path: string) => {
    const names = await listWithPrefix(dirname(path), basename(savedPath(path)), prefix);
    return names.filter(name => isSaved(name, path));
  };
  const saved = (await Promise.all([unit, rotation].map(path => (path ? savedOf(path) : [])))).flat();
  const paths = [unit, config, rotation, ...saved, dropIns, configFolder, dataFolder, cacheFolder];
  await Promise.all([...new Set([...paths, ...hidden, ...leading])].map(path => path && look(path)));
  await Promise.all([configFolder, dataFolder, cacheFolder].map(list));
  const packaged = await firstExisting(places.packaged, prefix);
  const otherInstalled =
    (await exists(prefix + other.unit)) ||
    ((await firstExisting(other.packaged, prefix)) !== undefined &&
      isUsed(await managerProgram?.state(other.name)));
  const service = await managerProgram?.state(places.name);
  return {
    files,
    folders,
    entries,
    packaged,
    otherInstalled,
    logs: log ? await listWithPrefix(dirname(log), basename(log), prefix) : [],
    secrets: places.credentials
      ? await listWithPrefix(places.credentials, `${bare(places.name)}.`, prefix)
      : [],
    // In another root nothing runs.
    holder: machine.root === undefined ? await askHolderPid(join(prefix + dataFolder, role)) : undefined,
    outdated: service?.pid !== undefined && (await isOutdated(service.pid)),
    service,
  };
}

/** A package brings the units of both roles: only one that is started by hand or at boot is a role of this machine. */
export const isUsed = (service: Pick<ServiceState, 'enabled' | 'state'> | undefined): boolean =>
  service !== undefined && (service.enabled || service.state !== 'stopped');

/** `/a/b/c` has the parents `/a/b` and `/a`. */
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
  // Who may not ask, or gets no answer, learns it from the role when it starts.
  const status = await askHolder(folder, { command: 'status' }).catch(() => undefined);
  const { pid } = (status ?? {}) as { pid?: unknown };
  return Number.isSafeInteger(pid) ? Number(pid) : undefined;
}

/** Does the process run a file that is no more? Only Linux says so, and only to root or its owner. */
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

/** The files in `folder` whose name begins so, by path. */
async function listWithPrefix(folder: string, start: string, prefix: string): Promise<string[]> {
  const names = await readdir(prefix + folder).catch(() => []);
  return names
    .filter(name => name.startsWith(start))
    .sort()
    .map(name => join(folder, name));
}

const bare = (name: string): string => name.replace(/\.service$/, '');
