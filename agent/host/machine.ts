// What this machine is, as facts with their sources: what `muster probe` shows, and what capacity is reckoned from.
import type { Machine as CapacityMachine } from './capacity.ts';
import { type CloudFacts, readCloudFacts } from './cloud.ts';
import { failures, type GpuDevice, type SourceReport } from './gpu/gpu.ts';
import { usableGpus } from './gpu/offer.ts';
import { GpuScanner } from './gpu/scanner.ts';
import { type FactSources, readHostFacts } from './host-facts.ts';
import { type Answer, around, type Fault, type Inputs } from './inputs/inputs.ts';
import type { Inventory } from './inventory/inventory.ts';
import { osName } from './inventory/os-name.ts';
import { type Limits, readLimits } from './limits.ts';
import { type Claim, type Fact, settle } from './values/fact.ts';
import { wholeNumber } from './values/parse.ts';
import { tidy } from './values/tidy.ts';

export interface MachineFacts {
  readonly hostname: Fact<string>;
  /** Go's names, such as `linux` and `amd64`. */
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
  /** Logical CPUs of the machine. */
  readonly cpus: Fact<number>;
  readonly physicalCores?: Fact<number> | undefined;
  /** Bytes of the machine. */
  readonly memory: Fact<number>;
  readonly memoryAvailable?: Fact<number> | undefined;
  /** Bytes of the data folder's file system. */
  readonly disk?: Fact<number> | undefined;
  readonly diskAvailable?: Fact<number> | undefined;
}

/** A source other than those of GPUs, and what came of it. */
export interface SourceNote {
  readonly source: string;
  readonly took: number;
  readonly fault?: Fault | undefined;
}

export interface SurveyedMachine {
  readonly facts: MachineFacts;
  readonly limits: Limits;
  readonly gpus: readonly GpuDevice[];
  readonly gpuReports: readonly SourceReport[];
  readonly sources: readonly SourceNote[];
  readonly cloud?: CloudFacts | undefined;
}

/** Asks everything once, tools and slow inventory included: seconds on a machine with hung drivers. Never throws. */
export async function surveyMachine(
  inputs: Inputs,
  options: { cloud?: boolean } = {},
): Promise<SurveyedMachine> {
  // Asked once, for all who want to know.
  const inventory = inputs.inventory();
  const shared: Inputs = { ...around(inputs, ask => ask()), inventory: () => inventory };
  const [facts, limits, found, cloud] = await Promise.all([
    machineFacts(shared),
    readLimits(shared),
    new GpuScanner(shared).detect('all'),
    options.cloud ? readCloudFacts(shared) : undefined,
  ]);
  return {
    facts: facts.facts,
    limits,
    gpus: found.devices,
    gpuReports: found.reports,
    sources: [...facts.sources, ...(options.cloud ? [metadataNote(cloud)] : [])],
    cloud,
  };
}

/** What there is to offer from: the machine inside its limits. Fractions of a CPU count, as a quota has them. */
export function offerableHardware({
  facts,
  limits,
  gpus,
}: Pick<SurveyedMachine, 'facts' | 'limits' | 'gpus'>): CapacityMachine {
  return {
    cpu: usableCpus(facts.cpus.value, limits),
    memory: Math.min(facts.memory.value, limits.memory?.value ?? Number.POSITIVE_INFINITY),
    disk: facts.diskAvailable?.value ?? 0,
    gpus: usableGpus(gpus),
  };
}

/** Bytes that can be had now, and of how many: inside a control group, what its limit leaves. Undefined when nothing says. */
export function usableMemory({ facts, limits }: Pick<SurveyedMachine, 'facts' | 'limits'>) {
  if (!facts.memoryAvailable) return undefined;
  const total = Math.min(facts.memory.value, limits.memory?.value ?? Number.POSITIVE_INFINITY);
  const left = limits.memory ? Math.max(0, total - (limits.memoryUsed ?? 0)) : total;
  return { total, available: Math.min(facts.memoryAvailable.value, left) };
}

/** CPUs of the machine, less what affinity and quota take away. */
export function usableCpus(cpus: number, { affinity, quota }: Limits): number {
  return Math.min(cpus, affinity?.value ?? cpus, quota?.value ?? cpus);
}

/** All that should have answered and did not, a sentence each. A maker's tool need not answer where none of its GPUs is. */
export function problems({ gpus, gpuReports, sources }: SurveyedMachine): string[] {
  const driven = (source: SourceReport) =>
    gpus.some(
      ({ sources, driver }) => sources.includes(source.source) || driver?.value === drivers[source.source],
    );
  const failed = gpuReports.filter(report => {
    if (!report.fault || report.fault.kind === 'absent') return false;
    return report.fault.kind === 'late' || driven(report);
  });
  const silent = [...failed, ...sources.filter(({ fault }) => fault && fault.kind !== 'absent')].map(
    ({ source, fault }) => `${source} ${fault?.reason}`,
  );
  // What failed with its library is told by that.
  return [...silent, ...failures(gpus.filter(({ reason }) => !silent.includes(reason ?? '')))];
}

/** By whose driver a library or tool is expected to work. */
const drivers: Partial<Record<SourceReport['source'], string>> = {
  nvml: 'nvidia',
  'nvidia-smi': 'nvidia',
  'rocm-smi': 'amdgpu',
};

async function machineFacts(inputs: Inputs): Promise<{ facts: MachineFacts; sources: SourceNote[] }> {
  const readAt = inputs.now().toISOString();
  const system = inputs.system();
  const [space, inventory, probe, meminfo, vendor, product, bootId] = await Promise.all([
    inputs.space(),
    inputs.inventory(),
    inputs.cgroup(),
    inputs.file('/proc/meminfo'),
    inputs.file('/sys/class/dmi/id/sys_vendor'),
    inputs.file('/sys/class/dmi/id/product_name'),
    inputs.file('/proc/sys/kernel/random/boot_id'),
  ]);
  const read = async (path: string) => (await inputs.file(path)).value;
  const sources: FactSources = {
    arch: system.arch,
    platform: system.platform,
    hostname: () => system.hostname,
    release: () => system.release,
    availableParallelism: () => system.usableCpus,
    cpus: () => [{ model: system.cpuModel }],
    totalmem: () => system.memory,
    osName: () => osName(read),
    bootId: async () => bootId.value,
  };
  const { value: room } = space;
  const host = await readHostFacts(undefined, sources);
  const from = <T>(source: string, value: T | undefined, took = 0): Claim<T> => ({
    source,
    value,
    took,
    readAt,
  });
  const slow = <T>(pick: (inventory: Inventory) => T | undefined): Claim<T> => ({
    ...from('inventory', inventory.value && pick(inventory.value), inventory.took),
    readAt: inventory.value?.takenAt ?? readAt,
  });
  // `os` answers these always.
  const sure = <T>(value: T): Fact<T> => ({ value, source: 'os', took: 0, readAt, others: [] });
  const kib = (key: string) => kibibytes(meminfo.value, key);
  return {
    facts: {
      hostname: sure(host.hostname),
      operatingSystem: sure(host.operatingSystem),
      architecture: sure(host.architecture),
      kernel: sure(host.kernel),
      osName: settle([from('os-release', host.osName), slow(({ os }) => os.distro)], names),
      bootId: settle([from('/proc', host.bootId, bootId.took)]),
      manufacturer: settle(
        [slow(({ manufacturer }) => manufacturer), from('DMI', tidy(vendor.value))],
        names,
      ),
      model: settle([slow(({ model }) => model), from('DMI', tidy(product.value))], names),
      virtualisation: settle([slow(({ virtualisation }) => virtualisation)]),
      cpuModel: settle([from('os', host.cpuModel), slow(({ cpu }) => cpu.brand)], names),
      cpus: sure(Math.max(1, system.cpus)),
      physicalCores: settle([slow(({ cpu }) => cpu.physicalCores)]),
      memory:
        settle(
          [from('os', system.memory), from('/proc/meminfo', kib('MemTotal')), slow(({ memory }) => memory)],
          {
            agree: (used, other) => Math.abs(used - other) < 1_048_576,
            format: bytes => `${Math.floor(bytes / 1_048_576)} MiB`,
          },
        ) ?? sure(system.memory),
      memoryAvailable: settle([from('/proc/meminfo', kib('MemAvailable'), meminfo.took)]),
      disk: settle([from('statfs', room?.total, space.took)]),
      diskAvailable: settle([from('statfs', room?.available, space.took)]),
    },
    sources: [
      note('native probe', probe),
      note('statfs', space),
      note('inventory', inventory),
      note('/proc/meminfo', meminfo),
      // Many machines have none, and do without; one that hangs is told.
      ...[vendor, product]
        .flatMap(answer => (answer.fault?.kind === 'late' ? note('DMI', answer) : []))
        .slice(0, 1),
    ],
  };
}

const note = (source: string, { took, fault }: Answer<unknown>): SourceNote => ({
  source,
  took,
  fault: fault && { kind: fault.kind, reason: tidy(fault.reason, 300) ?? fault.kind },
});

const metadataNote = (cloud: CloudFacts | undefined): SourceNote =>
  note(
    'metadata service',
    cloud ?? { took: 0, fault: { kind: 'absent', reason: 'does not answer as that of AWS, GCP or Azure' } },
  );

// Each source spells names in its own way.
const names = { agree: () => true };

function kibibytes(text: string | undefined, key: string): number | undefined {
  const kib = wholeNumber(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text ?? '')?.[1]);
  return kib === undefined ? undefined : kib * 1024;
}
