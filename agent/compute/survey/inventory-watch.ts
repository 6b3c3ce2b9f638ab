// The slow inventory of this machine as its reports need it: known at once from the last run, taken anew in a child process.
import {
  type ChildCommand,
  type Inventory,
  InventoryError,
  loadInventory,
  saveInventory,
  takeInventory,
} from '../../host/inventory/inventory.ts';
import { type Clock, endsWithin } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';

/** Milliseconds that news waits for the disk. */
const keepPatience = 1_000;

export interface InventoryWatchOptions {
  command: ChildCommand;
  /** Where it is kept. */
  folder: string;
  log: Log;
  clock: Clock;
}

export class InventoryWatch {
  readonly #options: InventoryWatchOptions;
  readonly #ending = new AbortController();
  #latest: Inventory | undefined;
  /** What its file holds. */
  #kept: Inventory | undefined;
  /** One could not be taken. */
  #failed = false;
  /** When it was taken, or this process began: monotonic milliseconds. */
  #takenAt: number;

  /** What was kept in `folder` serves until one is taken. */
  static async open(options: InventoryWatchOptions): Promise<InventoryWatch> {
    const kept = await loadInventory(options.folder).catch((error: Error) => {
      options.log.warn({ err: error }, 'the kept inventory cannot be read; it is taken anew');
      return undefined;
    });
    return new InventoryWatch(options, kept);
  }

  private constructor(options: InventoryWatchOptions, kept: Inventory | undefined) {
    this.#options = options;
    this.#latest = this.#kept = kept;
    this.#takenAt = options.clock.monotonic();
  }

  get latest(): Inventory | undefined {
    return this.#latest;
  }

  /** Milliseconds in which it was not renewed, once that failed; infinite when there is none. */
  get age(): number | undefined {
    if (!this.#failed) return undefined;
    // What it says of itself is no measure: the wall clock is set, and a kept one is as old as its facts.
    return this.#latest ? this.#options.clock.monotonic() - this.#takenAt : Number.POSITIVE_INFINITY;
  }

  /** Takes it in a child process; true when it says something new. Never throws: it logs. */
  async take(): Promise<boolean> {
    const { command, log, clock } = this.#options;
    const before = this.#latest;
    try {
      this.#latest = await takeInventory(command, { signal: this.#ending.signal, clock });
      this.#takenAt = clock.monotonic();
    } catch (error) {
      if (this.#ending.signal.aborted) return false;
      this.#failed = true;
      if (!(error instanceof InventoryError)) throw error;
      log.warn({ err: error }, 'the inventory could not be taken; what is known stays in use');
      return false;
    }
    await endsWithin(clock, keepPatience, this.#keep(this.#latest));
    return !sameFacts(before, this.#latest);
  }

  /** Ends a child that may be running. */
  close(): void {
    this.#ending.abort();
  }

  async #keep(inventory: Inventory): Promise<void> {
    const { folder, log } = this.#options;
    if (sameFacts(this.#kept, inventory)) return;
    try {
      await saveInventory(folder, inventory);
      this.#kept = inventory;
    } catch (error) {
      log.warn({ err: error }, 'the inventory could not be kept; tried again with the next one');
    }
  }
}

function sameFacts(before: Inventory | undefined, after: Inventory): boolean {
  return (
    before !== undefined &&
    JSON.stringify({ ...before, takenAt: '' }) === JSON.stringify({ ...after, takenAt: '' })
  );
}
