// What this machine is, as facts with their sources: what `muster probe` shows, and what capacity is reckoned from.
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
  const shared: Inputs = { ...wrapInputs(inputs, ask => ask()), inventory: () => inventory };
  const [facts, limits, found, cloud] = await Promise.all([
    readMachine(shared),
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

/** Returns what there is to offer from: the part of the machine that this process may use. */
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

/** Returns how many bytes of memory are free now, and of how many; undefined when no source tells how many are free. */
export function usableMemory({ facts, limits }: Pick<SurveyedMachine, 'facts' | 'limits'>) {
  if (!facts.memoryAvailable) return undefined;
  const total = memoryWithin(facts.memory.value, limits);
  return { total, available: Math.min(facts.memoryAvailable.value, memoryLeft(total, limits)) };
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
      // Many machines have no DMI and need none, so only an answer that was late is shown.
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
