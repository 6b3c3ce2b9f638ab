// How much of the machine this process may use: control groups of both versions, and CPU affinity.
import { readFileSync } from 'node:fs';
import { type Inputs, measureInputs } from './inputs/inputs.ts';
import { type Fact, settle } from './values/fact.ts';
import { decimalNumber, lineValue, wholeNumber } from './values/parse.ts';
import { tidy } from './values/tidy.ts';

export interface Limits {
  /** Bytes; absent when nothing limits it. */
  memory?: Fact<number> | undefined;
  /** Bytes in use where that limit stands, less the file cache that is next to be dropped. */
  memoryUsed?: number | undefined;
  /** The file that the limit was read from. */
  memoryFile?: string | undefined;
  /** CPUs, as a fraction, by quota; absent when there is none. */
  quota?: Fact<number> | undefined;
  /** CPUs that the process may run on. */
  affinity?: Fact<number> | undefined;
}

interface Found {
  value: number;
  file: string;
}

/**
 * The tightest limits from this process's own group up to the root, by the files themselves and by the native probe.
 * cgroups(7). Never throws: what cannot be read limits nothing.
 */
export async function readLimits(inputs: Inputs): Promise<Limits> {
  const readAt = inputs.now().toISOString();
  const meter = measureInputs(inputs);
  const own = (await meter.inputs.file('/proc/self/cgroup')).value ?? '';
  const memory = await tightest(meter.inputs, hierarchy(own, 'memory'), memoryLimit);
  const quota = await tightest(meter.inputs, hierarchy(own, 'cpu'), cpuQuota);
  const used = memory && (await memoryInUse(meter.inputs, memory.file));
  const affinity = cpusIn(
    lineValue((await meter.inputs.file('/proc/self/status')).value, 'Cpus_allowed_list'),
  );
  const probe = (await inputs.cgroup()).value ?? {};
  const took = meter.took();
  const claims = (found: Found | undefined, probed: number | undefined) => {
    // Whoever makes a group names it.
    const byFiles = { source: tidy(found?.file, 300) ?? 'cgroup', value: found?.value, took, readAt };
    const byProbe = { source: 'native probe', value: probed, took, readAt };
    return isTighter(probed, found) ? [byProbe, byFiles] : [byFiles, byProbe];
  };
  return {
    memory: settle(claims(memory, probe.memoryLimit), { format: bytes => `${bytes} bytes` }),
    memoryUsed: isTighter(probe.memoryLimit, memory) ? probe.memoryUsed : (used ?? probe.memoryUsed),
    memoryFile: memory?.file,
    quota: settle(claims(quota, probe.cpuLimit)),
    affinity: settle([
      { source: '/proc/self/status', value: affinity, took, readAt },
      { source: 'native probe', value: probe.affinity, took, readAt },
    ]),
  };
}

// The probe looks into folders: it finds a group that a container has deeper in its mount than the group's name says.
const isTighter = (probed: number | undefined, found: Found | undefined): boolean =>
  probed !== undefined && (found === undefined || probed < found.value);

interface Hierarchy {
  version: 1 | 2;
  /** Where the groups of the controller may be mounted, the likeliest first. */
  mounts: string[];
  /** The group of this process, as the kernel names it. */
  group: string;
}

const root = '/sys/fs/cgroup';

// Lines such as `4:cpu,cpuacct:/a/b` (version 1) and `0::/a/b` (version 2): a controller of version 1 is in no other.
function hierarchy(text: string, controller: string): Hierarchy | undefined {
  let unified: string | undefined;
  for (const line of text.split('\n').slice(0, 64)) {
    const [, id, names = '', group = ''] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (names.split(',').includes(controller)) {
      return { version: 1, mounts: [`${root}/${controller}`, `${root}/${names}`], group };
    }
    if (id === '0' && names === '') unified = group;
  }
  return unified === undefined ? undefined : { version: 2, mounts: [root], group: unified };
}

type ReadLimit = (inputs: Inputs, version: 1 | 2, folder: string) => Promise<Found | undefined>;

async function tightest(
  inputs: Inputs,
  from: Hierarchy | undefined,
  read: ReadLimit,
): Promise<Found | undefined> {
  let least: Found | undefined;
  for (const mount of new Set(from?.mounts)) {
    for (const group of upwards(from?.group ?? '/')) {
      const found = await read(inputs, from?.version ?? 2, `${mount}${group}`);
      if (found && (!least || found.value < least.value)) least = found;
    }
    if (least) return least;
  }
  return least;
}

// `/a/b`, `/a` and the root: in a container whose own group is mounted as the root, only that is there.
function upwards(group: string): string[] {
  // A group outside of the mounted part starts with `/..`.
  const parts = group.split('/').filter(part => part !== '' && part !== '..');
  return parts
    .slice(0, 32)
    .map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`)
    .concat('');
}

async function memoryLimit(inputs: Inputs, version: 1 | 2, folder: string): Promise<Found | undefined> {
  const file = `${folder}/${version === 2 ? 'memory.max' : 'memory.limit_in_bytes'}`;
  // `max`, and in version 1 a number of pages that no machine has, mean no limit.
  const value = wholeNumber((await inputs.file(file)).value);
  return value === undefined || value >= 2 ** 53 - 2 ** 20 ? undefined : { value, file };
}

async function cpuQuota(inputs: Inputs, version: 1 | 2, folder: string): Promise<Found | undefined> {
  const file = `${folder}/${version === 2 ? 'cpu.max' : 'cpu.cfs_quota_us'}`;
  const text = (await inputs.file(file)).value;
  const [quota, period] =
    version === 2
      ? (text?.split(' ') ?? [])
      : [text, (await inputs.file(`${folder}/cpu.cfs_period_us`)).value];
  const cpus = (decimalNumber(quota) ?? 0) / (decimalNumber(period) || Number.NaN);
  return cpus > 0 && Number.isFinite(cpus) ? { value: cpus, file } : undefined;
}

/** Returns how many of `cpus` are left by affinity and quota. A quota may leave a fraction. */
export function usableCpus(cpus: number, { affinity, quota }: Limits): number {
  return Math.min(cpus, affinity?.value ?? cpus, quota?.value ?? cpus);
}

/** Returns how many bytes of `memory` the limit allows. */
export function memoryWithin(memory: number, limits: Limits): number {
  return Math.min(memory, limits.memory?.value ?? memory);
}

/** Returns how many of `total` bytes the limit leaves when `used` are in use; without a limit, all of them. */
export function memoryLeft(total: number, limits: Limits, used = limits.memoryUsed ?? 0): number {
  return limits.memory ? Math.max(0, total - used) : total;
}

/** `memoryUsed` by now, for a machine without the native probe: like /proc, the kernel's files of a group answer at once. */
export function readMemoryInUse({ memoryFile }: Pick<Limits, 'memoryFile'>): number | undefined {
  if (memoryFile === undefined) return undefined;
  const { usage, stat, cache } = filesOfUse(memoryFile);
  try {
    return inUse(readFileSync(usage, 'latin1'), readFileSync(stat, 'latin1'), cache);
  } catch {
    // The group's files went with their mount: what was read before is all that is known.
    return undefined;
  }
}

async function memoryInUse(inputs: Inputs, limitFile: string): Promise<number | undefined> {
  const { usage, stat, cache } = filesOfUse(limitFile);
  return inUse((await inputs.file(usage)).value, (await inputs.file(stat)).value, cache);
}

/** Where the group of `limitFile` tells what it uses, and under which name how much of that is cache. */
function filesOfUse(limitFile: string) {
  const folder = limitFile.slice(0, limitFile.lastIndexOf('/'));
  const stat = `${folder}/memory.stat`;
  return limitFile.endsWith('/memory.max')
    ? { usage: `${folder}/memory.current`, stat, cache: 'inactive_file' }
    : { usage: `${folder}/memory.usage_in_bytes`, stat, cache: 'total_inactive_file' };
}

// What the kernel counts includes file cache, the unused part of which it gives back before it refuses anybody.
function inUse(usage: string | undefined, stat: string | undefined, cache: string): number | undefined {
  const used = wholeNumber(usage);
  const cached = wholeNumber(new RegExp(`^${cache} (\\d+)$`, 'm').exec(stat ?? '')?.[1]) ?? 0;
  return used === undefined ? undefined : Math.max(0, used - cached);
}

/** How many CPUs a list such as `0-3,8` names. */
function cpusIn(list: string | undefined): number | undefined {
  let count = 0;
  for (const part of (list ?? '').split(',')) {
    const [, first, last = first] = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part) ?? [];
    if (first === undefined) return undefined;
    count += Math.max(0, Number(last) - Number(first) + 1);
  }
  return count || undefined;
}
