// Reads the facts that Node's `os` module and a few files know about the machine, without starting a process.
import { readSystemFile } from '../system/read-file.ts';
import type { Inputs } from './inputs/inputs.ts';
import { readOsInfo } from './inputs/os-info.ts';
import { readOsName } from './inventory/os-name.ts';
import { tidy } from './values/tidy.ts';

export interface HostFacts {
  hostname: string;
  /** Go's name of the architecture, such as `amd64` or `arm64`. */
  architecture: string;
  /** Go's name of the operating system, such as `linux` or `darwin`. */
  operatingSystem: string;
  kernel: string;
  osName?: string | undefined;
  /** Number of logical CPUs of the machine. */
  cpus: number;
  /**
   * Number of logical CPUs that this process may use, within its CPU affinity and the quota of its control group, as
   * libuv counts.
   */
  usableCpus: number;
  cpuModel?: string | undefined;
  /** Total memory of the machine, in bytes. */
  memoryBytes: number;
  /** The kernel's id of this boot. Absent where the kernel gives none, because a guessed id could change during a boot. */
  bootId?: string | undefined;
  /** Time that it took to read the boot id, in milliseconds. */
  bootIdTookMs: number;
}

/** Functions that ask this machine without the time limits of `SystemInputs`. */
const directInputs: Pick<Inputs, 'system' | 'file'> = {
  system: readOsInfo,
  file: async path => {
    const data = await readSystemFile(path).catch(() => undefined);
    return { ...(data ? { value: data.toString('utf8') } : {}), took: 0 };
  },
};

/**
 * Reads the facts. Never throws: a fact that cannot be read is absent. The requester, which has no `inputs`, reads them
 * directly.
 */
export async function readHostFacts(
  inputs: Pick<Inputs, 'system' | 'file'> = directInputs,
): Promise<HostFacts> {
  const system = inputs.system();
  const read = async (path: string) => (await inputs.file(path)).value;
  const [name, bootId] = await Promise.all([
    readOsName(read),
    inputs.file('/proc/sys/kernel/random/boot_id'),
  ]);
  const model = tidy(system.cpuModel);
  return {
    hostname: tidy(system.hostname, 255) ?? 'localhost',
    architecture: goArchitecture[system.arch] ?? system.arch,
    operatingSystem: goOperatingSystem[system.platform] ?? system.platform,
    kernel: tidy(system.release) ?? 'unknown',
    osName: name.pretty,
    cpus: Math.max(1, system.cpus),
    usableCpus: Math.max(1, system.usableCpus),
    cpuModel: model === 'unknown' ? undefined : model,
    memoryBytes: system.memory,
    bootId: /^[0-9a-f-]{32,36}$/.exec(bootId.value?.trim() ?? '')?.[0],
    bootIdTookMs: bootId.took,
  };
}

const goArchitecture: Record<string, string> = {
  x64: 'amd64',
  ia32: '386',
  // Node supports POWER on Linux only in the little-endian form.
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

const goOperatingSystem: Record<string, string> = { win32: 'windows', sunos: 'solaris' };
