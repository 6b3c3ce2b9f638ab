// Reads the limits and the memory use of this process's control groups, of both versions, from their files.
import { readFileSync } from 'node:fs';
import type { Inputs } from './inputs/inputs.ts';
import { decimalNumber, wholeNumber } from './values/parse.ts';

/** A limit, and the file that it was read from. */
export interface FileLimit {
  readonly value: number;
  readonly file: string;
}

/**
 * Returns the tightest memory limit, in bytes, from this process's group up to the root. `ownGroups` is the text of
 * /proc/self/cgroup.
 */
export function readMemoryLimit(inputs: Inputs, ownGroups: string): Promise<FileLimit | undefined> {
  return tightest(inputs, hierarchy(ownGroups, 'memory'), memoryLimitIn);
}

/** Returns the tightest CPU quota, in CPUs, from this process's group up to the root. */
export function readCpuQuota(inputs: Inputs, ownGroups: string): Promise<FileLimit | undefined> {
  return tightest(inputs, hierarchy(ownGroups, 'cpu'), cpuQuotaIn);
}

/** Returns how many bytes the group of `limitFile` uses, without the file cache that the kernel would free first. */
export async function readMemoryUse(inputs: Inputs, limitFile: string): Promise<number | undefined> {
  const { usage, stat, cache } = memoryUseFiles(limitFile);
  return bytesInUse((await inputs.file(usage)).value, (await inputs.file(stat)).value, cache);
}

/**
 * Returns how many bytes the group uses, without waiting; undefined without a limit. An agent without the native probe
 * calls it for each resource report. The files of a group answer at once, like those of /proc.
 */
export function readMemoryInUse({ memoryFile }: { memoryFile?: string | undefined }): number | undefined {
  if (memoryFile === undefined) return undefined;
  const { usage, stat, cache } = memoryUseFiles(memoryFile);
  try {
    return bytesInUse(readFileSync(usage, 'latin1'), readFileSync(stat, 'latin1'), cache);
  } catch {
    // The file system of the groups was unmounted. The caller continues with its earlier value.
    return undefined;
  }
}

interface Hierarchy {
  readonly version: 1 | 2;
  /** Folders where the groups of the controller may be mounted, the most likely one first. */
  readonly mounts: readonly string[];
  /** The group of this process, in the kernel's spelling. */
  readonly group: string;
}

const root = '/sys/fs/cgroup';

// Finds the group of a controller. Lines are like `4:cpu,cpuacct:/a/b` (version 1) or `0::/a/b` (version 2). A controller
// that is in version 1 is not in version 2.
function hierarchy(ownGroups: string, controller: string): Hierarchy | undefined {
  let version2Group: string | undefined;
  for (const line of ownGroups.split('\n').slice(0, 64)) {
    const [, id, names = '', group = ''] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (names.split(',').includes(controller)) {
      return { version: 1, mounts: [`${root}/${controller}`, `${root}/${names}`], group };
    }
    if (id === '0' && names === '') version2Group = group;
  }
  return version2Group === undefined ? undefined : { version: 2, mounts: [root], group: version2Group };
}

type ReadLimit = (inputs: Inputs, version: 1 | 2, folder: string) => Promise<FileLimit | undefined>;

async function tightest(
  inputs: Inputs,
  from: Hierarchy | undefined,
  read: ReadLimit,
): Promise<FileLimit | undefined> {
  let least: FileLimit | undefined;
  for (const mount of new Set(from?.mounts)) {
    for (const group of upwards(from?.group ?? '/')) {
      const limit = await read(inputs, from?.version ?? 2, `${mount}${group}`);
      if (limit && (!least || limit.value < least.value)) least = limit;
    }
    if (least) return least;
  }
  return least;
}

/** Returns `/a/b`, `/a` and the root. In a container whose own group is mounted as the root, only the root is there. */
function upwards(group: string): string[] {
  // The name of a group outside the mounted part starts with `/..`.
  const parts = group.split('/').filter(part => part !== '' && part !== '..');
  return parts
    .slice(0, 32)
    .map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`)
    .concat('');
}

async function memoryLimitIn(inputs: Inputs, version: 1 | 2, folder: string): Promise<FileLimit | undefined> {
  const file = `${folder}/${version === 2 ? 'memory.max' : 'memory.limit_in_bytes'}`;
  // Reads a limit. In both versions `max` means no limit. In version 1 a number larger than any machine's memory also means
  // no limit.
  const value = wholeNumber((await inputs.file(file)).value);
  return value === undefined || value >= 2 ** 53 - 2 ** 20 ? undefined : { value, file };
}

async function cpuQuotaIn(inputs: Inputs, version: 1 | 2, folder: string): Promise<FileLimit | undefined> {
  const file = `${folder}/${version === 2 ? 'cpu.max' : 'cpu.cfs_quota_us'}`;
  const text = (await inputs.file(file)).value;
  const [quota, period] =
    version === 2
      ? (text?.split(' ') ?? [])
      : [text, (await inputs.file(`${folder}/cpu.cfs_period_us`)).value];
  const cpus = (decimalNumber(quota) ?? 0) / (decimalNumber(period) || Number.NaN);
  return cpus > 0 && Number.isFinite(cpus) ? { value: cpus, file } : undefined;
}

/**
 * Returns the two files that show how much memory the group of `limitFile` uses, and the name of the cache in the second
 * file.
 */
function memoryUseFiles(limitFile: string) {
  const folder = limitFile.slice(0, limitFile.lastIndexOf('/'));
  const stat = `${folder}/memory.stat`;
  return limitFile.endsWith('/memory.max')
    ? { usage: `${folder}/memory.current`, stat, cache: 'inactive_file' }
    : { usage: `${folder}/memory.usage_in_bytes`, stat, cache: 'total_inactive_file' };
}

// Returns the bytes in use without inactive file cache, because the kernel frees that before it refuses memory to a process.
function bytesInUse(usage: string | undefined, stat: string | undefined, cache: string): number | undefined {
  const used = wholeNumber(usage);
  const cached = wholeNumber(new RegExp(`^${cache} (\\d+)$`, 'm').exec(stat ?? '')?.[1]) ?? 0;
  return used === undefined ? undefined : Math.max(0, used - cached);
}
