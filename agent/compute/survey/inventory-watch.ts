// The inventory watch knows the slow inventory of this machine: at first the one that the last run saved, then newer ones.
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
import { StateFile } from '../../system/state-file.ts';

/** Time for which a new inventory waits until it is saved, in milliseconds. */
const saveTimeoutMs = 1_000;

export interface InventoryWatchOptions {
  command: ChildCommand;
  /** The folder where the inventory is saved. */
  folder: string;
  log: Log;
  clock: Clock;
}

export class InventoryWatch {
  readonly #options: InventoryWatchOptions;
  readonly #file: StateFile<Inventory | undefined>;
  readonly #closing = new AbortController();
  /** Number of attempts to take the inventory that have failed since the start. */
  #failures = 0;
  /** Time when the inventory was taken, or when this process started, in monotonic milliseconds. */
  #takenAt: number;

  /** Creates a watch that knows the inventory which the last run saved. */
  static async open(options: InventoryWatchOptions): Promise<InventoryWatch> {
    const file = inventoryFile(options);
    await file.load();
    return new InventoryWatch(options, file);
  }

  private constructor(options: InventoryWatchOptions, file: StateFile<Inventory | undefined>) {
    this.#options = options;
    this.#file = file;
    this.#takenAt = options.clock.monotonic();
  }

  get latest(): Inventory | undefined {
    return this.#file.value;
  }

  /**
   * Time since the inventory was last renewed, in milliseconds; undefined when no attempt has failed, infinite when there
   * is no inventory. Where there is none yet, one failure does not count: a machine may be busy while it starts.
   */
  get ageMs(): number | undefined {
    if (this.#failures === 0) return undefined;
    // The time in the inventory cannot be used: the wall clock may have been changed, and a saved inventory may be old.
    if (this.latest) return this.#options.clock.monotonic() - this.#takenAt;
    return this.#failures > 1 ? Number.POSITIVE_INFINITY : undefined;
  }

  /** Takes the inventory in a child process. Returns whether its facts changed. A failure is logged, not thrown. */
  async take(): Promise<'changed' | 'same' | 'failed'> {
    const { command, log, clock } = this.#options;
    const before = this.latest;
    let taken: Inventory;
    try {
      taken = await takeInventory(command, { signal: this.#closing.signal, clock });
    } catch (error) {
      if (this.#closing.signal.aborted) return 'same';
      this.#failures++;
      if (!(error instanceof InventoryError)) throw error;
      log.warn({ err: error }, 'the inventory could not be taken; the last one stays in use');
      return 'failed';
    }
    this.#takenAt = clock.monotonic();
    await endsWithin(clock, saveTimeoutMs, this.#file.set(taken));
    return hasSameFacts(before, taken) ? 'same' : 'changed';
  }

  /** Ends the child process, if one is running. */
  close(): void {
    this.#closing.abort();
  }
}

function inventoryFile({ folder, log }: InventoryWatchOptions): StateFile<Inventory | undefined> {
  return new StateFile<Inventory | undefined>({
    initial: undefined,
    isSame: hasSameFacts,
    read: () => loadInventory(folder),
    write: async inventory => {
      if (inventory) await saveInventory(folder, inventory);
    },
    onReadError: err => log.warn({ err }, 'the saved inventory cannot be read; it is taken again'),
    onWriteError: err =>
      log.warn({ err }, 'the inventory could not be saved; it is tried again with the next one'),
  });
}

/** Compares two inventories without the times when they were taken. */
function hasSameFacts(a: Inventory | undefined, b: Inventory | undefined): boolean {
  if (!a || !b) return a === b;
  return JSON.stringify({ ...a, takenAt: '' }) === JSON.stringify({ ...b, takenAt: '' });
}
