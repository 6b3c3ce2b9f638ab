// Measures which resources of this machine are free and in use, within the limits of this process.
import type { OfferableHardware } from '../../host/capacity.ts';
import { readMemoryInUse } from '../../host/control-group.ts';
import type { HostFacts } from '../../host/host-facts.ts';
import type { DiskSpace } from '../../host/inputs/disk-space.ts';
import { type Limits, memoryLeft, memoryWithin, usableCpus } from '../../host/limits.ts';
import type { NativeProbe } from '../../host/native/native-probe.ts';
import type { Disk } from '../../host/sample/disk.ts';
import { nativeFiguresReader, nodeFiguresReader } from '../../host/sample/kernel-figures.ts';
import { type Sample, Sampler } from '../../host/sample/sampler.ts';
import type { Usage } from '../../protocol/messages.ts';
import type { Gpu } from '../../protocol/resources.ts';
import type { Log } from '../../system/log.ts';

export interface ResourceMeterOptions {
  host: HostFacts;
  limits: Limits;
  disk: Disk;
  /** The native probe; undefined when it could not be loaded. */
  probe: NativeProbe | undefined;
  /** The data folder, which is named in log messages. */
  folder: string;
  log: Log;
}

export interface Measurement {
  /** The resources that are free. */
  sample: Sample;
  /** The resources that are in use. */
  usage: Usage;
  /** Space on the data folder's file system; undefined until the file system has answered. */
  space: DiskSpace | undefined;
}

export class ResourceMeter {
  readonly #options: ResourceMeterOptions;
  readonly #sampler: Sampler;
  /** Number of CPUs that this process may use. A quota may make it a fraction. */
  readonly cpus: number;
  /** Memory that this process may use, in bytes. */
  readonly memoryBytes: number;
  #spaceAtStart: number | undefined;
  #isDiskLate = false;

  constructor(options: ResourceMeterOptions) {
    const { host, limits, disk, probe } = options;
    this.#options = options;
    this.cpus = usableCpus(host.cpus, limits);
    this.memoryBytes = memoryWithin(host.memoryBytes, limits);
    this.#sampler = new Sampler(disk, probe ? nativeFiguresReader(probe) : nodeFiguresReader());
  }

  /**
   * Returns the resources that can be offered. The disk counts with what was free at the start: what others fill later
   * does not change it.
   */
  offerable(gpus: readonly Gpu[]): OfferableHardware {
    this.#spaceAtStart ??= this.#options.disk.space?.available;
    return { cpus: this.cpus, memoryBytes: this.memoryBytes, diskBytes: this.#spaceAtStart ?? 0, gpus };
  }

  /** Measures now. The disk's figures are those of its last answer, and a new answer is requested. */
  measure(): Measurement {
    const { space } = this.#options.disk;
    const sample = this.#sampler.sample();
    sample.memoryBytes = Math.min(sample.memoryBytes, this.#memoryLeft());
    this.#logLateDisk();
    return {
      sample,
      space,
      usage: {
        CPU:
          sample.idleCpus === undefined
            ? 0
            : Math.max(0, Math.round((this.cpus - sample.idleCpus) * 100) / 100),
        Memory: Math.max(0, this.memoryBytes - sample.memoryBytes),
        Disk: space ? Math.max(0, space.total - space.available) : 0,
        Load: sample.load[0],
      },
    };
  }

  /** Returns the bytes that the limit of a control group leaves free; the whole memory when there is no limit. */
  #memoryLeft(): number {
    const { limits, probe } = this.#options;
    if (!limits.memory) return this.memoryBytes;
    const used = probe ? probe.cgroup().memoryUsed : readMemoryInUse(limits);
    return memoryLeft(this.memoryBytes, limits, used);
  }

  #logLateDisk(): void {
    const { disk, folder, log } = this.#options;
    const { lateReason } = disk;
    if ((lateReason !== undefined) === this.#isDiskLate) return;
    this.#isDiskLate = !this.#isDiskLate;
    if (this.#isDiskLate) {
      const text = 'the room in the data folder is unknown; the last known figure is reported';
      log.warn({ folder, reason: `it ${lateReason}` }, text);
    } else log.info({ folder }, 'the room in the data folder is known again');
  }
}
