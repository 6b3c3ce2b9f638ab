// Finds how much of the machine this process may use, by control groups of both versions and by CPU affinity.
import { type FileLimit, readCpuQuota, readMemoryLimit, readMemoryUse } from './control-group.ts';
import { type Inputs, measureInputs } from './inputs/inputs.ts';
import { type Fact, settle } from './values/fact.ts';
import { lineValue } from './values/parse.ts';
import { tidy } from './values/tidy.ts';

/** The limits of this process. `muster probe -o json` prints them, so the names do not change. */
export interface Limits {
  /** Memory, in bytes. Absent without a limit. */
  memory?: Fact<number> | undefined;
  /** Memory in use in the group that has the limit, in bytes, without the file cache that the kernel would free first. */
  memoryUsed?: number | undefined;
  /** The file from which the limit was read. */
  memoryFile?: string | undefined;
  /** The CPU quota, in CPUs, which may be a fraction. Absent without a quota. */
  quota?: Fact<number> | undefined;
  /** Number of CPUs on which the process may run. */
  affinity?: Fact<number> | undefined;
}

/**
 * Reads the tightest limits from this process's own group up to the root, see cgroups(7). Both the files and the native
 * probe are asked. Never throws: a limit that cannot be read does not count.
 */
export async function readLimits(inputs: Inputs): Promise<Limits> {
  const readAt = inputs.now().toISOString();
  const meter = measureInputs(inputs);
  const ownGroups = (await meter.inputs.file('/proc/self/cgroup')).value ?? '';
  const memory = await readMemoryLimit(meter.inputs, ownGroups);
  const quota = await readCpuQuota(meter.inputs, ownGroups);
  const used = memory && (await readMemoryUse(meter.inputs, memory.file));
  const affinity = cpusIn(
    lineValue((await meter.inputs.file('/proc/self/status')).value, 'Cpus_allowed_list'),
  );
  const probe = (await inputs.cgroup()).value ?? {};
  const took = meter.took();
  const claims = (fileLimit: FileLimit | undefined, probeLimit: number | undefined) => {
    // Anybody who creates a group chooses its name, so the path is made safe.
    const byFiles = { source: tidy(fileLimit?.file, 300) ?? 'cgroup', value: fileLimit?.value, took, readAt };
    const byProbe = { source: 'native probe', value: probeLimit, took, readAt };
    return isTighter(probeLimit, fileLimit) ? [byProbe, byFiles] : [byFiles, byProbe];
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

/** Returns how many of `cpus` this process may use after affinity and quota. A quota may make it a fraction. */
export function usableCpus(cpus: number, { affinity, quota }: Limits): number {
  return Math.min(cpus, affinity?.value ?? cpus, quota?.value ?? cpus);
}

/** Returns the part of `memoryBytes` that the limit allows. */
export function memoryWithin(memoryBytes: number, limits: Limits): number {
  return Math.min(memoryBytes, limits.memory?.value ?? memoryBytes);
}

/**
 * Returns how many of `totalBytes` the limit leaves free when `usedBytes` are in use. Without a limit it returns
 * `totalBytes`.
 */
export function memoryLeft(totalBytes: number, limits: Limits, usedBytes = limits.memoryUsed ?? 0): number {
  return limits.memory ? Math.max(0, totalBytes - usedBytes) : totalBytes;
}

// Returns whether the probe's limit is tighter. The native probe lists the folders, so it also finds a group that is deeper
// in a container's mount than its name says.
const isTighter = (probeLimit: number | undefined, fileLimit: FileLimit | undefined): boolean =>
  probeLimit !== undefined && (fileLimit === undefined || probeLimit < fileLimit.value);

/** Returns how many CPUs a list such as `0-3,8` names. */
function cpusIn(list: string | undefined): number | undefined {
  let count = 0;
  for (const part of (list ?? '').split(',')) {
    const [, first, last = first] = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part) ?? [];
    if (first === undefined) return undefined;
    count += Math.max(0, Number(last) - Number(first) + 1);
  }
  return count || undefined;
}
