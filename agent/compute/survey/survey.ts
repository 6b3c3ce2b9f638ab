// What this machine is and has free, as the reports need it: facts at once, GPUs and inventory when they come.
import { type AllocatedCapacity, availableCapacity, offeredCapacity } from '../../host/capacity.ts';
import { type CloudFacts, cloudLabels, readCloudFacts } from '../../host/cloud.ts';
import { type Condition, noConditions, type Observation, updateConditions } from '../../host/conditions.ts';
import { readMemoryInUse } from '../../host/control-group.ts';
import { type Declared, mismatches } from '../../host/declared.ts';
import { type CrashGuard, crashGuard, readCircumstances } from '../../host/gpu/crash-guard.ts';
import type { GpuScan } from '../../host/gpu/scanner.ts';
import { type HostFacts, readHostFacts } from '../../host/host-facts.ts';
import { SystemInputs } from '../../host/inputs/system-inputs.ts';
import type { ChildCommand } from '../../host/inventory/inventory.ts';
import { nodeLabels } from '../../host/labels.ts';
import { type Limits, memoryLeft, memoryWithin, readLimits, usableCpus } from '../../host/limits.ts';
import { settleMachineFacts } from '../../host/machine-facts.ts';
import type { LoadedProbe } from '../../host/native/native-probe.ts';
import { Disk } from '../../host/sample/disk.ts';
import { nativeFiguresReader, nodeFiguresReader } from '../../host/sample/kernel-figures.ts';
import { type Sample, Sampler } from '../../host/sample/sampler.ts';
import type { Usage } from '../../protocol/messages.ts';
import type { NodeCondition, NodeInfo } from '../../protocol/node-info.ts';
import type { Resources } from '../../protocol/resources.ts';
import { type Clock, systemClock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { GpuWatch } from './gpu-watch.ts';
import { InventoryWatch } from './inventory-watch.ts';
import { nodeInfo } from './node-info.ts';

export interface SurveyOptions {
  node: string;
  /** The agent's own folder: its file system is the disk that counts, and inventory and GPUs are kept in it. */
  folder: string;
  inventoryCommand: ChildCommand;
  /** `node.nvmlLibrary`. */
  nvmlLibrary?: string | undefined;
  /** Ask the cloud what kind of instance this is. */
  cloudMetadata?: boolean;
  /** The native probe; the one beside the program unless told. */
  probe?: LoadedProbe;
  log: Log;
  clock?: Clock;
}

export interface Offer {
  allocatedCapacity: AllocatedCapacity;
  labels: Readonly<Record<string, string>>;
  /** What the machine should have. */
  declared?: Declared;
}

/** What is free now of what is offered, and what was measured. */
export interface Availability {
  available: Resources;
  usage: Usage;
  /** The node's information has changed since the sample before: a condition, or its GPUs. */
  news?: boolean;
}

/** Time that the first question to the data folder's file system may take, in milliseconds. */
const diskTimeoutMs = 250;

export class Survey {
  readonly #options: SurveyOptions;
  readonly #clock: Clock;
  readonly #disk: Disk;
  readonly #sampler: Sampler;
  readonly #facts: HostFacts;
  readonly #inputs: SystemInputs;
  readonly #limits: Limits;
  /** Logical CPUs that this process may use. */
  readonly #cpus: number;
  readonly #gpus: GpuWatch;
  readonly #guard: CrashGuard;
  readonly #inventory: InventoryWatch;
  #closed = false;
  #offer: Offer;
  #cloud: CloudFacts | undefined;
  #diskAtStart: number | undefined;
  #diskLate = false;
  #judgement = noConditions;
  /** The findings on GPUs that were judged last. */
  #heard: GpuScan | undefined;
  /** The node's information has changed since this was last asked. */
  #news = false;
  #latest: Measured;

  /** Reads what is known at once; inventory and GPUs of an earlier run serve until the next look. */
  static async open(options: SurveyOptions, offer: Offer): Promise<Survey> {
    const { folder, inventoryCommand, nvmlLibrary, log, clock = systemClock } = options;
    const inputs: SystemInputs = new SystemInputs({
      folder,
      inventoryCommand,
      nvmlLibrary,
      guard: call => guard.around(call),
      hold: () => guard.mark,
      clock,
      ...(options.probe ? { probe: options.probe } : {}),
    });
    const disk = new Disk(() => inputs.space());
    // A slow file system holds up the start for a moment only.
    const [facts] = await Promise.all([readHostFacts(inputs), disk.within(diskTimeoutMs, clock)]);
    const guard = await crashGuard(folder, await readCircumstances(inputs));
    if (guard.fault) log.warn({ reason: guard.fault }, 'the NVIDIA library is left alone');
    if (!inputs.probe.probe) {
      log.info(
        { reason: inputs.probe.reason },
        'running without the native probe: NVIDIA GPUs are asked by nvidia-smi alone',
      );
    }
    const [limits, gpus, inventory] = await Promise.all([
      readLimits(inputs),
      GpuWatch.open(inputs, folder, log, clock),
      InventoryWatch.open({ command: inventoryCommand, folder, log, clock }),
    ]);
    return new Survey(options, offer, { disk, facts, inputs, limits, gpus, guard, inventory });
  }

  private constructor(options: SurveyOptions, offer: Offer, found: Found) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#offer = offer;
    this.#disk = found.disk;
    this.#facts = found.facts;
    this.#inputs = found.inputs;
    this.#limits = found.limits;
    this.#cpus = usableCpus(found.facts.cpus, found.limits);
    this.#gpus = found.gpus;
    this.#guard = found.guard;
    this.#inventory = found.inventory;
    const { probe } = found.inputs.probe;
    this.#sampler = new Sampler(found.disk, probe ? nativeFiguresReader(probe) : nodeFiguresReader());
    this.#latest = this.#measure();
    // The registration tells of it.
    this.#news = false;
  }

  get bootId(): string | undefined {
    return this.#facts.bootId;
  }

  /** Takes another offer into account, from the next report on. */
  reload(offer: Offer): void {
    this.#offer = offer;
  }

  /** A new sample; the information that follows it tells of the same one. */
  sample(): Availability {
    // What a GPU does changes as quickly as the rest; like the disk's, its figures are those of the look before. One that is
    // missed may come back as quickly, and be the only one.
    if (this.#gpus.usable.length > 0 || this.#isGpuAmiss()) void this.#tick();
    this.#latest = this.#measure();
    const news = this.#news;
    this.#news = false;
    return { available: this.#available(), usage: this.#latest.usage, news };
  }

  /** Looks for GPUs; true when the node's information changed. `all`: by hand, every source is asked. Never throws. */
  async look(all = false): Promise<boolean> {
    if (this.#options.cloudMetadata && !this.#cloud) this.#cloud = await readCloudFacts(this.#inputs);
    await this.#lookAtGpus(all);
    const news = this.#news;
    this.#news = false;
    return news;
  }

  async #lookAtGpus(all = false): Promise<void> {
    if (await this.#gpus.look(all)) this.#news = true;
    if (!this.#closed) this.#judge({});
  }

  async #tick(): Promise<void> {
    const { looked, news } = await this.#gpus.tick();
    if (news) this.#news = true;
    // The figures of one that is as it was bear on no condition.
    if (looked && !this.#closed) this.#judge({});
  }

  /** The node's information, by what is known now. */
  info(): NodeInfo {
    const { node } = this.#options;
    const inventory = this.#inventory.latest;
    const { space } = this.#disk;
    const facts = settleMachineFacts({
      readAt: this.#clock.now().toISOString(),
      host: this.#facts,
      space: space && { value: space, took: 0 },
      inventory: inventory && { value: inventory, took: 0 },
    });
    const offered = this.#offered();
    const conditions: NodeCondition[] = this.#judgement.conditions.map(({ type, reason, since }) => ({
      Type: type,
      Reason: reason,
      Since: since,
    }));
    return nodeInfo(
      node,
      {
        hostname: facts.hostname.value,
        operatingSystem: facts.operatingSystem.value,
        architecture: facts.architecture.value,
        kernel: facts.kernel.value,
        osName: facts.osName?.value,
        cpuModel: facts.cpuModel?.value,
        cpus: this.#facts.usableCpus,
        memory: facts.memory.value,
        // Those of the machine; until they are known, the file system of the data folder.
        disk: inventory?.disk ?? (facts.disk?.value || undefined),
        virtualisation: facts.virtualisation?.value,
        gpuDriver: this.#gpus.driver,
      },
      offered,
      this.#available(),
      nodeLabels(node, this.#facts, { ...cloudLabels(this.#cloud), ...this.#offer.labels }, offered.GPUs),
      conditions,
    );
  }

  /** Takes the slow inventory in a child process; true when it says something new. Never throws: it logs. */
  takeInventory(): Promise<boolean> {
    return this.#inventory.take();
  }

  /** Ends a child that may be running, and clears a library that it may be waiting for of having ended this process. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#inventory.close();
    this.#gpus.close();
    this.#inputs.close();
    await this.#guard.release();
  }

  // The machine inside its limits: of a container with 2 CPUs on a host with 64, 2 are there to offer.
  #whole(): { cpus: number; memoryBytes: number } {
    return {
      cpus: this.#cpus,
      memoryBytes: memoryWithin(this.#facts.memoryBytes, this.#limits),
    };
  }

  #offered(): Resources {
    this.#diskAtStart ??= this.#disk.space?.available;
    const gpus = this.#gpus.usable;
    const machine = { ...this.#whole(), diskBytes: this.#diskAtStart ?? 0, gpus };
    return offeredCapacity(this.#offer.allocatedCapacity, machine);
  }

  // Of what is offered now: neither another offer nor a GPU that failed waits for a sample.
  #available(): Resources {
    return availableCapacity(this.#offered(), this.#latest.sample, this.#gpus.isFree());
  }

  #measure(): Measured {
    const raw = this.#sampler.sample();
    const whole = this.#whole();
    const sample = { ...raw, memoryBytes: Math.min(raw.memoryBytes, this.#memoryLeft(whole.memoryBytes)) };
    const space = this.#disk.space;
    this.#tellOfDisk();
    this.#judge({ disk: space, memory: { total: whole.memoryBytes, available: sample.memoryBytes } });
    const gpus = this.#gpus.usage();
    return {
      sample,
      usage: {
        CPU:
          sample.idleCpus === undefined
            ? 0
            : Math.max(0, Math.round((whole.cpus - sample.idleCpus) * 100) / 100),
        Memory: Math.max(0, whole.memoryBytes - sample.memoryBytes),
        Disk: space ? Math.max(0, space.total - space.available) : 0,
        Load: sample.load[0],
        ...(gpus ? { GPUs: gpus } : {}),
      },
    };
  }

  #tellOfDisk(): void {
    const { folder, log } = this.#options;
    const { lateReason } = this.#disk;
    if ((lateReason !== undefined) === this.#diskLate) return;
    this.#diskLate = !this.#diskLate;
    if (this.#diskLate)
      log.warn(
        { folder, reason: `it ${lateReason}` },
        'the room in the data folder is unknown; what it was is told',
      );
    else log.info({ folder }, 'the room in the data folder is known again');
  }

  // What a control group's limit leaves; the whole where there is none.
  #memoryLeft(whole: number): number {
    if (!this.#limits.memory) return whole;
    const { probe } = this.#inputs.probe;
    const used = probe ? probe.cgroup().memoryUsed : readMemoryInUse(this.#limits);
    return memoryLeft(whole, this.#limits, used);
  }

  // A look for GPUs has no sample: what it does not look at stays as it was judged.
  #judge(sampled: Pick<Observation, 'disk' | 'memory'>): void {
    const { declared } = this.#offer;
    const faults = this.#gpus.faults;
    // Nothing is missing before it was looked for.
    const wrong =
      declared && faults
        ? mismatches(declared, {
            ...this.#whole(),
            diskBytes: this.#disk.space?.total,
            gpus: this.#gpus.usable,
          })
        : undefined;
    // The rules count answers, and several ask what came of one.
    const { newest } = this.#gpus;
    const unresponsive = newest === this.#heard ? undefined : faults?.unresponsive;
    this.#heard = newest;
    const before = this.#judgement.conditions;
    this.#judgement = updateConditions(this.#judgement, {
      monotonicMs: this.#clock.monotonic(),
      now: this.#clock.now(),
      unresponsive,
      missingGpus: faults && [...faults.missing, ...(wrong?.gpus ?? [])],
      mismatches: wrong?.others ?? (faults ? [] : undefined),
      inventoryAgeMs: this.#inventory.age,
      ...sampled,
    });
    const { conditions } = this.#judgement;
    if (JSON.stringify(conditions) === JSON.stringify(before)) return;
    this.#news = true;
    const { log, node } = this.#options;
    for (const { type, reason } of without(conditions, before)) {
      log.warn({ node, condition: type, reason }, 'a condition of this node came up');
    }
    for (const { type } of without(before, conditions)) {
      log.info({ node, condition: type }, 'a condition of this node is over');
    }
  }

  #isGpuAmiss(): boolean {
    return this.#judgement.conditions.some(
      ({ type }) => type === 'GpuMissing' || type === 'GpuDriverUnresponsive',
    );
  }
}

/** What a sample says, and what is told of it as it is. */
interface Measured {
  sample: Sample;
  usage: Usage;
}

interface Found {
  disk: Disk;
  facts: HostFacts;
  inputs: SystemInputs;
  limits: Limits;
  gpus: GpuWatch;
  guard: CrashGuard;
  inventory: InventoryWatch;
}

/** Those of `some` of a type that `others` have not. */
const without = (some: readonly Condition[], others: readonly Condition[]): Condition[] =>
  some.filter(({ type }) => !others.some(other => other.type === type));
