// One GPU out of what all sources saw of it.
import { type Claim, type SettleOptions, settle } from '../values/fact.ts';
import type { GpuDevice, GpuProperties, ReportedGpu, SourceReport } from './gpu.ts';

interface Evidence {
  readonly report: SourceReport;
  readonly sighting: ReportedGpu;
}

/**
 * The GPUs that `reports` are about, by PCI address, else by UUID, else by maker and index. The reports stand in the order in
 * which their sources are believed. GPUs stand in Bacalhau's order of makers (wire protocol 12), then as their maker counts.
 */
export function merge(reports: readonly SourceReport[]): GpuDevice[] {
  const seen = reports.flatMap(report => report.sightings.map(sighting => ({ report, sighting })));
  const groups = new Map<string, Evidence[]>();
  for (const one of seen) {
    const { address } = one.sighting;
    if (address !== undefined) groups.set(address, joined(groups.get(address) ?? [], one));
  }
  const places = placesOfUnopened(seen, groups);
  for (const one of seen) {
    if (one.sighting.address !== undefined) continue;
    const known = [...groups].find(([key, group]) =>
      group.some(other => places.get(one) === key || isSame(other.sighting, one.sighting)),
    );
    const [key, group] = known ?? [`without an address ${groups.size}`, []];
    groups.set(key, joined(group, one));
  }
  // As the sources are believed, whichever was put in first.
  const rank = ({ report }: Evidence) => reports.indexOf(report);
  return [...groups.values()]
    .map(group =>
      device(
        group.sort((a, b) => rank(a) - rank(b)),
        reports,
      ),
    )
    .sort(order);
}

// A GPU that the library counts and cannot open is known to it by its number alone. It is one of those that the driver has and
// the library does not list: which, can be told where there are as many, as both count along the bus.
function placesOfUnopened(
  seen: readonly Evidence[],
  groups: ReadonlyMap<string, Evidence[]>,
): Map<Evidence, string> {
  const unopened = seen.filter(
    ({ report, sighting: { address, uuid, broken } }) =>
      report.source === 'nvml' && address === undefined && uuid === undefined && broken !== undefined,
  );
  const isUnlisted = (group: readonly Evidence[]) =>
    group.some(({ report, sighting }) => report.source === 'nvidia procfs' && !sighting.meant) &&
    !group.some(({ report }) => report.source === 'nvml');
  const unlisted = [...groups].flatMap(([address, group]) => (isUnlisted(group) ? [address] : [])).sort();
  const pairs = unopened.length === unlisted.length ? unopened : [];
  return new Map(pairs.map((one, at) => [one, unlisted[at] ?? '']));
}

// A source that tells of one GPU twice is believed the first time.
function joined(group: Evidence[], one: Evidence): Evidence[] {
  return group.some(other => other.report === one.report) ? group : [...group, one];
}

function isSame(a: ReportedGpu, b: ReportedGpu): boolean {
  if (a.uuid !== undefined && b.uuid !== undefined) return a.uuid === b.uuid;
  return a.index !== undefined && a.index === b.index && a.vendor === b.vendor;
}

function device(group: readonly Evidence[], reports: readonly SourceReport[]): GpuDevice {
  const words = Object.keys(settlings) as (keyof GpuProperties)[];
  const facts = words.flatMap(word => {
    const settled = fact(group, word);
    return settled ? [[word, settled] as const] : [];
  });
  const { reason, failed } = whyNot(group, reports);
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

function firstOf(group: readonly Evidence[], word: 'address' | 'vendor'): string | undefined {
  return group.find(({ sighting }) => sighting[word] !== undefined)?.sighting[word];
}

function fact<Word extends keyof GpuProperties>(group: readonly Evidence[], word: Word) {
  type Value = NonNullable<GpuProperties[Word]>;
  const total = group.find(({ sighting }) => sighting.memory !== undefined)?.sighting.memory;
  const claims = group.map(({ report, sighting }): Claim<Value> => {
    const { source, took, readAt } = report;
    const said = word === 'memoryUsed' && exceeds(sighting.memoryUsed, total) ? undefined : sighting[word];
    return { source, value: said as Value | undefined, took, readAt };
  });
  if (word === 'memory') {
    for (const { report, sighting } of group) {
      const { source, took, readAt } = report;
      const hint = { took, readAt, hint: true } as const;
      claims.push({ source: 'PCI BAR', value: sighting.aperture as Value, ...hint });
      if (exceeds(sighting.memoryUsed, total))
        claims.push({ source: `${source}, in use`, value: sighting.memoryUsed as Value, ...hint });
    }
  }
  return settle(claims, settlings[word] as SettleOptions<Value>);
}

// What is measured changes between two questions, and makers and databases spell names in their own ways: only what must be
// the same everywhere can be in disagreement.
const never = { agree: () => true };
const settlings: { [Word in keyof GpuProperties]-?: SettleOptions<NonNullable<GpuProperties[Word]>> } = {
  name: never,
  uuid: {},
  index: never,
  memory: { agree: sameMemory, format: mib => `${mib} MiB` },
  memoryUsed: never,
  driver: {},
  driverVersion: {},
  cuda: {},
  utilisation: never,
  temperature: never,
  power: never,
  eccErrors: never,
  mig: never,
  cores: never,
  sharedMemory: never,
  aperture: never,
};

// Sources round to MiB in their own ways. An aperture is a power of two: the next one above the memory says the same.
function sameMemory(used: number, other: number): boolean {
  return Math.abs(used - other) <= 1 || other === 2 ** Math.ceil(Math.log2(used));
}

/** More in use than there is: no measure of what is in use, but a doubt about what there is. */
export const exceeds = (inUse: number | undefined, total: number | undefined): boolean =>
  inUse !== undefined && total !== undefined && inUse > total + 1;

type Verdict = Pick<GpuDevice, 'reason' | 'failed'>;

/** Why jobs cannot use the GPU; nothing when they can. */
function whyNot(group: readonly Evidence[], reports: readonly SourceReport[]): Verdict {
  const broken = group.find(({ sighting }) => sighting.broken)?.sighting;
  if (broken) return { reason: broken.broken, ...(broken.meant ? {} : { failed: true }) };
  if (group.some(({ sighting }) => sighting.vendor === 'NVIDIA')) {
    const unlisted = notListed(group, reports);
    if (unlisted) return unlisted;
  }
  if (group.some(({ sighting }) => sighting.computes)) return {};
  const doubt = group.find(({ sighting }) => sighting.doubt)?.sighting.doubt;
  return { reason: doubt ?? 'no source knows that it computes' };
}

// The kernel's files list every GPU of the host. The library knows which of them this process (a container, say) may use, and
// whether it gets along with the driver.
function notListed(group: readonly Evidence[], reports: readonly SourceReport[]): Verdict | undefined {
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

const makersInOrder = ['NVIDIA', 'AMD/ATI', 'Intel'];

function order(a: GpuDevice, b: GpuDevice): number {
  const rank = ({ vendor }: GpuDevice) => {
    const at = makersInOrder.indexOf(vendor);
    return at < 0 ? makersInOrder.length : at;
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
