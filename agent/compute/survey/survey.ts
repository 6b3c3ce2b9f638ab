// Surveys this machine for the reports: what it is, what it offers, what is free, and what is wrong with it.
import { type AddressSources, type ChosenAddress, chooseAddress } from '../../host/address.ts';
import { type AllocatedCapacity, availableCapacity, offeredCapacity } from '../../host/capacity.ts';
import { type CloudFacts, cloudLabels, readCloudFacts } from '../../host/cloud.ts';
import type { Observation } from '../../host/conditions.ts';
import { type Declared, mismatches } from '../../host/declared.ts';
import { type CrashGuard, crashGuard, readCircumstances } from '../../host/gpu/crash-guard.ts';
import type { GpuScan } from '../../host/gpu/scanner.ts';
import { type HostFacts, readHostFacts } from '../../host/host-facts.ts';
import { SystemInputs } from '../../host/inputs/system-inputs.ts';
import type { ChildCommand } from '../../host/inventory/inventory.ts';
import { nodeLabels } from '../../host/labels.ts';
import { readLimits } from '../../host/limits.ts';
import { type MachineFacts, settleMachineFacts } from '../../host/machine-facts.ts';
import type { LoadedProbe } from '../../host/native/native-probe.ts';
import { Disk } from '../../host/sample/disk.ts';
import type { Usage } from '../../protocol/messages.ts';
import type { NodeCondition, NodeInfo } from '../../protocol/node-info.ts';
import type { Resources } from '../../protocol/resources.ts';
import { type Clock, systemClock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { ConditionWatch } from './condition-watch.ts';
import { GpuWatch } from './gpu-watch.ts';
import { InventoryWatch } from './inventory-watch.ts';
import { describeHost, nodeInfo } from './node-info.ts';
import { type Measurement, ResourceMeter } from './resource-meter.ts';

export interface SurveyOptions {
  node: string;
  /** The agent's own folder. Inventory and GPUs are saved in it, and its file system is the disk that is offered. */
  folder: string;
  inventoryCommand: ChildCommand;
  /** The setting `node.nvmlLibrary`. */
  nvmlLibrary?: string | undefined;
  /** Whether the node takes another id when an operator renames it. */
  takesId?: boolean;
  /** Whether the cloud's metadata service is asked for the type of this instance. */
  cloudMetadata?: boolean;
  /** Returns what the machine's address is chosen from; without it the node shows none. */
  network?: () => Omit<AddressSources, 'wanted'>;
  /** The native probe; by default the one that comes with the program. */
  probe?: LoadedProbe;
  log: Log;
  clock?: Clock;
}

/** The settings about this node: what it gives to the cluster, its labels, and the hardware that it should have. */
export interface Offer {
  allocatedCapacity: AllocatedCapacity;
  labels: Readonly<Record<string, string>>;
  declared?: Declared;
  /** The setting `node.address`. */
  address?: string | undefined;
}

/** The free part of the offered resources, and the measured usage. */
export interface Availability {
  available: Resources;
  usage: Usage;
}

/** The part of a survey that the agent uses. A test can replace it. */
export interface MachineSurvey {
  /** The kernel's id of this boot. */
  readonly bootId: string | undefined;
  /** The problems that this node has now. */
  readonly conditions: readonly NodeCondition[];
  /** The address at which other programs find this machine, as it is now; undefined where nobody asks for one. */
  readonly address?: ChosenAddress | undefined;
  /** Number of changes of conditions, GPUs and inventory since the start. Each of them changes the node's information. */
  readonly infoChanges: number;
  /** Measures what is free now. */
  sample(): Availability;
  /** Returns the node's information. It agrees with the newest sample. */
  info(): NodeInfo;
  /** Takes the slow inventory in a child process. A failure is logged, not thrown. */
  takeInventory(): Promise<boolean>;
  /** Scans the GPUs; with `all`, every GPU source is asked. Never throws. */
  scanGpus(all?: boolean): Promise<void>;
}

/** Time that the first answer of the data folder's file system may take, in milliseconds. */
const diskTimeoutMs = 250;

interface SurveyParts {
  host: HostFacts;
  inputs: SystemInputs;
  disk: Disk;
  meter: ResourceMeter;
  gpus: GpuWatch;
  guard: CrashGuard;
  inventory: InventoryWatch;
  conditions: ConditionWatch;
}

export class Survey implements MachineSurvey {
  readonly #node: string;
  readonly #takesId: boolean | undefined;
  readonly #clock: Clock;
  readonly #asksCloud: boolean;
  readonly #network: SurveyOptions['network'];
  readonly #parts: SurveyParts;
  #isClosed = false;
  #offer: Offer;
  #facts: MachineFacts;
  #cloud: CloudFacts | undefined;
  #newest: Measurement;
  /** The GPU scan with which the conditions were last updated. */
  #observedScan: GpuScan | undefined;
  #infoChanges = 0;

  /**
   * Reads everything that is known at once. The saved GPUs and inventory of the last run are used until there are newer
   * ones.
   */
  static async open(options: SurveyOptions, offer: Offer): Promise<Survey> {
    const { node, folder, inventoryCommand, nvmlLibrary, log, clock = systemClock } = options;
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
    const [host] = await Promise.all([readHostFacts(inputs), disk.within(diskTimeoutMs, clock)]);
    const guard = await crashGuard(folder, await readCircumstances(inputs));
    if (guard.fault) log.warn({ reason: guard.fault }, 'the NVIDIA library is not used');
    if (!inputs.probe.probe) {
      const text = 'running without the native probe: NVIDIA GPUs are read by nvidia-smi only';
      log.info({ reason: inputs.probe.reason }, text);
    }
    const [limits, gpus, inventory] = await Promise.all([
      readLimits(inputs),
      GpuWatch.open(inputs, folder, log, clock),
      InventoryWatch.open({ command: inventoryCommand, folder, log, clock }),
    ]);
    const meter = new ResourceMeter({ host, limits, disk, probe: inputs.probe.probe, folder, log });
    const conditions = new ConditionWatch({ node, clock, log });
    return new Survey(options, offer, { host, inputs, disk, meter, gpus, guard, inventory, conditions });
  }

  private constructor(options: SurveyOptions, offer: Offer, parts: SurveyParts) {
    this.#node = options.node;
    this.#takesId = options.takesId;
    this.#clock = options.clock ?? systemClock;
    this.#asksCloud = options.cloudMetadata ?? false;
    this.#network = options.network;
    this.#offer = offer;
    this.#parts = parts;
    this.#facts = this.#settleFacts();
    this.#newest = this.#measure();
  }

  get bootId(): string | undefined {
    return this.#parts.host.bootId;
  }

  get conditions(): readonly NodeCondition[] {
    return this.#parts.conditions.current;
  }

  get address(): ChosenAddress | undefined {
    return this.#network && chooseAddress({ ...this.#network(), wanted: this.#offer.address });
  }

  get infoChanges(): number {
    return this.#infoChanges;
  }

  /** Applies another offer, from the next report on. */
  reload(offer: Offer): void {
    this.#offer = offer;
  }

  /** Measures what is free now. The GPUs' figures come from the last refresh, and the next refresh is started. */
  sample(): Availability {
    const { gpus, conditions } = this.#parts;
    // A machine whose only GPU is missing has no usable GPU, but needs the refresh, because the GPU may come back.
    const isGpuAmiss = conditions.has('GpuMissing') || conditions.has('GpuDriverUnresponsive');
    if (gpus.usable.length > 0 || isGpuAmiss) void this.#refreshGpus();
    this.#newest = this.#measure();
    const gpuUsage = gpus.usage();
    const { usage } = this.#newest;
    return { available: this.#available(), usage: gpuUsage ? { ...usage, GPUs: gpuUsage } : usage };
  }

  async scanGpus(all = false): Promise<void> {
    if (this.#asksCloud) this.#cloud ??= await readCloudFacts(this.#parts.inputs);
    if (await this.#parts.gpus.scan(all)) this.#infoChanges++;
    this.#updateConditions({});
  }

  async #refreshGpus(): Promise<void> {
    const { scanned, changed } = await this.#parts.gpus.refresh();
    if (changed) this.#infoChanges++;
    // A refresh without a scan reads only figures that no condition depends on.
    if (scanned) this.#updateConditions({});
  }

  info(): NodeInfo {
    const { host, disk, gpus, inventory, conditions } = this.#parts;
    const offered = this.#offered();
    const labels = { ...cloudLabels(this.#cloud), ...this.#offer.labels };
    return nodeInfo(
      this.#node,
      describeHost(this.#facts, {
        usableCpus: host.usableCpus,
        // Until all disks are known, the size of the data folder's file system is used.
        disk: inventory.latest?.disk ?? (disk.space?.total || undefined),
        gpuDriver: gpus.driver,
      }),
      offered,
      this.#available(),
      nodeLabels(this.#node, host, labels, offered.GPUs),
      conditions.current,
      this.address,
      this.#takesId,
    );
  }

  async takeInventory(): Promise<boolean> {
    const outcome = await this.#parts.inventory.take();
    if (outcome === 'changed') {
      this.#facts = this.#settleFacts();
      this.#infoChanges++;
    }
    return outcome !== 'failed';
  }

  /** Ends child processes that may be running, and removes the mark that would blame the NVIDIA library for a crash. */
  async close(): Promise<void> {
    const { inventory, gpus, inputs, guard } = this.#parts;
    this.#isClosed = true;
    inventory.close();
    gpus.close();
    inputs.close();
    await guard.release();
  }

  // The facts change only when the inventory changes, so they are computed only then.
  #settleFacts(): MachineFacts {
    const { host, inventory } = this.#parts;
    return settleMachineFacts({
      readAt: this.#clock.now().toISOString(),
      host,
      inventory: inventory.latest && { value: inventory.latest, took: 0 },
    });
  }

  #offered(): Resources {
    const { meter, gpus } = this.#parts;
    return offeredCapacity(this.#offer.allocatedCapacity, meter.offerable(gpus.usable));
  }

  // Returns the free part of the present offer. It is limited here, so that a new offer or a failed GPU counts before the
  // next sample.
  #available(): Resources {
    return availableCapacity(this.#offered(), this.#newest.sample, this.#parts.gpus.isFree());
  }

  #measure(): Measurement {
    const { meter } = this.#parts;
    const measurement = meter.measure();
    const memory = { total: meter.memoryBytes, available: measurement.sample.memoryBytes };
    this.#updateConditions({ disk: measurement.space, memory });
    return measurement;
  }

  // A scan measures neither disk nor memory, so it does not change their conditions.
  #updateConditions(measured: Pick<Observation, 'disk' | 'memory'>): void {
    if (this.#isClosed) return;
    const { meter, disk, gpus, inventory, conditions } = this.#parts;
    const { declared } = this.#offer;
    const { faults, lastScan } = gpus;
    // Declared hardware is compared only after the first scan. Before it, no GPU can be called missing.
    const wrong =
      declared && faults
        ? mismatches(declared, {
            cpus: meter.cpus,
            memoryBytes: meter.memoryBytes,
            diskBytes: disk.space?.total,
            gpus: gpus.usable,
          })
        : undefined;
    // The rules count how many times a driver did not answer, so each scan is given to them only once.
    const unresponsive = lastScan === this.#observedScan ? undefined : faults?.unresponsive;
    this.#observedScan = lastScan;
    const hasChanged = conditions.update({
      unresponsive,
      missingGpus: faults && [...faults.missing, ...(wrong?.gpus ?? [])],
      mismatches: wrong?.others ?? (faults ? [] : undefined),
      inventoryAgeMs: inventory.ageMs,
      ...measured,
    });
    if (hasChanged) this.#infoChanges++;
  }
}
