// Describes this machine for people: sections with aligned names and readable units.
import type { GpuDevice } from '../../../host/gpu/gpu.ts';
import { usableCpus } from '../../../host/limits.ts';
import { usableMemory } from '../../../host/machine.ts';
import type { Fact } from '../../../host/values/fact.ts';
import type { ProbeView } from '../../../host/view.ts';
import { sectionsText } from '../../../output/sections.ts';

/** A row: the name of a fact, its value, and its source. */
type Row = readonly [label: string, value: string, source?: string | undefined];
interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** Returns the text of `view`. With `sources` it also shows the source of each fact, and the result of each source. */
export function probeText(view: ProbeView, sources: boolean): string {
  const sections: Section[] = [
    machineSection(view),
    processorSection(view),
    memorySection(view),
    diskSection(view),
    ...cloudSection(view),
    ...view.gpus.map(gpuSection),
    offerSection(view),
    { title: 'labels', rows: Object.entries(view.labels).sort() },
    { title: 'conditions', rows: view.conditions.map(({ type, reason }) => [type, reason]) },
    ...(sources ? [sourceSection(view)] : []),
    { title: 'without an answer', rows: view.problems.map(problem => [problem, '']) },
  ];
  return sectionsText(
    sections.map(({ title, rows }) => ({
      title,
      rows: rows.map(([label, value, source = '']) => (sources ? [label, value, source] : [label, value])),
    })),
  );
}

function machineSection({ facts, address }: ProbeView): Section {
  const { operatingSystem, architecture, kernel, osName, manufacturer, model, virtualisation } = facts;
  return {
    title: 'machine',
    rows: [
      ...row('hostname', facts.hostname),
      ...(address ? ([['address', address.ip ?? 'none', address.why]] as const) : []),
      ...row('system', osName ?? operatingSystem),
      ['platform', `${operatingSystem.value}/${architecture.value}`, operatingSystem.source],
      ...row('kernel', kernel),
      ...row('manufacturer', manufacturer),
      ...row('model', model),
      ...row('virtualisation', virtualisation),
      ...row('boot id', facts.bootId),
    ],
  };
}

function processorSection({ facts, limits }: ProbeView): Section {
  const usable = usableCpus(facts.cpus.value, limits);
  const by = [limits.quota, limits.affinity].find(limit => limit?.value === usable);
  return {
    title: 'processor',
    rows: [
      ...row('model', facts.cpuModel),
      ...row('cores', facts.physicalCores),
      ...row('logical CPUs', facts.cpus),
      ...(usable < facts.cpus.value ? row('of these usable', by) : []),
    ],
  };
}

function memorySection({ facts, limits }: ProbeView): Section {
  return {
    title: 'memory',
    rows: [
      ...row('total', facts.memory, gib),
      ...(limits.memory && limits.memory.value < facts.memory.value
        ? row('of it usable', limits.memory, gib)
        : []),
      ...availableMemory({ facts, limits }),
    ],
  };
}

function availableMemory({ facts, limits }: Pick<ProbeView, 'facts' | 'limits'>): Row[] {
  const now = usableMemory({ facts, limits });
  if (!now || !limits.memory || now.available === facts.memoryAvailable?.value)
    return row('available', facts.memoryAvailable, gib);
  return [['available', gib(now.available), `${limits.memory.source} less what is in use`]];
}

function diskSection({ facts }: ProbeView): Section {
  return {
    title: 'disk of the data folder',
    rows: [...row('total', facts.disk, gib), ...row('available', facts.diskAvailable, gib)],
  };
}

function cloudSection({ cloud }: ProbeView): Section[] {
  if (!cloud) return [];
  const { provider, type, region, zone, instanceId } = cloud;
  const rows = Object.entries({ provider, type, region, zone, 'instance id': instanceId });
  return [
    {
      title: 'cloud',
      rows: rows.flatMap(([key, value]): Row[] => (value ? [[key, value, 'metadata service']] : [])),
    },
  ];
}

function gpuSection(gpu: GpuDevice): Section {
  const { vendor, index, name, memory, memoryUsed, driver, driverVersion, cuda, mig, eccErrors } = gpu;
  const used = memoryUsed ? `, ${memoryUsed.value} MiB in use` : '';
  const now = [
    ...text(gpu.utilisation, value => `${value} % busy`),
    ...text(gpu.temperature, value => `${value} °C`),
    ...text(gpu.power, value => `${value} W`),
  ];
  const driverWords = [...text(driver), ...text(driverVersion)].join(' ');
  const drivers = [...(driverWords ? [driverWords] : []), ...text(cuda, value => `CUDA ${value}`)];
  return {
    title: `GPU ${vendor}${index ? ` ${index.value}` : ''}: ${name?.value ?? 'of unknown name'}`,
    rows: [
      ['usable', gpu.usable ? 'yes' : `no: ${gpu.reason}`, gpu.sources.join(', ')],
      ...(gpu.address ? [['PCI address', gpu.address] as const] : []),
      ...row('UUID', gpu.uuid),
      ...(memory
        ? row('memory', memory, value => `${value} MiB${used}`)
        : row('memory', gpu.aperture, value => `not known; the CPU sees ${value} MiB of it`)),
      ...row('shared memory', gpu.sharedMemory, value => `${value} MiB of the memory of the machine`),
      ...row('cores', gpu.cores),
      ...joined('driver', drivers, driverVersion ?? driver),
      ...conflict(driver),
      ...conflict(driverVersion),
      ...joined('now', now, gpu.utilisation ?? gpu.temperature ?? gpu.power),
      ...row('memory errors', eccErrors, value => `${value} uncorrected`),
      ...parts(mig).map(
        (part, at): Row => (at === 0 ? ['split into', part, mig && origin(mig)] : ['', part]),
      ),
    ],
  };
}

function parts(mig: GpuDevice['mig']): string[] {
  if (!mig) return [];
  if (mig.value.length === 0) return ['nothing yet'];
  return mig.value.map(
    ({ name, memory }) => `${name ?? 'a partition'}${memory === undefined ? '' : ` (${memory} MiB)`}`,
  );
}

function offerSection({ offer }: ProbeView): Section {
  return {
    title: 'offered to the cluster',
    rows: [
      ['CPU', String(Math.round((offer.CPU ?? 0) * 1000) / 1000)],
      ['memory', gib(offer.Memory ?? 0)],
      ['disk', gib(offer.Disk ?? 0)],
      ['GPUs', String(offer.GPU ?? 0)],
    ],
  };
}

function sourceSection({ sources, gpuReports }: ProbeView): Section {
  const outcome = (took: number, fault: { reason: string } | undefined, result: string): string =>
    fault ? fault.reason : `${milliseconds(took)}${result}`;
  return {
    title: 'sources',
    rows: [
      ...sources.map(({ source, took, fault }) => [source, outcome(took, fault, '')] as const),
      ...gpuReports.map(({ source, took, fault, sightings }) => {
        const count = `, ${sightings.length} ${sightings.length === 1 ? 'GPU' : 'GPUs'}`;
        return [source, outcome(took, fault, count)] as const;
      }),
    ],
  };
}

/** Returns a fact as a row. A source that disagrees is in the row below, even when sources are not shown. */
function row<T>(label: string, fact: Fact<T> | undefined, format: (value: T) => string = String): Row[] {
  return fact ? [[label, format(fact.value), origin(fact)], ...conflict(fact)] : [];
}

const conflict = (fact: Fact<unknown> | undefined): Row[] =>
  fact?.disagreement ? [['', fact.disagreement]] : [];

/** Returns several facts as one row. Its source is the source of `fact`. */
function joined(label: string, values: readonly string[], fact: Fact<unknown> | undefined): Row[] {
  return values.length > 0 ? [[label, values.join(', '), fact && origin(fact)]] : [];
}

const text = <T>(fact: Fact<T> | undefined, format: (value: T) => string = String): string[] =>
  fact ? [format(fact.value)] : [];

function origin({ source, took, others }: Fact<unknown>): string {
  const time = took >= 1 ? ` in ${milliseconds(took)}` : '';
  const also = others.map(other => other.source);
  return `${source}${time}${also.length > 0 ? `; also ${also.join(', ')}` : ''}`;
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const milliseconds = (took: number): string => `${took < 10 ? took.toFixed(1) : Math.round(took)} ms`;
