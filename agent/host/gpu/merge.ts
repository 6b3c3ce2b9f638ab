// Merges the reports of all GPU sources into one list of GPUs.
import { type Claim, type SettleOptions, settle } from '../values/fact.ts';
import type { GpuDevice, GpuProperties, ReportedGpu, SourceReport } from './gpu.ts';

/** A GPU in the report of one source. All entries of the same GPU form a group. */
interface Entry {
  readonly report: SourceReport;
  readonly gpu: ReportedGpu;
}

/**
 * Returns the GPUs of all `reports`. The reports are sorted by how reliable their sources are, the best first. Entries
 * are about the same GPU if they have the same PCI address, or the same UUID, or the same vendor and index. The GPUs are
 * in Bacalhau's order of vendors, and within a vendor in the order of its tool.
 */
export function merge(reports: readonly SourceReport[]): GpuDevice[] {
  const entries = reports.flatMap(report => report.sightings.map(gpu => ({ report, gpu })));
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const { address } = entry.gpu;
    if (address !== undefined) groups.set(address, withEntry(groups.get(address) ?? [], entry));
  }
  const unopened = addressesOfUnopened(entries, groups);
  for (const entry of entries) {
    if (entry.gpu.address !== undefined) continue;
    const existing = [...groups].find(([key, group]) =>
      group.some(other => unopened.get(entry) === key || isSame(other.gpu, entry.gpu)),
    );
    const [key, group] = existing ?? [`without an address ${groups.size}`, []];
    groups.set(key, withEntry(group, entry));
  }
  // The entry of the best source comes first.
  const rank = ({ report }: Entry) => reports.indexOf(report);
  return [...groups.values()]
    .map(group =>
      mergeGroup(
        group.sort((a, b) => rank(a) - rank(b)),
        reports,
      ),
    )
    .sort(order);
}

/**
 * Returns the addresses of GPUs that the library counts but cannot open, so it knows only their numbers. They are among
 * the GPUs that the driver has and the library does not list. If there are equally many of both, they match in order,
 * because both count along the bus.
 */
function addressesOfUnopened(
  entries: readonly Entry[],
  groups: ReadonlyMap<string, Entry[]>,
): Map<Entry, string> {
  const unopened = entries.filter(
    ({ report, gpu: { address, uuid, broken } }) =>
      report.source === 'nvml' && address === undefined && uuid === undefined && broken !== undefined,
  );
  const isUnlisted = (group: readonly Entry[]) =>
    group.some(({ report, gpu }) => report.source === 'nvidia procfs' && !gpu.meant) &&
    !group.some(({ report }) => report.source === 'nvml');
  const unlisted = [...groups].flatMap(([address, group]) => (isUnlisted(group) ? [address] : [])).sort();
  const pairs = unopened.length === unlisted.length ? unopened : [];
  return new Map(pairs.map((entry, at) => [entry, unlisted[at] ?? '']));
}

// When a source reports a GPU twice, the first entry counts.
function withEntry(group: Entry[], entry: Entry): Entry[] {
  return group.some(other => other.report === entry.report) ? group : [...group, entry];
}

function isSame(a: ReportedGpu, b: ReportedGpu): boolean {
  if (a.uuid !== undefined && b.uuid !== undefined) return a.uuid === b.uuid;
  return a.index !== undefined && a.index === b.index && a.vendor === b.vendor;
}

function mergeGroup(group: readonly Entry[], reports: readonly SourceReport[]): GpuDevice {
  const names = Object.keys(settleOptions) as (keyof GpuProperties)[];
  const facts = names.flatMap(name => {
    const fact = factOf(group, name);
    return fact ? [[name, fact] as const] : [];
  });
  const { reason, failed } = usabilityOf(group, reports);
  return {
    address: firstOf(group, 'address'),
    vendor: firstOf(group, 'vendor') ?? 'unknown',
    usable: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    ...(failed ? { failed } : {}),
    sources: group.map(({ report }) => report.source),
    ...Object.fromEntries(facts),
  } as GpuDevice;
}

function firstOf(group: readonly Entry[], name: 'address' | 'vendor'): string | undefined {
  return group.find(({ gpu }) => gpu[name] !== undefined)?.gpu[name];
}

function factOf<Name extends keyof GpuProperties>(group: readonly Entry[], name: Name) {
  type Value = NonNullable<GpuProperties[Name]>;
  const total = group.find(({ gpu }) => gpu.memory !== undefined)?.gpu.memory;
  const claims = group.map(({ report, gpu }): Claim<Value> => {
    const { source, took, readAt } = report;
    const value = name === 'memoryUsed' && exceeds(gpu.memoryUsed, total) ? undefined : gpu[name];
    return { source, value: value as Value | undefined, took, readAt };
  });
  if (name === 'memory') {
    for (const { report, gpu } of group) {
      const { source, took, readAt } = report;
      const hint = { took, readAt, hint: true } as const;
      claims.push({ source: 'PCI BAR', value: gpu.aperture as Value, ...hint });
      if (exceeds(gpu.memoryUsed, total))
        claims.push({ source: `${source}, in use`, value: gpu.memoryUsed as Value, ...hint });
    }
  }
  return settle(claims, settleOptions[name] as SettleOptions<Value>);
}

// Figures change between two questions, and sources write names in different ways. So these properties never count as
// different.
const alwaysAgree = { agree: () => true };
const settleOptions: { [Name in keyof GpuProperties]-?: SettleOptions<NonNullable<GpuProperties[Name]>> } = {
  name: alwaysAgree,
  uuid: {},
  index: alwaysAgree,
  memory: { agree: sameMemory, format: mib => `${mib} MiB` },
  memoryUsed: alwaysAgree,
  driver: {},
  driverVersion: {},
  cuda: {},
  utilisation: alwaysAgree,
  temperature: alwaysAgree,
  power: alwaysAgree,
  eccErrors: alwaysAgree,
  mig: alwaysAgree,
  cores: alwaysAgree,
  sharedMemory: alwaysAgree,
  aperture: alwaysAgree,
};

// Returns whether two sizes mean the same memory. Sources round to MiB in different ways, and an aperture is the next power
// of two.
function sameMemory(used: number, other: number): boolean {
  return Math.abs(used - other) <= 1 || other === 2 ** Math.ceil(Math.log2(used));
}

/** Returns whether more memory is in use than the total. Such a value is not used, and the total becomes doubtful. */
export const exceeds = (inUse: number | undefined, total: number | undefined): boolean =>
  inUse !== undefined && total !== undefined && inUse > total + 1;

type Usability = Pick<GpuDevice, 'reason' | 'failed'>;

/** Returns why jobs cannot use the GPU, or an empty object when they can. */
function usabilityOf(group: readonly Entry[], reports: readonly SourceReport[]): Usability {
  const broken = group.find(({ gpu }) => gpu.broken)?.gpu;
  if (broken) return { reason: broken.broken, ...(broken.meant ? {} : { failed: true }) };
  if (group.some(({ gpu }) => gpu.vendor === 'NVIDIA')) {
    const unlisted = notListed(group, reports);
    if (unlisted) return unlisted;
  }
  if (group.some(({ gpu }) => gpu.computes)) return {};
  const doubt = group.find(({ gpu }) => gpu.doubt)?.gpu.doubt;
  return { reason: doubt ?? 'no source knows that it computes' };
}

// Returns why a GPU cannot be used when the library does not list it. The kernel's files list every GPU of the host. Only
// the library knows which of them this process may use, for instance in a container, and whether the library fits the
// driver.
function notListed(group: readonly Entry[], reports: readonly SourceReport[]): Usability | undefined {
  if (!group.some(({ report }) => report.source === 'nvidia procfs')) return undefined;
  const libraries = reports.filter(({ source }) => source === 'nvml' || source === 'nvidia-smi');
  const best = libraries.find(({ fault, kept }) => fault === undefined || kept);
  if (best) {
    if (group.some(({ report }) => report === best)) return undefined;
    return { reason: `the driver has it, but ${best.source} does not list it` };
  }
  const failed = libraries.find(({ fault }) => fault?.kind === 'failed');
  return failed && { reason: `${failed.source} ${failed.fault?.reason}`, failed: true };
}

const vendorsInOrder = ['NVIDIA', 'AMD/ATI', 'Intel'];

function order(a: GpuDevice, b: GpuDevice): number {
  const rank = ({ vendor }: GpuDevice) => {
    const at = vendorsInOrder.indexOf(vendor);
    return at < 0 ? vendorsInOrder.length : at;
  };
  const index = ({ index }: GpuDevice) => index?.value ?? Number.MAX_SAFE_INTEGER;
  return (
    rank(a) - rank(b) ||
    compare(a.vendor, b.vendor) ||
    index(a) - index(b) ||
    compare(a.address ?? '', b.address ?? '')
  );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
