// A freeze has all requesters of a roll hold their writes, so that the store stands still while it is copied or moved.
import { freezeSubject } from '../../protocol/subjects.ts';
import { type Clock, sleep, type Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Random } from '../../system/random.ts';
import { BrokerError, type Bucket, type Connection } from '../../transport/port.ts';
import { askMembers } from './freeze-answers.ts';
import {
  askAgainMs,
  encodeFreeze,
  encodeTold,
  type FreezeHolder,
  type FreezeKind,
  type FreezePurpose,
  type FreezeRecord,
  freezeKey,
  freezeTimesMs,
  longestMs,
  readFreeze,
  readTold,
} from './freeze-record.ts';

export interface FreezeOptions {
  connection: Connection;
  /** The bucket `muster_v1`. */
  bucket: Bucket;
  clusterId: string;
  holder: FreezeHolder;
  purpose: FreezePurpose;
  /** Whether the process is certainly dead that holds this freeze, so that another one may take its place at once. */
  isDead?: ((record: FreezeRecord) => boolean) | undefined;
  clock: Clock;
  random: Random;
}

/** A moment on both clocks, in milliseconds. The monotonic clock stands still while the machine sleeps. */
interface Moment {
  monotonic: number;
  wall: number;
}

export class Freeze {
  readonly #options: FreezeOptions;
  #record: FreezeRecord;
  #revision = 0;
  #beganAt: Moment;
  #beat: Timer | undefined;
  #hasEnded = false;

  /**
   * Begins a freeze, and resolves when every requester of the roll holds its writes. @throws MusterError `conflict` while
   * another one lasts; `failed` when a requester does not hold its writes: then nothing is held. BrokerError
   */
  static async begin(options: FreezeOptions): Promise<Freeze> {
    const freeze = new Freeze(options);
    await freeze.#write(await freeze.#revisionToReplace());
    freeze.#sendBeats();
    try {
      const mayAskAgain = () => freeze.ageMs < askAgainMs[options.purpose];
      await askMembers({ ...options, id: freeze.#record.id, mayAskAgain });
      freeze.assertHolds('records');
      return freeze;
    } catch (error) {
      await freeze.end();
      throw error;
    }
  }

  private constructor(options: FreezeOptions) {
    const { holder, purpose, random, clock } = options;
    this.#options = options;
    const holds: FreezeKind[] = ['records', 'events'];
    this.#record = { id: random.uuid(), holder, purpose, holds, longestMs: longestMs[purpose] };
    this.#beganAt = momentOf(clock);
  }

  /** How long the freeze has lasted, in milliseconds. */
  get ageMs(): number {
    const { monotonic, wall } = momentOf(this.#options.clock);
    return Math.max(monotonic - this.#beganAt.monotonic, wall - this.#beganAt.wall);
  }

  /**
   * @throws MusterError `failed` when the others may write again, because the freeze has lasted too long; with `part`, when
   * that part of the time has passed.
   */
  assertHolds(kind: FreezeKind, part = 1): void {
    const limitMs = this.#record.longestMs[kind] * part;
    if (this.#record.holds.includes(kind) && this.ageMs < limitMs) return;
    throw new MusterError('failed', `the writes to the store could be held for ${limitMs / 1000} s only`, {
      hint: 'try again when this machine and the broker have less to do',
    });
  }

  /** @throws MusterError `failed` when this freeze does not last any more; BrokerError */
  async confirm(kind: FreezeKind): Promise<void> {
    this.assertHolds(kind);
    const entry = await this.#options.bucket.get(freezeKey);
    if (entry?.revision !== this.#revision)
      throw new MusterError('failed', 'the writes to the store went on before their time', {
        hint: 'try again; see the logs of the requesters',
      });
  }

  /** Lets the writes of records go on. @throws BrokerError, MusterError as `confirm` */
  async releaseRecords(): Promise<void> {
    this.#record = { ...this.#record, holds: ['events'] };
    await this.#write(this.#revision);
    this.#tell('changed');
  }

  /** Ends the freeze. Never rejects: a freeze whose record stays ends by itself when its holder is silent. */
  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#beat?.cancel();
    await this.#options.bucket.purge(freezeKey, this.#revision, {}).catch(() => undefined);
    this.#tell('changed');
  }

  /** Leaves the record there, as a holder does that is killed. */
  abandon(): void {
    this.#hasEnded = true;
    this.#beat?.cancel();
  }

  async #write(revision: number): Promise<void> {
    try {
      this.#revision = await this.#options.bucket.put(freezeKey, encodeFreeze(this.#record), revision);
    } catch (error) {
      if (error instanceof BrokerError && error.fault === 'revision_conflict') throw inUse(undefined);
      throw error;
    }
  }

  /** Returns the revision of what this freeze replaces: none, or one whose holder is gone. */
  async #revisionToReplace(): Promise<number> {
    const { connection, bucket, clusterId, clock, isDead } = this.#options;
    const entry = await bucket.get(freezeKey);
    const record = readFreeze(entry);
    const revision = entry?.revision ?? 0;
    if (!record || isDead?.(record)) return revision;
    const heard = new AbortController();
    const subscription = connection.subscribe(freezeSubject(clusterId), ({ data }) => {
      if (readTold(data)?.id === record.id) heard.abort();
    });
    await sleep(clock, freezeTimesMs.silent, heard.signal);
    subscription.unsubscribe();
    // A move may have shut streams, which nobody may open before its time is over.
    if (heard.signal.aborted || record.purpose === 'move') throw inUse(record);
    this.#beganAt = momentOf(clock);
    return revision;
  }

  #sendBeats(): void {
    this.#tell('beat');
    this.#beat = this.#options.clock.after(freezeTimesMs.beat, () => this.#sendBeats());
  }

  #tell(tells: 'beat' | 'changed'): void {
    const { connection, clusterId } = this.#options;
    connection.publish(freezeSubject(clusterId), encodeTold({ id: this.#record.id, tells }));
  }
}

const momentOf = (clock: Clock): Moment => ({ monotonic: clock.monotonic(), wall: clock.now().getTime() });

const inUse = (record: FreezeRecord | undefined): MusterError =>
  new MusterError(
    'conflict',
    record
      ? `the store is being ${record.purpose === 'move' ? 'moved' : 'backed up'} by process ${record.holder.pid} on ${record.holder.host}, since ${record.holder.since}`
      : 'another backup or move of this store has begun at the same moment',
    { hint: 'wait until it has ended; one that was killed counts for two minutes' },
  );
