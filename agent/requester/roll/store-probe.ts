// The store probe notices that records were removed from the store while the broker ran. The watch does not tell of it.
import { type Clock, sleep } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type Bucket, type BucketState } from '../../transport/port.ts';

/** Time between two checks of the store, and before the second check of one that seems to have lost records. */
const intervalsMs = { check: 3_000, doubt: 500 };

export interface StoreProbeOptions {
  bucket: Pick<Bucket, 'state'>;
  clock: Clock;
  log: Log;
  /**
   * Number of keys that the store has, as far as its watch and our own writes say. It may be too small, but not too
   * large.
   */
  countKnown(): number;
  /** Called when the store has fewer keys than it had, or is another one. The caller then reads it again. */
  onShortage(): void;
}

export class StoreProbe {
  readonly #options: StoreProbeOptions;
  readonly #stopping = new AbortController();
  #before: BucketState | undefined;

  constructor(options: StoreProbeOptions) {
    this.#options = options;
  }

  /** Checks the store every few seconds until it is stopped. */
  start(): void {
    void this.#repeat();
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #repeat(): Promise<void> {
    const { clock, log, onShortage } = this.#options;
    const { signal } = this.#stopping;
    let hasDoubt = false;
    while (!signal.aborted) {
      await sleep(clock, hasDoubt ? intervalsMs.doubt : intervalsMs.check, signal);
      if (signal.aborted) return;
      try {
        const isShort = await this.#isShort();
        // Another program may have removed a key that is not yet removed here.
        if (isShort && hasDoubt) {
          this.#before = undefined;
          onShortage();
        }
        hasDoubt = isShort && !hasDoubt;
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error;
        hasDoubt = false;
        log.debug({ err: error }, 'the store could not be checked; it is tried again');
      }
    }
  }

  // All keys that are known before the question and after its answer were in the store meanwhile, unless somebody removed
  // them.
  async #isShort(): Promise<boolean> {
    const { bucket, countKnown } = this.#options;
    const known = countKnown();
    const before = this.#before;
    const state = await bucket.state();
    if (before && (state.created !== before.created || state.lastRevision < before.lastRevision)) return true;
    if (state.keys < Math.min(known, countKnown())) return true;
    this.#before = state;
    return false;
  }
}
