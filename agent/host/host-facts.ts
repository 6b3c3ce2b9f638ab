// What the machine is, as far as `os`, /proc and statfs know: at once, and without starting a process.
import os from 'node:os';
import { type Clock, systemClock } from '../system/clock.ts';
import { readBounded } from '../system/files.ts';
import { type OsName, osName } from './inventory/os-name.ts';
import type { Disk } from './sample/disk.ts';
import { tidy } from './values/tidy.ts';

export interface HostFacts {
  hostname: string;
  /** In Go's words: `amd64`, `arm64`. */
  architecture: string;
  /** In Go's words: `linux`, `darwin`. */
  operatingSystem: string;
  kernel: string;
  osName?: string | undefined;
  /** Logical CPUs that this process may use: affinity and cgroup quota count. */
  cpus: number;
  cpuModel?: string | undefined;
  /** Total memory in bytes. */
  memory: number;
  /** Total bytes of the data folder's file system. */
  disk?: number | undefined;
  /** The kernel's own name for this boot; absent where it gives none, as a guess that wanders would be worse. */
  bootId?: string | undefined;
  /** Known only to the inventory, see inventory.ts. */
  virtualisation?: string | undefined;
}

/** Where the facts come from; a test brings its own. */
export interface FactSources {
  arch: string;
  platform: string;
  hostname(): string;
  release(): string;
  availableParallelism(): number;
  cpus(): readonly { model: string }[];
  totalmem(): number;
  osName(): Promise<OsName>;
  bootId(): Promise<string | undefined>;
}

const systemSources: FactSources = {
  arch: process.arch,
  platform: process.platform,
  hostname: os.hostname,
  release: os.release,
  availableParallelism: os.availableParallelism,
  cpus: os.cpus,
  totalmem: os.totalmem,
  osName,
  bootId: async () => {
    const id = await readBounded('/proc/sys/kernel/random/boot_id', 4096).catch(() => undefined);
    return id?.toString('latin1');
  },
};

/** Milliseconds that a slow file system may hold up the facts; its size follows with the next reading. */
const diskPatience = 250;

/** Reads the facts. Never throws: what cannot be found out stays absent. Cheap enough for every information update. */
export async function readHostFacts(
  disk: Disk | undefined,
  sources: FactSources = systemSources,
  clock: Clock = systemClock,
): Promise<HostFacts> {
  const [name, bootId, space] = await Promise.all([
    sources.osName(),
    sources.bootId(),
    disk?.within(diskPatience, clock),
  ]);
  const model = tidy(sources.cpus()[0]?.model);
  return {
    hostname: tidy(sources.hostname(), 255) ?? 'localhost',
    architecture: goArchitecture[sources.arch] ?? sources.arch,
    operatingSystem: goOperatingSystem[sources.platform] ?? sources.platform,
    kernel: tidy(sources.release()) ?? 'unknown',
    osName: name.pretty,
    cpus: Math.max(1, sources.availableParallelism()),
    cpuModel: model === 'unknown' ? undefined : model,
    memory: sources.totalmem(),
    disk: space?.total || undefined,
    bootId: /^[0-9a-f-]{32,36}$/.exec(bootId?.trim() ?? '')?.[0],
  };
}

const goArchitecture: Record<string, string> = {
  x64: 'amd64',
  ia32: '386',
  // Node on Linux runs on little-endian POWER only.
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

const goOperatingSystem: Record<string, string> = { win32: 'windows', sunos: 'solaris' };
