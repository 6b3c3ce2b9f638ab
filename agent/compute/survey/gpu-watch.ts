// The GPUs of this node as its reports need them: known at once from the last run, looked at in the background.

import { gpuDrivers, gpuUsage, isFree, usableGpus } from '../../host/gpu/offer.ts';
import { loadGpus, type SavedGpus, saveGpus } from '../../host/gpu/saved-gpus.ts';
import { type GpuScan, GpuScanner } from '../../host/gpu/scanner.ts';
import type { Inputs } from '../../host/inputs/inputs.ts';
import type { GpuUsage } from '../../protocol/messages.ts';
import type { Gpu } from '../../protocol/resources.ts';
import { type Clock, endsWithin, systemClock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';

/** Milliseconds that news waits for the disk. */
const keepPatience = 1_000;

export class GpuWatch {
  readonly #scanner: GpuScanner;
  readonly #folder: string;
  readonly #log: Log;
  readonly #clock: Clock;
  #known: SavedGpus;
  /** What the file holds. */
  #kept: SavedGpus;
  /** Writing it takes long: no second one waits behind it. */
  #keeping: Promise<void> | undefined;
  /** That it cannot be written was told. */
  #told = false;
  #closed = false;

  /** What was kept in `folder` serves until the first look. */
  static async open(inputs: Inputs, folder: string, log: Log, clock: Clock = systemClock): Promise<GpuWatch> {
    const kept = await loadGpus(folder).catch((error: Error) => {
      log.warn({ err: error }, 'the kept GPUs cannot be read; they are looked for anew');
      return undefined;
    });
    return new GpuWatch(new GpuScanner(inputs), folder, log, clock, kept ?? { gpus: [] });
  }

  private constructor(scanner: GpuScanner, folder: string, log: Log, clock: Clock, kept: SavedGpus) {
    this.#scanner = scanner;
    this.#folder = folder;
    this.#log = log;
    this.#clock = clock;
    this.#known = this.#kept = kept;
  }

  /** Those that jobs can use. */
  get usable(): readonly Gpu[] {
    return this.#known.gpus;
  }

  get driver(): string | undefined {
    return this.#known.driver;
  }

  /** Tells whether a job could have a GPU now; before the first look all count as free. */
  isFree(): (gpu: Gpu) => boolean {
    const { latest: last } = this.#scanner;
    return last ? isFree(last.devices) : () => true;
  }

  /** Others after each answer, be it to a look or a tick. */
  get newest(): GpuScan | undefined {
    return this.#scanner.latest;
  }

  /** How busy each is; undefined where there are none. */
  usage(): GpuUsage[] | undefined {
    const { latest: last } = this.#scanner;
    const usage = last ? gpuUsage(last.devices) : [];
    return usage.length > 0 ? usage : undefined;
  }

  /** What the last look found wrong, in sentences; undefined before it. */
  get faults(): { unresponsive: string[]; missing: readonly string[] } | undefined {
    const { latest: last } = this.#scanner;
    if (!last) return undefined;
    const late = ({ source, fault }: GpuScan['reports'][number]) =>
      fault?.kind === 'late' ? [`${source} ${fault.reason}`] : [];
    return { unresponsive: last.reports.flatMap(late), missing: last.missing };
  }

  /**
   * Looks again; true when the GPUs or their driver are others now. `all` asks every source, and takes note of what is gone.
   * Never throws.
   */
  async look(all = false): Promise<boolean> {
    if (all) this.#scanner.forgetMissing();
    return this.#take(await this.#scanner.scan(all ? 'all' : 'needed'));
  }

  /** Reads how busy they are, and looks again where that tells too little. Never throws. */
  async tick(): Promise<{ looked: boolean; news: boolean }> {
    const looked = await this.#scanner.refresh();
    const { latest: last } = this.#scanner;
    return { looked, news: looked && last ? await this.#take(last) : false };
  }

  async #take(findings: GpuScan): Promise<boolean> {
    if (this.#closed) return false;
    const now = this.#stillThere(findings);
    const news = !same(now, this.#known);
    this.#known = now;
    this.#keeping ??= this.#keep().finally(() => {
      this.#keeping = undefined;
    });
    await endsWithin(this.#clock, keepPatience, this.#keeping);
    return news;
  }

  /** A look that is under way says nothing any more: what it asks is being ended. */
  close(): void {
    this.#closed = true;
  }

  // A driver that hangs since the start has not lost the GPUs of the last run: those on the bus are offered as they were.
  #stillThere({ devices, reports }: GpuScan): SavedGpus {
    const found = { gpus: usableGpus(devices), driver: gpuDrivers(devices) };
    if (!reports.some(({ fault, kept }) => fault?.kind === 'late' && !kept)) return found;
    const less = (before: Gpu) => {
      const now = found.gpus.find(({ PCIAddress }) => PCIAddress === before.PCIAddress);
      return devices.some(({ address }) => address === before.PCIAddress) && !now?.Memory;
    };
    const hung = this.#known.gpus.filter(less);
    if (hung.length === 0) return found;
    const others = found.gpus.filter(gpu => !hung.some(({ PCIAddress }) => PCIAddress === gpu.PCIAddress));
    return { gpus: [...hung, ...others], driver: this.#known.driver };
  }

  /** Brings the file in line with what is known; what failed is tried again with the next look. */
  async #keep(): Promise<void> {
    const now = this.#known;
    if (same(now, this.#kept)) return;
    try {
      await saveGpus(this.#folder, now);
      this.#kept = now;
      this.#told = false;
    } catch (error) {
      const text =
        'the GPUs could not be kept, and are tried again; a restart knows nothing of them at first';
      if (!this.#told) this.#log.warn({ err: error }, text);
      this.#told = true;
    }
  }
}

const same = (a: SavedGpus, b: SavedGpus): boolean => JSON.stringify(a) === JSON.stringify(b);
