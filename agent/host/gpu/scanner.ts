// Scans for GPUs: asks all GPU sources, starts a vendor's tool only where it is needed, and remembers which GPUs were there.
import { type Fault, type Inputs, measureInputs } from '../inputs/inputs.ts';
import { tidy } from '../values/tidy.ts';
import { amdgpu } from './amdgpu.ts';
import { describeGpu, failures, type GpuDevice, type GpuSource, type SourceReport } from './gpu.ts';
import { intel } from './intel.ts';
import { merge } from './merge.ts';
import { nvidiaProcfs } from './nvidia-procfs.ts';
import { nvidiaSmi } from './nvidia-smi.ts';
import { nvml } from './nvml.ts';
import { pci } from './pci.ts';
import { withFigures, withFiguresOf } from './refresh.ts';
import { rocmSmi } from './rocm-smi.ts';
import { systemProfiler } from './system-profiler.ts';
import { xpuSmi } from './xpu-smi.ts';

/** All GPU sources. When they disagree, the first one is used. */
const sources: readonly GpuSource[] = [
  nvml,
  nvidiaProcfs,
  nvidiaSmi,
  amdgpu,
  rocmSmi,
  intel,
  xpuSmi,
  systemProfiler,
  pci,
];

/** The result of a scan, with newer figures after each refresh. */
export interface GpuScan {
  readonly devices: readonly GpuDevice[];
  /** The report of each source that was asked. */
  readonly reports: readonly SourceReport[];
  /** One sentence for each GPU that has failed, or was usable earlier but is not usable now. */
  readonly missing: readonly string[];
}

export class GpuScanner {
  readonly #inputs: Inputs;
  #latest: GpuScan | undefined;
  #scanning: { tools: 'needed' | 'all'; result: Promise<GpuScan> } | undefined;
  #refreshing: Promise<boolean> | undefined;
  /** For each tool, the GPUs that were known when it was last started. */
  readonly #startedFor = new Map<GpuSource, string>();
  /** All GPUs that were ever usable, by their identity. */
  readonly #everUsable = new Map<string, GpuDevice>();

  constructor(inputs: Inputs) {
    this.#inputs = inputs;
  }

  /** The newest result; undefined before the first scan. */
  get latest(): GpuScan | undefined {
    return this.#latest;
  }

  /**
   * Scans the GPUs. With `needed`, the default, a tool is started only for a GPU whose name or memory no other source
   * knows, and only once for the same GPUs. With `all` every source is asked. All callers during a scan get the same
   * result. But a caller with `all` waits for a running scan with `needed`, and then starts another one. Never throws.
   */
  async scan(tools: 'needed' | 'all' = 'needed'): Promise<GpuScan> {
    if (tools === 'all' && this.#scanning?.tools === 'needed') await this.#scanning.result;
    this.#scanning ??= {
      tools,
      result: this.#scanAfterRefresh(tools).finally(() => {
        this.#scanning = undefined;
      }),
    };
    return this.#scanning.result;
  }

  /**
   * Reads only the figures again, from the sources that gave them in the last scan. It scans instead when that is not
   * enough: before the first scan, while something is wrong, for a GPU without such a source, and when a GPU does not
   * answer as before. Returns whether it scanned. Called for each resource report. Never throws.
   */
  async refresh(): Promise<boolean> {
    if (!this.#scanning && this.#latest && isHealthy(this.#latest)) {
      this.#refreshing ??= this.#refreshFigures(this.#latest).finally(() => {
        this.#refreshing = undefined;
      });
      if (await this.#refreshing) return false;
    }
    await this.scan();
    return true;
  }

  /** Forgets earlier GPUs, so that they are no longer missing. Called when an operator asks for a scan. */
  forgetMissing(): void {
    this.#everUsable.clear();
  }

  /** Reads the figures. Returns false when a scan is needed. */
  async #refreshFigures(before: GpuScan): Promise<boolean> {
    const reports = [...before.reports];
    let { devices } = before;
    for (let place = 0; place < reports.length; place++) {
      const report = reports[place];
      const source = report && report.sightings.length > 0 ? sourcesOfFigures.get(report.source) : undefined;
      if (!report || !source?.readFigures) continue;
      const { inputs, took } = measureInputs(this.#inputs);
      const readAt = inputs.now().toISOString();
      const figures = await source.readFigures(inputs, report.sightings);
      if (figures?.length !== report.sightings.length) return false;
      const now = withFigures({ ...report, took: took(), readAt }, figures);
      reports[place] = now;
      devices = withFiguresOf(now, devices);
    }
    this.#latest = { ...before, devices, reports };
    return true;
  }

  // Waits for the refresh and then scans. Otherwise both would call the same library at the same time, and write the same
  // mark.
  async #scanAfterRefresh(tools: 'needed' | 'all'): Promise<GpuScan> {
    await this.#refreshing;
    return this.#scan(tools);
  }

  async #scan(tools: 'needed' | 'all'): Promise<GpuScan> {
    const withoutTools = await Promise.all(
      sources.filter(source => !source.tool).map(source => this.#ask(source)),
    );
    const found = merge(this.#ordered(withoutTools));
    const ofTools = await Promise.all(
      sources.filter(source => source.tool).map(source => this.#askTool(source, found, tools)),
    );
    const reports = this.#ordered([...withoutTools, ...ofTools.flatMap(report => report ?? [])]);
    const devices = merge(reports);
    this.#latest = { devices, reports, missing: this.#missing(devices, reports) };
    return this.#latest;
  }

  async #askTool(source: GpuSource, found: readonly GpuDevice[], tools: 'needed' | 'all') {
    const own = found.filter(device => device.vendor === source.vendor && hasVendorDriver(device));
    const needed = own.some(
      device => !device.memory || !device.name || device.name.source === 'PCI' || !device.usable,
    );
    if (tools === 'needed' && !needed) return undefined;
    const gpus = own.map(identity).join(' ');
    const before = this.#reportOf(source);
    if (tools === 'needed' && before?.fault?.kind !== 'late' && this.#startedFor.get(source) === gpus)
      return before;
    const report = await this.#ask(source);
    this.#startedFor.set(source, gpus);
    return report;
  }

  async #ask(source: GpuSource): Promise<SourceReport> {
    const { inputs, took, late } = measureInputs(this.#inputs);
    const readAt = inputs.now().toISOString();
    const { sightings, fault } = await source.read(inputs);
    const report = { source: source.name, took: took(), readAt, sightings, fault: harmless(late() ?? fault) };
    const before = this.#reportOf(source);
    if (report.fault?.kind !== 'late' || !before?.sightings.length) return report;
    // When a driver hangs, its GPUs are not lost. So its last answer stays valid, with the time of that answer.
    return { ...report, sightings: before.sightings, readAt: before.readAt, kept: true };
  }

  #reportOf(source: GpuSource): SourceReport | undefined {
    return this.#latest?.reports.find(report => report.source === source.name);
  }

  /**
   * Returns the reports in the order of their sources. From the reports of an earlier scan it removes the GPUs that are
   * no longer on the PCI bus.
   */
  #ordered(reports: readonly SourceReport[]): SourceReport[] {
    const onBus = reports.find(({ source, fault }) => source === 'PCI' && !fault)?.sightings;
    return sources
      .flatMap(source => reports.find(report => report.source === source.name) ?? [])
      .map(report => (report.kept && onBus?.length ? onlyOnBus(report, onBus) : report));
  }

  #missing(devices: readonly GpuDevice[], reports: readonly SourceReport[]): string[] {
    const usable = new Map(devices.filter(device => device.usable).map(device => [identity(device), device]));
    const missing = [...this.#everUsable].flatMap(([id, before]) => {
      if (usable.has(id)) return [];
      const now = devices.find(device => identity(device) === id);
      if (now?.reason) return `${describeGpu(before)} cannot be used: ${now.reason}`;
      const fault = sourcesFault(before, reports);
      return fault
        ? `${describeGpu(before)} is not seen, because ${fault}`
        : `${describeGpu(before)} is gone`;
    });
    const others = failures(devices.filter(device => !this.#everUsable.has(identity(device))));
    for (const [id, device] of usable) this.#everUsable.set(id, device);
    return [...missing, ...others];
  }
}

/** Returns whether there is no problem that a scan could clear, and each usable GPU has a source for its figures. */
const isHealthy = ({ devices, reports, missing }: GpuScan): boolean =>
  missing.length === 0 &&
  reports.every(({ fault }) => fault?.kind !== 'late' && fault?.kind !== 'failed') &&
  devices.every(({ usable, sources: its }) => !usable || its.some(name => sourcesOfFigures.has(name)));

const sourcesOfFigures = new Map(
  sources.filter(({ readFigures }) => readFigures).map(source => [source.name, source]),
);

const identity = ({ address, uuid, vendor, index }: GpuDevice): string =>
  address ?? uuid?.value ?? `${vendor} ${index?.value}`;

// Makes the reason of a fault safe, because it may quote a library and becomes a part of a condition.
const harmless = (fault: Fault | undefined): Fault | undefined =>
  fault && { kind: fault.kind, reason: tidy(fault.reason, 300) ?? fault.kind };

/** Returns whether a driver of the vendor is in use, which the vendor's tool could ask. */
const hasVendorDriver = ({ driver, sources }: GpuDevice): boolean =>
  sources.some(source => source !== 'PCI') || /^(?:nvidia|amdgpu|i915|xe)$/.test(driver?.value ?? '');

/**
 * Returns the fault of the best source that reported the GPU. Returns undefined when one of these sources answers now,
 * because it would report the GPU if the GPU were there.
 */
function sourcesFault({ sources: its }: GpuDevice, reports: readonly SourceReport[]): string | undefined {
  const own = reports.filter(({ source }) => its.includes(source));
  if (own.some(({ fault }) => !fault)) return undefined;
  const [best] = own;
  return best && `${best.source} ${best.fault?.reason}`;
}

/** Returns `report` without the GPUs that are no longer on the bus. */
function onlyOnBus(report: SourceReport, onBus: SourceReport['sightings']): SourceReport {
  const addresses = new Set(onBus.map(({ address }) => address));
  return {
    ...report,
    sightings: report.sightings.filter(({ address }) => address === undefined || addresses.has(address)),
  };
}
