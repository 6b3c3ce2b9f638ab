// The GPU watch knows the GPUs of this node: at first those that the last run saved, then those of each scan.
import { gpuDrivers, gpuUsage, isFree, usableGpus } from '../../host/gpu/offer.ts';
import { loadGpus, type SavedGpus, saveGpus } from '../../host/gpu/saved-gpus.ts';
import { type GpuScan, GpuScanner } from '../../host/gpu/scanner.ts';
import type { Inputs } from '../../host/inputs/inputs.ts';
import type { GpuUsage } from '../../protocol/messages.ts';
import type { Gpu } from '../../protocol/resources.ts';
import { type Clock, endsWithin, systemClock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { StateFile } from '../../system/state-file.ts';

/** Time for which a scan waits until its result is saved, in milliseconds. */
const saveTimeoutMs = 1_000;

/** The problems of the GPUs, one sentence each. */
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

  /** Creates a watch that knows the GPUs which the last run saved in `folder`. */
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

  /** The newest scan; undefined before the first scan. Each scan and each refresh makes a new object. */
  get lastScan(): GpuScan | undefined {
    return this.#scanner.latest;
  }

  /**
   * Returns a function that returns whether a job could use a GPU now. Before the first scan every GPU counts as free.
   */
  isFree(): (gpu: Gpu) => boolean {
    const { latest } = this.#scanner;
    return latest ? isFree(latest.devices) : () => true;
  }

  /** Returns how busy each GPU is; undefined when nothing is known. */
  usage(): GpuUsage[] | undefined {
    const { latest } = this.#scanner;
    const usage = latest ? gpuUsage(latest.devices) : [];
    return usage.length > 0 ? usage : undefined;
  }

  /** The problems that the newest scan found; undefined before the first scan. */
  get faults(): GpuFaults | undefined {
    const { latest } = this.#scanner;
    if (!latest) return undefined;
    const late = ({ source, fault }: GpuScan['reports'][number]) =>
      fault?.kind === 'late' ? [`${source} ${fault.reason}`] : [];
    return { unresponsive: latest.reports.flatMap(late), missing: latest.missing };
  }

  /**
   * Scans the GPUs. Returns true when they or their driver changed. With `all`, every source is asked, and GPUs that are
   * gone are no longer missed. Never throws.
   */
  async scan(all = false): Promise<boolean> {
    if (all) this.#scanner.forgetMissing();
    return this.#apply(await this.#scanner.scan(all ? 'all' : 'needed'));
  }

  /** Reads how busy the GPUs are, and scans them when that shows too little. Never throws. */
  async refresh(): Promise<{ scanned: boolean; changed: boolean }> {
    const scanned = await this.#scanner.refresh();
    const { latest } = this.#scanner;
    return { scanned, changed: scanned && latest ? await this.#apply(latest) : false };
  }

  /** Ends the watch. A scan that is running is aborted, and its result is not used. */
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

  // When a driver has not answered since the start, the GPUs of the last run are not lost: those that are still on the PCI
  // bus are offered as before.
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
    onReadError: err => log.warn({ err }, 'the saved GPUs cannot be read; the next scan finds them again'),
    onWriteError: (err, _, isRepeated) => {
      const text =
        'the GPUs could not be saved; it is tried again at the next scan, and a restart knows none at first';
      if (!isRepeated) log.warn({ err }, text);
    },
  });
}
