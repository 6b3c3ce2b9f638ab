// The recovery of what a lost store contained. Only the requester that watches writes it again: another one may have been cut
// off before, and would bring back what was deleted meanwhile. The others keep what they know until the watcher has done so.
import type { Log } from '../../system/log.ts';
import { BrokerError, type Bucket, type BucketEntry } from '../../transport/port.ts';
import type { Act } from '../events/requester-events.ts';
import { encode } from './cluster-bucket.ts';

/** The beginning of the keys by which requesters tell each other about the recovery. */
export const recoveryPrefix = 'recovery.';
const doneKey = `${recoveryPrefix}done`;
const confirmedKey = `${recoveryPrefix}confirmed`;

export interface RecoveryOptions {
  /** The bucket `muster_v1`. */
  bucket: Pick<Bucket, 'get' | 'put'>;
  /** Writes into the key who confirmed an older store, and by which operation. @throws BrokerError */
  noteConfirmed(key: string, act: Act): Promise<void>;
  lease: { readonly isHeld: boolean };
  requesterId: string;
  log: Log;
  /** Called with the revision at which an operator confirmed, at whichever requester, that an older store is the right one. */
  onConfirmed?(revision: number): void;
}

export class Recovery {
  readonly #options: RecoveryOptions;
  /** What is to be written again, until this requester or another one has done so. Such work never rejects. */
  readonly #due = new Set<() => Promise<void>>();
  #isRunning = false;
  /** The newest revision of the note that a watcher has written everything again. */
  #doneAt = 0;
  #isDoneByOther = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Notes that the store lost something, which `work` writes again. A requester that stands by does so when it takes over. */
  begin(work: () => Promise<void>): void {
    this.#due.add(work);
    this.takeOver();
  }

  /** Writes again what is due, if this requester watches. It is called when it begins to. */
  takeOver(): void {
    if (!this.#isRunning) void this.#run();
  }

  /** Begins a pass over the bucket. In a store that was lost the revisions begin anew. */
  beginPass(lost: boolean): void {
    if (lost) this.#doneAt = 0;
  }

  /** Takes an entry of the bucket, whatever its key. */
  onEntry({ key, revision }: BucketEntry): void {
    if (key === confirmedKey) this.#options.onConfirmed?.(revision);
    if (key !== doneKey || revision <= this.#doneAt) return;
    this.#doneAt = revision;
    if (this.#options.lease.isHeld) return;
    this.#due.clear();
    this.#isDoneByOther = true;
  }

  /** Returns whether another requester has written everything again since the last call: what the store lacks was deleted. */
  takeDoneByOther(): boolean {
    const isDone = this.#isDoneByOther;
    this.#isDoneByOther = false;
    return isDone;
  }

  /** Tells all requesters that an operator takes an older store for the right one. @throws BrokerError */
  async confirm(act: Act): Promise<void> {
    await this.#options.noteConfirmed(confirmedKey, act);
  }

  async #run(): Promise<void> {
    const { lease, requesterId, log } = this.#options;
    this.#isRunning = true;
    while (lease.isHeld && this.#due.size > 0) {
      for (const work of this.#due) {
        this.#due.delete(work);
        await work();
      }
      await this.#note(doneKey, { by: requesterId }).catch(err =>
        log.debug({ err }, 'the others were not told that the lost records were written again'),
      );
    }
    this.#isRunning = false;
  }

  async #note(key: string, note: Record<string, string | undefined>): Promise<void> {
    for (;;) {
      const entry = await this.#options.bucket.get(key);
      try {
        await this.#options.bucket.put(key, encode(note), entry?.revision ?? 0);
        return;
      } catch (error) {
        if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
      }
    }
  }
}
