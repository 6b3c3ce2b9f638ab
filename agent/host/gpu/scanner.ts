// Finds the GPUs: asks the sources, starts a tool only where it is needed, and remembers what was there.
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
import { measured, refreshed } from './refresh.ts';
import { rocmSmi } from './rocm-smi.ts';
import { systemProfiler } from './system-profiler.ts';
import { xpuSmi } from './xpu-smi.ts';

/** In the order in which they are believed. */
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

export interface GpuScan {
  readonly devices: readonly GpuDevice[];
  /** What came of each source that was asked. */
  readonly reports: readonly SourceReport[];
  /** GPUs that have failed, or could be used at an earlier time, and why they cannot now: a sentence each. */
  readonly missing: readonly string[];
}

export class GpuScanner {
  readonly #inputs: Inputs;
  #last: GpuScan | undefined;
  #inFlight: { tools: 'needed' | 'all'; findings: Promise<GpuScan> } | undefined;
  #ticking: Promise<boolean> | undefined;
  /** The GPUs among which each tool was last asked. */
  readonly #askedFor = new Map<GpuSource, string>();
  /** All GPUs that could ever be used, by what identifies them. */
  readonly #known = new Map<string, GpuDevice>();

  constructor(inputs: Inputs) {
    this.#inputs = inputs;
  }

  /** The newest findings; undefined until there were any. */
  get last(): GpuScan | undefined {
    return this.#last;
  }

  /**
   * Looks again. `needed` (the default) starts a tool only for a GPU that other sources leave without a name or a memory, and
   * for the same GPUs only once; `all` asks every source. While it looks, all callers wait for the same answer; who wants `all`
   * and finds less under way has it looked again. Never throws.
   */
  async detect(tools: 'needed' | 'all' = 'needed'): Promise<GpuScan> {
    if (tools === 'all' && this.#inFlight?.tools === 'needed') await this.#inFlight.findings;
    this.#inFlight ??= {
      tools,
      findings: this.#afterTick(tools).finally(() => {
        this.#inFlight = undefined;
      }),
    };
    return this.#inFlight.findings;
  }

  /**
   * Reads again what changes from one moment to the next, from the sources that told it in the last look, and from no other.
   * Looks as `detect` does where that is not enough: before the first look; while anything is wrong, so that what comes back is
   * seen; for a GPU that no such source knows; and when a GPU does not answer as it did. True when it looked. Never throws.
   */
  async tick(): Promise<boolean> {
    if (!this.#inFlight && this.#last && isSteady(this.#last)) {
      this.#ticking ??= this.#refresh(this.#last).finally(() => {
        this.#ticking = undefined;
      });
      if (await this.#ticking) return false;
    }
    await this.detect();
    return true;
  }

  /** What is gone is no longer missed: an operator has taken note. */
  forget(): void {
    this.#known.clear();
  }

  /** False when it takes a look. */
  async #refresh(before: GpuScan): Promise<boolean> {
    const reports = [...before.reports];
    let { devices } = before;
    for (const [place, report] of before.reports.entries()) {
      const source = sources.find(({ name }) => name === report.source);
      if (!source?.tick || report.sightings.length === 0) continue;
      const { inputs, took } = measureInputs(this.#inputs);
      const readAt = inputs.now().toISOString();
      const figures = await source.tick(inputs, report.sightings);
      if (figures?.length !== report.sightings.length) return false;
      const now = refreshed({ ...report, took: took(), readAt }, figures);
      reports[place] = now;
      devices = measured(devices, now);
    }
    this.#last = { ...before, devices, reports };
    return true;
  }

  // The two would call one library, and leave one mark.
  async #afterTick(tools: 'needed' | 'all'): Promise<GpuScan> {
    await this.#ticking;
    return this.#detect(tools);
  }

  async #detect(tools: 'needed' | 'all'): Promise<GpuScan> {
    const cheap = await Promise.all(sources.filter(source => !source.tool).map(source => this.#ask(source)));
    const seen = merge(this.#ordered(cheap, []));
    const more = await Promise.all(
      sources.filter(source => source.tool).map(source => this.#askTool(source, seen, tools)),
    );
    const reports = this.#ordered(
      cheap,
      more.flatMap(report => report ?? []),
    );
    const devices = merge(reports);
    this.#last = { devices, reports, missing: this.#missing(devices, reports) };
    return this.#last;
  }

  async #askTool(source: GpuSource, seen: readonly GpuDevice[], tools: 'needed' | 'all') {
    const own = seen.filter(device => device.vendor === source.vendor && driven(device));
    const needed = own.some(
      device => !device.memory || !device.name || device.name.source === 'PCI' || !device.usable,
    );
    if (tools === 'needed' && !needed) return undefined;
    const gpus = own.map(identity).join(' ');
    const before = this.#reportOf(source);
    if (tools === 'needed' && before?.fault?.kind !== 'late' && this.#askedFor.get(source) === gpus)
      return before;
    const report = await this.#ask(source);
    this.#askedFor.set(source, gpus);
    return report;
  }

  async #ask(source: GpuSource): Promise<SourceReport> {
    const { inputs, took, late } = measureInputs(this.#inputs);
    const readAt = inputs.now().toISOString();
    const { sightings, fault } = await source.read(inputs);
    const report = { source: source.name, took: took(), readAt, sightings, fault: harmless(late() ?? fault) };
    const before = this.#reportOf(source);
    if (report.fault?.kind !== 'late' || !before?.sightings.length) return report;
    // A driver that hangs has not lost its GPUs: what it said last still holds, with the time when it said so.
    return { ...report, sightings: before.sightings, readAt: before.readAt, kept: true };
  }

  #reportOf(source: GpuSource): SourceReport | undefined {
    return this.#last?.reports.find(report => report.source === source.name);
  }

  #ordered(cheap: readonly SourceReport[], more: readonly SourceReport[]): SourceReport[] {
    const all = [...cheap, ...more];
    const onBus = all.find(({ source, fault }) => source === 'PCI' && !fault)?.sightings;
    return sources
      .flatMap(source => all.find(report => report.source === source.name) ?? [])
      .map(report => (report.kept && onBus?.length ? stillOn(report, onBus) : report));
  }

  #missing(devices: readonly GpuDevice[], reports: readonly SourceReport[]): string[] {
    const usable = new Map(devices.filter(device => device.usable).map(device => [identity(device), device]));
    const missing = [...this.#known].flatMap(([id, before]) => {
      if (usable.has(id)) return [];
      const now = devices.find(device => identity(device) === id);
      if (now?.reason) return `${describeGpu(before)} cannot be used: ${now.reason}`;
      const unseen = whyUnseen(before, reports);
      return unseen ? `${describeGpu(before)} is not seen, as ${unseen}` : `${describeGpu(before)} is gone`;
    });
    const others = failures(devices.filter(device => !this.#known.has(identity(device))));
    for (const [id, device] of usable) this.#known.set(id, device);
    return [...missing, ...others];
  }
}

/** Nothing is wrong that could come right again, and the figures of every GPU can be read by themselves. */
const isSteady = ({ devices, reports, missing }: GpuScan): boolean =>
  missing.length === 0 &&
  reports.every(({ fault }) => fault?.kind !== 'late' && fault?.kind !== 'failed') &&
  devices.every(({ usable, sources: its }) => !usable || its.some(name => canTick.has(name)));

const canTick = new Set(sources.flatMap(({ name, tick }) => (tick ? [name] : [])));

const identity = ({ address, uuid, vendor, index }: GpuDevice): string =>
  address ?? uuid?.value ?? `${vendor} ${index?.value}`;

// A reason may quote a library, and becomes part of a condition.
const harmless = (fault: Fault | undefined): Fault | undefined =>
  fault && { kind: fault.kind, reason: tidy(fault.reason, 300) ?? fault.kind };

/** Has it a driver of its maker's, that a tool could ask? */
const driven = ({ driver, sources }: GpuDevice): boolean =>
  sources.some(source => source !== 'PCI') || /^(?:nvidia|amdgpu|i915|xe)$/.test(driver?.value ?? '');

/** Why none of the sources that knew of it can; undefined when one answers, which would tell of it. */
function whyUnseen({ sources: its }: GpuDevice, reports: readonly SourceReport[]): string | undefined {
  const known = reports.filter(({ source }) => its.includes(source));
  if (known.some(({ fault }) => !fault)) return undefined;
  const [best] = known;
  return best && `${best.source} ${best.fault?.reason}`;
}

/** `report` without the GPUs that the bus has no more. */
function stillOn(report: SourceReport, onBus: SourceReport['sightings']): SourceReport {
  const there = new Set(onBus.map(({ address }) => address));
  return {
    ...report,
    sightings: report.sightings.filter(({ address }) => address === undefined || there.has(address)),
  };
}
