// A requester holds its writes while a freeze says so. A freeze ends when its record is removed, when its holder is silent, or
// when it has lasted too long: so it ends by itself, whatever is killed.
import { freezeSubject } from '../../protocol/subjects.ts';
import { type Clock, endsWithin, type Timer } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import {
  BrokerError,
  type Bucket,
  type Connection,
  type Message,
  type Storage,
} from '../../transport/port.ts';
import {
  encodeFreezeAnswer,
  type FreezeHolder,
  type FreezeKind,
  type FreezeMember,
  type FreezeRecord,
  freezeKey,
  freezeKinds,
  freezeTimesMs,
  readFreeze,
  readTold,
} from './freeze-record.ts';
import { WriteHold } from './write-hold.ts';

/** What a requester needs to follow the freezes of its roll. */
export interface FollowOptions {
  connection: Pick<Connection, 'subscribe'>;
  /** The storage and the bucket of the record, whose writes are not held. */
  storage: Pick<Storage, 'reopen' | 'readAgain'>;
  bucket: Pick<Bucket, 'get' | 'purge'>;
  clusterId: string;
  me: FreezeMember;
  /** Returns the other requesters that this one knows. */
  peers(): readonly FreezeMember[];
}

/** A freeze that this requester knows, and when it saw it first and heard of its holder last, in monotonic milliseconds. */
interface Known {
  record: FreezeRecord;
  revision: number;
  seenAt: number;
  heardAt: number;
}

export class FreezeFollower {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #streams: readonly string[];
  readonly #limited: ReturnType<typeof limitedLog>;
  readonly #hold = new WriteHold();
  #followed: FollowOptions | undefined;
  #subscription: { unsubscribe(): void } | undefined;
  #known: Known | undefined;
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;
  #onRelease: (() => void)[] = [];

  /** `streams` are the names of the streams of the store, which a move may have shut. */
  constructor({ clock, log, streams }: { clock: Clock; log: Log; streams: readonly string[] }) {
    this.#streams = streams;
    this.#clock = clock;
    this.#log = log;
    this.#limited = limitedLog(log, clock);
  }

  /** Returns the storage whose writes wait during a freeze. */
  guard(storage: Storage): Storage {
    return this.#hold.guard(storage);
  }

  /** Whether writes of records wait now. */
  get isFrozen(): boolean {
    return this.#hold.isHeld('records');
  }

  /**
   * Begins to follow the freezes of a roll, and resolves when one that is there holds the writes. It may be called again when the
   * start of a requester is tried again. @throws BrokerError
   */
  async follow(options: FollowOptions): Promise<void> {
    this.stop();
    this.#followed = options;
    const { connection, clusterId } = options;
    // Whoever asks for a freeze after the record was read reaches this.
    this.#subscription = connection.subscribe(freezeSubject(clusterId), message => this.#receive(message));
    await this.#read();
    if (this.#known) return this.#plan();
    // Nobody moves the store, so what is shut was left so by one who was killed.
    for (const stream of this.#streams) await options.storage.reopen(stream);
  }

  /** Returns who holds the writes of records now, for people; undefined when nobody does. */
  get holder(): string | undefined {
    const { record } = this.#known ?? {};
    return record && this.isFrozen
      ? `${record.holder.requester} (process ${record.holder.pid} on ${record.holder.host})`
      : undefined;
  }

  /** Returns who began to move the store and is silent, killed or suspended; undefined when nobody is. */
  get silentMover(): FreezeHolder | undefined {
    const { record, heardAt = 0 } = this.#known ?? {};
    const isSilent = this.#clock.monotonic() - heardAt >= freezeTimesMs.silent;
    return record?.purpose === 'move' && isSilent ? record.holder : undefined;
  }

  /** Resolves when no writes of records wait any more. */
  released(): Promise<void> {
    return this.isFrozen ? new Promise(resolve => this.#onRelease.push(resolve)) : Promise.resolve();
  }

  /** Ends the following. What is held stays so: the last writes of this process must not go into a store that is copied. */
  stop(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    this.#followed = undefined;
    this.#timer?.cancel();
  }

  #receive(message: Message): void {
    const told = readTold(message.data);
    if (!told) return;
    if (told.tells === 'beat') {
      if (this.#known?.record.id === told.id) this.#known.heardAt = this.#clock.monotonic();
      return;
    }
    void this.#readAndAnswer(told.id, message);
  }

  async #readAndAnswer(id: string, message: Message): Promise<void> {
    const { me, peers } = this.#followed ?? {};
    if (!me || !peers) return;
    let refused: string | undefined;
    let isPassing: boolean | undefined;
    try {
      await this.#read();
      const { record } = this.#known ?? {};
      if (record?.id !== id) refused = 'the store does not have this freeze';
      else if (!(await this.#isQuiet(record))) {
        refused = 'a write to the store does not end';
        isPassing = true;
      }
    } catch (error) {
      refused = reasonOf(error).slice(0, 256);
    }
    const answer = { ...me, id, peers: peers().slice(0, 64) };
    message.respond(encodeFreezeAnswer(refused === undefined ? answer : { ...answer, refused, isPassing }));
  }

  async #isQuiet({ holds }: FreezeRecord): Promise<boolean> {
    const quiet = Promise.all(holds.map(kind => this.#hold.quiet(kind)));
    return endsWithin(this.#clock, freezeTimesMs.quiet, quiet);
  }

  // Reads the record. What is told between the beginning and the end of one reading needs another one.
  #read(): Promise<void> {
    const next = (this.#reading ?? Promise.resolve())
      .catch(() => undefined)
      .then(async () => {
        const followed = this.#followed;
        if (!followed) return;
        const entry = await followed.bucket.get(freezeKey);
        if (followed === this.#followed) this.#take(readFreeze(entry), entry?.revision ?? 0);
      });
    this.#reading = next;
    return next;
  }

  #take(record: FreezeRecord | undefined, revision: number): void {
    if (!record) {
      this.#forget();
      return;
    }
    const now = this.#clock.monotonic();
    const isNew = this.#known?.record.id !== record.id;
    if (isNew) this.#release();
    this.#known =
      isNew || !this.#known
        ? { record, revision, seenAt: now, heardAt: now }
        : { ...this.#known, record, revision };
    for (const kind of freezeKinds) {
      if (!record.holds.includes(kind)) this.#endHold(kind);
      // What was released because the holder was silent stays so.
      else if (isNew && record.longestMs[kind] > 0)
        this.#hold.begin(kind, { reads: record.purpose === 'move' });
    }
    if (!isNew) return;
    const { requester, host, pid } = record.holder;
    this.#log.info(
      { requester, host, pid, purpose: record.purpose },
      'the writes to the store are held for a moment',
    );
    this.#plan();
  }

  #plan(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(freezeTimesMs.beat, () => void this.#look());
  }

  // What the holder told may have been lost, and the holder may be gone.
  async #look(): Promise<void> {
    const known = this.#known;
    if (!known) return;
    const { longestMs, holds } = known.record;
    const now = this.#clock.monotonic();
    const age = now - known.seenAt;
    for (const kind of freezeKinds) if (age >= longestMs[kind]) this.#endHold(kind);
    if (now - known.heardAt >= freezeTimesMs.silent) this.#release();
    try {
      if (age >= Math.max(...holds.map(kind => longestMs[kind]), 0)) await this.#endFreeze(known);
      else await this.#read();
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      // While its streams move, the store is away.
      this.#log.debug({ err: error }, 'whether the freeze has ended could not be read; it is tried again');
    }
    if (this.#known) this.#plan();
  }

  /** Ends a freeze whose holder did not, also what it has shut. Only then nobody removes a shut stream any more. */
  async #endFreeze(known: Known): Promise<void> {
    const followed = this.#followed;
    if (!followed) return;
    for (const stream of this.#streams) await followed.storage.reopen(stream);
    // Another requester may have done the same.
    await followed.bucket.purge(freezeKey, known.revision, {}).catch(error => {
      if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
    });
    this.#limited.warn('end', {}, 'the holder of the writes to the store has gone; they go on');
    this.#forget();
  }

  #forget(): void {
    this.#timer?.cancel();
    this.#release();
    this.#known = undefined;
  }

  #release(): void {
    for (const kind of freezeKinds) this.#endHold(kind);
  }

  #endHold(kind: FreezeKind): void {
    const wasHeld = this.#hold.isHeld(kind);
    this.#hold.end(kind);
    // Whoever reads a stream that was removed and made again does not hear of it from the broker.
    if (wasHeld && this.#known?.record.purpose === 'move') this.#followed?.storage.readAgain();
    if (!this.isFrozen) for (const resolve of this.#onRelease.splice(0)) resolve();
  }
}
