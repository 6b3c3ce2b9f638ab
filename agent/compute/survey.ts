// What this machine is and has free, as the reports need it: host facts at once, the inventory when it comes.
import { type AllocatedCapacity, availableCapacity, offeredCapacity } from '../host/capacity.ts';
import { Disk } from '../host/disk.ts';
import { type HostFacts, hostFacts } from '../host/facts.ts';
import {
  type ChildCommand,
  type Inventory,
  InventoryError,
  keepInventory,
  keptInventory,
  takeInventory,
} from '../host/inventory.ts';
import { nodeLabels } from '../host/labels.ts';
import { Sampler } from '../host/sampler.ts';
import type { Usage } from '../protocol/messages.ts';
import type { NodeInfo } from '../protocol/node-info.ts';
import type { Resources } from '../protocol/resources.ts';
import { MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { nodeInfo } from './node-info.ts';

export interface SurveyOptions {
  node: string;
  /** The agent's own folder: its file system is the disk that counts, and the inventory is kept in it. */
  folder: string;
  inventoryCommand: ChildCommand;
  log: Log;
}

export interface Offer {
  allocatedCapacity: AllocatedCapacity;
  labels: Readonly<Record<string, string>>;
}

/** What is free now of what is offered, and what was measured. */
export interface Availability {
  available: Resources;
  usage: Usage;
}

export class Survey {
  readonly #options: SurveyOptions;
  readonly #disk: Disk;
  readonly #sampler: Sampler;
  readonly #facts: HostFacts;
  #offer: Offer;
  #inventory: Inventory | undefined;
  #diskAtStart: number | undefined;
  #latest: Availability;
  readonly #ending = new AbortController();

  /** Reads what is known at once; the inventory of an earlier run serves until the next. */
  static async open(options: SurveyOptions, offer: Offer): Promise<Survey> {
    const disk = new Disk(options.folder);
    const facts = await hostFacts(disk);
    const kept = await keptInventory(options.folder).catch((error: Error) => {
      options.log.warn({ err: error }, 'the kept inventory cannot be read; it is taken anew');
      return undefined;
    });
    return new Survey(options, offer, disk, facts, kept);
  }

  private constructor(
    options: SurveyOptions,
    offer: Offer,
    disk: Disk,
    facts: HostFacts,
    inventory: Inventory | undefined,
  ) {
    this.#options = options;
    this.#offer = offer;
    this.#disk = disk;
    this.#facts = facts;
    this.#inventory = inventory;
    this.#sampler = new Sampler(disk);
    this.#latest = this.#measure();
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
    this.#latest = this.#measure();
    return this.#latest;
  }

  /** The node's information, by what is known now. */
  info(): NodeInfo {
    const { node } = this.#options;
    const facts = this.#facts;
    const inventory = this.#inventory;
    return nodeInfo(
      node,
      {
        ...facts,
        osName: facts.osName ?? inventory?.os.distro,
        cpuModel: facts.cpuModel ?? inventory?.cpu.brand,
        disk: inventory?.disk ?? facts.disk ?? this.#disk.space?.total,
        virtualisation: inventory?.virtualisation,
      },
      this.#offered(),
      this.#latest.available,
      nodeLabels(node, facts, this.#offer.labels),
    );
  }

  /** Takes the slow inventory in a child process; true when it says something new. Never throws: it logs. */
  async takeInventory(): Promise<boolean> {
    const { inventoryCommand, folder, log } = this.#options;
    try {
      const before = this.#inventory;
      this.#inventory = await takeInventory(inventoryCommand, { signal: this.#ending.signal });
      if (sameFacts(before, this.#inventory)) return false;
      await keepInventory(folder, this.#inventory);
      return true;
    } catch (error) {
      if (this.#ending.signal.aborted) return false;
      if (!(error instanceof InventoryError || error instanceof MusterError)) throw error;
      log.warn({ err: error }, 'the inventory could not be taken or kept; what is known stays in use');
      return error instanceof MusterError;
    }
  }

  /** Ends a child that may be running. */
  close(): void {
    this.#ending.abort();
  }

  #offered(): Resources {
    this.#diskAtStart ??= this.#disk.space?.available;
    const { cpus, memory } = this.#facts;
    return offeredCapacity(this.#offer.allocatedCapacity, {
      cpu: cpus,
      memory,
      disk: this.#diskAtStart ?? 0,
    });
  }

  #measure(): Availability {
    const sample = this.#sampler.sample();
    const space = this.#disk.space;
    const { cpus, memory } = this.#facts;
    return {
      available: availableCapacity(this.#offered(), sample),
      usage: {
        CPU: sample.cpu === undefined ? 0 : Math.max(0, Math.round((cpus - sample.cpu) * 100) / 100),
        Memory: Math.max(0, memory - sample.memory),
        Disk: space ? Math.max(0, space.total - space.available) : 0,
        Load: sample.load[0],
      },
    };
  }
}

function sameFacts(before: Inventory | undefined, after: Inventory): boolean {
  return (
    before !== undefined &&
    JSON.stringify({ ...before, takenAt: '' }) === JSON.stringify({ ...after, takenAt: '' })
  );
}
