// Asks everything about this machine once, for `muster probe`: facts with their sources, limits, GPUs and cloud.
import type { OfferableHardware } from './capacity.ts';
import { type CloudFacts, readCloudFacts } from './cloud.ts';
import { failures, type GpuDevice, type SourceReport } from './gpu/gpu.ts';
import { usableGpus } from './gpu/offer.ts';
import { GpuScanner } from './gpu/scanner.ts';
import { readHostFacts } from './host-facts.ts';
import { type Answer, type Fault, type Inputs, wrapInputs } from './inputs/inputs.ts';
import { type Limits, memoryLeft, memoryWithin, readLimits, usableCpus } from './limits.ts';
import { type MachineFacts, settleMachineFacts } from './machine-facts.ts';
import { tidy } from './values/tidy.ts';

/** The answer of a source that is not a GPU source. */
export interface SourceNote {
  readonly source: string;
  /** Time that the source took, in milliseconds. */
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

/**
 * Asks everything once, including the vendors' tools and the slow inventory. It takes many seconds when drivers hang.
 * Never throws.
 */
export async function surveyMachine(
  inputs: Inputs,
  options: { cloud?: boolean } = {},
): Promise<SurveyedMachine> {
  // It is taken only once, because two questions need it.
  const inventory = inputs.inventory();
  const shared: Inputs = { ...wrapInputs(inputs, ask => ask()), inventory: () => inventory };
  const [facts, limits, scan, cloud] = await Promise.all([
    readMachine(shared),
    readLimits(shared),
    new GpuScanner(shared).scan('all'),
    options.cloud ? readCloudFacts(shared) : undefined,
  ]);
  return {
    facts: facts.facts,
    limits,
    gpus: scan.devices,
    gpuReports: scan.reports,
    sources: [...facts.sources, ...(options.cloud ? [metadataNote(cloud)] : [])],
    cloud,
  };
}

/** Returns the hardware that can be offered: the part of the machine that this process may use. */
export function offerableHardware({
  facts,
  limits,
  gpus,
}: Pick<SurveyedMachine, 'facts' | 'limits' | 'gpus'>): OfferableHardware {
  return {
    cpus: usableCpus(facts.cpus.value, limits),
    memoryBytes: memoryWithin(facts.memory.value, limits),
    diskBytes: facts.diskAvailable?.value ?? 0,
    gpus: usableGpus(gpus),
  };
}

/** Returns how many bytes of memory are free, and the total; undefined when no source knows the free memory. */
export function usableMemory({ facts, limits }: Pick<SurveyedMachine, 'facts' | 'limits'>) {
  if (!facts.memoryAvailable) return undefined;
  const total = memoryWithin(facts.memory.value, limits);
  return { total, available: Math.min(facts.memoryAvailable.value, memoryLeft(total, limits)) };
}

/**
 * Returns one sentence for each source that should have answered but did not. A vendor's tool need not answer on a
 * machine without a GPU of the vendor.
 */
export function problems({ gpus, gpuReports, sources }: SurveyedMachine): string[] {
  const hasGpuFor = ({ source }: SourceReport) =>
    gpus.some(({ sources, driver }) => sources.includes(source) || driver?.value === drivers[source]);
  const failed = gpuReports.filter(report => {
    if (!report.fault || report.fault.kind === 'absent') return false;
    return report.fault.kind === 'late' || hasGpuFor(report);
  });
  const silent = [...failed, ...sources.filter(({ fault }) => fault && fault.kind !== 'absent')].map(
    ({ source, fault }) => `${source} ${fault?.reason}`,
  );
  // A GPU that failed because its library failed needs no sentence of its own.
  return [...silent, ...failures(gpus.filter(({ reason }) => !silent.includes(reason ?? '')))];
}

/** The driver that each library or tool needs. */
const drivers: Partial<Record<SourceReport['source'], string>> = {
  nvml: 'nvidia',
  'nvidia-smi': 'nvidia',
  'rocm-smi': 'amdgpu',
};

async function readMachine(inputs: Inputs): Promise<{ facts: MachineFacts; sources: SourceNote[] }> {
  const readAt = inputs.now().toISOString();
  const [host, space, inventory, probe, meminfo, vendor, product] = await Promise.all([
    readHostFacts(inputs),
    inputs.space(),
    inputs.inventory(),
    inputs.cgroup(),
    inputs.file('/proc/meminfo'),
    inputs.file('/sys/class/dmi/id/sys_vendor'),
    inputs.file('/sys/class/dmi/id/product_name'),
  ]);
  return {
    facts: settleMachineFacts({ readAt, host, space, inventory, meminfo, vendor, product }),
    sources: [
      note('native probe', probe),
      note('statfs', space),
      note('inventory', inventory),
      note('/proc/meminfo', meminfo),
      // Many machines have no DMI and need none, so only a late answer is a problem.
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
