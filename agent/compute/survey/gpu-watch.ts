// Knows the GPUs of this node: those of the last run at once, newer ones after each scan.
import { gpuDrivers, gpuUsage, isFree, usableGpus } from '../../host/gpu/offer.ts';
import { loadGpus, type SavedGpus, saveGpus } from '../../host/gpu/saved-gpus.ts';
import { type GpuScan, GpuScanner } from '../../host/gpu/scanner.ts';
import type { Inputs } from '../../host/inputs/inputs.ts';
import type { GpuUsage } from '../../protocol/messages.ts';
import type { Gpu } from '../../protocol/resources.ts';
import { type Clock, endsWithin, systemClock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { StateFile } from '../../system/state-file.ts';

/** Time for which the result of a scan waits for the disk, in milliseconds. */
const saveTimeoutMs = 1_000;

/** What is wrong with the GPUs, a sentence each. */
export interface GpuFaults {
  /** GPU sources that did not answer in time. */
  unresponsive: string[];
  /** GPUs that should be there and cannot be used. */
  missing: readonly string[];
}

export class GpuWatch {
  readonly #scanner: GpuScanner;
  readonly #file: StateFile<SavedGpus>;
  readonly #clock: Clock;
  #isClosed = false;

  /** Opens a watch that knows the GPUs which the last run saved in `folder`. */
  static async open(inputs: Inputs, folder: string, log: Log, clock: Clock = systemClock): Promise<GpuWatch> {
    const file = gpuFile(folder, log);
    await file.load();
    return new GpuWatch(new GpuScanner(inputs), file, clock);
  }

  private constructor(scanner: GpuScanner, file: StateFile<SavedGpus>, clock: Clock) {
    this.#scanner = scanner;
    this.#file = file;
    this.#clock = clock;
  }

  /** The GPUs that jobs can use. */
  get usable(): readonly Gpu[] {
    return this.#file.value.gpus;
  }

  get driver(): string | undefined {
    return this.#file.value.driver;
  }

  /** The newest scan; undefined before the first. Each scan and each refresh makes a new object. */
  get lastScan(): GpuScan | undefined {
    return this.#scanner.latest;
  }

  /** Returns a function that tells whether a job could have a GPU now. Before the first scan all count as free. */
  isFree(): (gpu: Gpu) => boolean {
    const { latest } = this.#scanner;
    return latest ? isFree(latest.devices) : () => true;
  }

  /** Returns how busy each GPU is; undefined where there is none. */
  usage(): GpuUsage[] | undefined {
    const { latest } = this.#scanner;
    const usage = latest ? gpuUsage(latest.devices) : [];
    return usage.length > 0 ? usage : undefined;
  }

  /** What the newest scan found wrong; undefined before the first. */
  get faults(): GpuFaults | undefined {
    const { latest } = this.#scanner;
    if (!latest) return undefined;
    const late = ({ source, fault }: GpuScan['reports'][number]) =>
      fault?.kind === 'late' ? [`${source} ${fault.reason}`] : [];
    return { unresponsive: latest.reports.flatMap(late), missing: latest.missing };
  }

  /**
   * Scans the GPUs; true when they or their driver changed. With `all` every source is asked, and GPUs that are gone are no
   * longer missed. Never throws.
   */
  async scan(all = false): Promise<boolean> {
    if (all) this.#scanner.forgetMissing();
    return this.#apply(await this.#scanner.scan(all ? 'all' : 'needed'));
  }

  /** Reads how busy the GPUs are, and scans them where that tells too little. Never throws. */
  async refresh(): Promise<{ scanned: boolean; changed: boolean }> {
    const scanned = await this.#scanner.refresh();
    const { latest } = this.#scanner;
    return { scanned, changed: scanned && latest ? await this.#apply(latest) : false };
  }

  /** Ends the watch. A scan that is under way is cut off, so its result is not used. */
  close(): void {
    this.#isClosed = true;
  }

  async #apply(scan: GpuScan): Promise<boolean> {
    if (this.#isClosed) return false;
    const before = this.#file.value;
    const now = this.#withHungGpus(scan);
    await endsWithin(this.#clock, saveTimeoutMs, this.#file.set(now));
    return !isSame(now, before);
  }

  // A driver that has hung since the start has not lost the GPUs of the last run: those that are still on the PCI bus are
  // offered as they were.
  #withHungGpus({ devices, reports }: GpuScan): SavedGpus {
    const found = { gpus: usableGpus(devices), driver: gpuDrivers(devices) };
    if (!reports.some(({ fault, kept }) => fault?.kind === 'late' && !kept)) return found;
    const isHung = (before: Gpu) => {
      const now = found.gpus.find(({ PCIAddress }) => PCIAddress === before.PCIAddress);
      return devices.some(({ address }) => address === before.PCIAddress) && !now?.Memory;
    };
    const hung = this.usable.filter(isHung);
    if (hung.length === 0) return found;
    const others = found.gpus.filter(gpu => !hung.some(({ PCIAddress }) => PCIAddress === gpu.PCIAddress));
    return { gpus: [...hung, ...others], driver: this.driver };
  }
}

const isSame = (a: SavedGpus, b: SavedGpus): boolean => JSON.stringify(a) === JSON.stringify(b);

function gpuFile(folder: string, log: Log): StateFile<SavedGpus> {
  const initial: SavedGpus = { gpus: [] };
  return new StateFile<SavedGpus>({
    initial,
    isSame,
    read: async () => (await loadGpus(folder)) ?? initial,
    write: gpus => saveGpus(folder, gpus),
    onReadError: err => log.warn({ err }, 'the saved GPUs cannot be read; they are looked for anew'),
    onWriteError: (err, _, isRepeated) => {
      const text =
        'the GPUs could not be saved; it is tried again at the next scan, and a restart knows none at first';
      if (!isRepeated) log.warn({ err }, text);
    },
  });
}
