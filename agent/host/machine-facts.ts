// Chooses the value of each fact about the machine when several sources know it. `muster probe` and the agent use it.
import type { HostFacts } from './host-facts.ts';
import type { DiskSpace } from './inputs/disk-space.ts';
import type { Answer } from './inputs/inputs.ts';
import type { Inventory } from './inventory/inventory.ts';
import { type Claim, type Fact, settle } from './values/fact.ts';
import { wholeNumber } from './values/parse.ts';
import { tidy } from './values/tidy.ts';

/** Facts about the machine. `muster probe -o json` prints them, so the names do not change. */
export interface MachineFacts {
  readonly hostname: Fact<string>;
  /** Go's names of the system and of the architecture, such as `linux` and `amd64`. */
  readonly operatingSystem: Fact<string>;
  readonly architecture: Fact<string>;
  readonly kernel: Fact<string>;
  readonly osName?: Fact<string> | undefined;
  readonly bootId?: Fact<string> | undefined;
  readonly manufacturer?: Fact<string> | undefined;
  readonly model?: Fact<string> | undefined;
  /** The hypervisor, or `none`. */
  readonly virtualisation?: Fact<string> | undefined;
  readonly cpuModel?: Fact<string> | undefined;
  /** Number of logical CPUs of the machine. */
  readonly cpus: Fact<number>;
  readonly physicalCores?: Fact<number> | undefined;
  /** Memory of the machine, in bytes. */
  readonly memory: Fact<number>;
  readonly memoryAvailable?: Fact<number> | undefined;
  /** The data folder's file system, in bytes. */
  readonly disk?: Fact<number> | undefined;
  readonly diskAvailable?: Fact<number> | undefined;
}

/** The answers of the sources. A source that was not asked is absent. */
export interface MachineReadings {
  /** Time when they were read, RFC 3339. */
  readonly readAt: string;
  readonly host: HostFacts;
  /** Space on the data folder's file system. */
  readonly space?: Answer<DiskSpace> | undefined;
  readonly inventory?: Answer<Inventory> | undefined;
  /** The text of /proc/meminfo. */
  readonly meminfo?: Answer<string> | undefined;
  /** The maker and the model, from DMI. */
  readonly vendor?: Answer<string> | undefined;
  readonly product?: Answer<string> | undefined;
}

/** Returns each fact with the value of the best source that answered, and with the values of the other sources. */
export function settleMachineFacts(readings: MachineReadings): MachineFacts {
  const { readAt, host, space, inventory, meminfo, vendor, product } = readings;
  const claim = <T>(source: string, value: T | undefined, took = 0): Claim<T> => ({
    source,
    value,
    took,
    readAt,
  });
  const inventoryClaim = <T>(pick: (inventory: Inventory) => T | undefined): Claim<T> => ({
    ...claim('inventory', inventory?.value && pick(inventory.value), inventory?.took),
    readAt: inventory?.value?.takenAt ?? readAt,
  });
  // Node's `os` module always knows these facts.
  const certain = <T>(value: T): Fact<T> => ({ value, source: 'os', took: 0, readAt, others: [] });
  const bytesIn = (key: string) => kibibytes(meminfo?.value, key);
  return {
    hostname: certain(host.hostname),
    operatingSystem: certain(host.operatingSystem),
    architecture: certain(host.architecture),
    kernel: certain(host.kernel),
    osName: settle([claim('os-release', host.osName), inventoryClaim(({ os }) => os.distro)], names),
    bootId: settle([claim('/proc', host.bootId, host.bootIdTookMs)]),
    manufacturer: settle(
      [inventoryClaim(({ manufacturer }) => manufacturer), claim('DMI', tidy(vendor?.value))],
      names,
    ),
    model: settle([inventoryClaim(({ model }) => model), claim('DMI', tidy(product?.value))], names),
    virtualisation: settle([inventoryClaim(({ virtualisation }) => virtualisation)]),
    cpuModel: settle([claim('os', host.cpuModel), inventoryClaim(({ cpu }) => cpu.brand)], names),
    cpus: certain(host.cpus),
    physicalCores: settle([inventoryClaim(({ cpu }) => cpu.physicalCores)]),
    memory:
      settle(
        [
          claim('os', host.memoryBytes),
          claim('/proc/meminfo', bytesIn('MemTotal')),
          inventoryClaim(({ memory }) => memory),
        ],
        {
          agree: (used, other) => Math.abs(used - other) < 1_048_576,
          format: bytes => `${Math.floor(bytes / 1_048_576)} MiB`,
        },
      ) ?? certain(host.memoryBytes),
    memoryAvailable: settle([claim('/proc/meminfo', bytesIn('MemAvailable'), meminfo?.took)]),
    disk: settle([claim('statfs', space?.value?.total, space?.took)]),
    diskAvailable: settle([claim('statfs', space?.value?.available, space?.took)]),
  };
}

// Each source spells names in its own way, so names never count as different.
const names = { agree: () => true };

function kibibytes(text: string | undefined, key: string): number | undefined {
  const kib = wholeNumber(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text ?? '')?.[1]);
  return kib === undefined ? undefined : kib * 1024;
}
