// The fence keeps out the events of a requester that watched before. It may have slept since it made sure that it watches, or
// its events may have been on the way. So the stream takes an event only while the mark of its own watcher is the newest.
import { watchSubject } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import {
  BrokerError,
  type Connection,
  type EventStream,
  type EventToPublish,
  type Fence,
} from '../../transport/port.ts';
import { EventBatches } from './event-batches.ts';
import type { Holder } from './holder.ts';
import type { WatchRight } from './lease.ts';
import { refusesFormerWatcher } from './server-version.ts';

/** Age at which the mark is written again, in milliseconds. The stream removes what is a month old. */
const renewMs = 24 * 3_600_000;

export interface WatchFenceOptions {
  connection: Pick<Connection, 'state'>;
  stream: Pick<EventStream, 'publish' | 'publishBatch' | 'fill' | 'newest'>;
  right: WatchRight;
  me: Holder;
  clock: Clock;
}

export interface FenceEvents {
  /**
   * Called when another requester may have announced meanwhile. The mark has to be written again, and then the events have to
   * be read again, before anything is announced.
   */
  onOvertaken(): void;
  /** Called when the stream was lost, with the time at which it was created again. The mark is in it already. */
  onLost(created: string): void;
}

/** The own mark in the stream, and when it was written, in monotonic milliseconds. */
interface Mark {
  sequence: number;
  at: number;
}

interface StoredEvent {
  sequence: number;
  duplicate: boolean;
}

export class WatchFence {
  readonly #options: WatchFenceOptions;
  readonly #batches = new EventBatches<EventToPublish, StoredEvent>(events => this.#publishAll(events));
  #mark: Mark | undefined;
  #marks = 0;
  /** Number of times that this requester began to watch. */
  #raises = 0;
  /** When the stream was created that has the mark, as the broker writes it. */
  #created: string | undefined;
  #events: FenceEvents | undefined;

  constructor(options: WatchFenceOptions) {
    this.#options = options;
  }

  /** Says what is done when the events of this requester are refused although it watches. */
  follow(events: FenceEvents): void {
    this.#events = events;
  }

  /** The sequence of the mark; 0 while there is none. */
  get mark(): number {
    return this.#mark?.sequence ?? 0;
  }

  /**
   * Writes the mark of this requester, which begins to watch. After it, nobody else's events are stored, so the events that are
   * read then are all that were announced before. @throws BrokerError; MusterError `in_use` when another requester watches
   */
  async raise(): Promise<void> {
    this.#mark = undefined;
    this.#raises++;
    this.#batches.discard(overtaken());
    const { connection, right } = this.#options;
    while (!this.#mark && refusesFormerWatcher(connection.state)) {
      // Who takes the lease after this one writes a newer mark, and then the one of this requester is refused.
      const { created, newest } = await this.#newestMark();
      await right.confirm({ anew: true });
      await this.#write(newest).catch(passIfRefused);
      this.#created = created;
    }
  }

  /**
   * Publishes an event as the watcher, together with others that come at the same time. @throws BrokerError, also when the
   * mark of this requester is not the newest any more; MusterError `in_use` when another requester watches.
   */
  publish(...[subject, data, id]: Parameters<EventStream['publish']>): Promise<StoredEvent> {
    // An older server has no fences and no batches. There is one requester beside it.
    if (!refusesFormerWatcher(this.#options.connection.state))
      return this.#publishUnfenced(subject, data, id);
    return this.#batches.publish({ subject, data, id });
  }

  async #publishUnfenced(subject: string, data: string, id: string): Promise<StoredEvent> {
    const { stream, right } = this.#options;
    await right.confirm();
    return stream.publish(subject, data, id);
  }

  async #publishAll(events: readonly EventToPublish[]): Promise<PromiseSettledResult<StoredEvent>[]> {
    const { stream, right, clock } = this.#options;
    const raises = this.#raises;
    await right.confirm();
    if (this.#mark && clock.monotonic() - this.#mark.at > renewMs)
      await this.#fenced(this.#mark, ({ sequence }) => this.#write(sequence));
    // What was to be announced before this requester began to watch again may have been announced by another one.
    if (raises !== this.#raises) throw overtaken();
    const mark = this.#mark;
    const last =
      events.length > 1 ? await this.#fenced(mark, fence => stream.publishBatch(events, fence)) : undefined;
    if (last === undefined) return this.#publishSingly(events, mark);
    const first = last - events.length + 1;
    return events.map((_, index) => ({
      status: 'fulfilled',
      value: { sequence: first + index, duplicate: false },
    }));
  }

  // A stream with replicas refuses all but one of the events that are under way behind the same fence.
  async #publishSingly(
    events: readonly EventToPublish[],
    mark: Mark | undefined,
  ): Promise<PromiseSettledResult<StoredEvent>[]> {
    const { stream } = this.#options;
    const results: PromiseSettledResult<StoredEvent>[] = [];
    for (const { subject, data, id } of events) {
      const stored = this.#fenced(mark, fence => stream.publish(subject, data, id, fence));
      results.push(...(await Promise.allSettled([stored])));
    }
    return results;
  }

  /** Does what needs the mark to be the newest. @throws BrokerError; MusterError `in_use` when another requester watches */
  async #fenced<T>(mark: Mark | undefined, work: (fence: Fence) => Promise<T>): Promise<T> {
    try {
      // There is none yet when the server was replaced by a newer one meanwhile.
      if (!mark) throw new BrokerError('revision_conflict', 'this requester has no mark in the event stream');
      return await work(fenceAt(mark.sequence));
    } catch (error) {
      passIfRefused(error);
      if (this.#mark?.sequence === mark?.sequence) this.#mark = undefined;
      await this.#options.right.confirm({ anew: true });
      if (!this.#mark) await this.#recover();
      throw overtaken(error);
    }
  }

  // A stream that was lost has no events of others, so this requester goes on in it with those that wait.
  async #recover(): Promise<void> {
    const { created, newest } = await this.#newestMark();
    const isLost = this.#created !== undefined && this.#created !== created;
    if (isLost && newest === 0) {
      await this.#write(newest).catch(passIfRefused);
      if (this.#mark) {
        this.#created = created;
        this.#events?.onLost(created);
        return;
      }
    }
    this.#events?.onOvertaken();
  }

  /** Returns when the stream was created, and the sequence of the newest mark of any requester; 0 when there is none. */
  async #newestMark(): Promise<{ created: string; newest: number }> {
    const { stream } = this.#options;
    // This also makes a stream that was lost.
    const { created } = await stream.fill();
    const { sequence = 0 } = (await stream.newest(watchSubject)) ?? {};
    return { created, newest: sequence };
  }

  /** Writes the mark, if the newest one has the sequence `newest`. */
  async #write(newest: number): Promise<void> {
    const { stream, me, clock } = this.#options;
    const at = clock.monotonic();
    const body = JSON.stringify({ ...me, at: clock.now().toISOString() });
    const id = `${me.instance}:watch:${++this.#marks}`;
    const { sequence } = await stream.publish(watchSubject, body, id, fenceAt(newest));
    this.#mark = { sequence, at };
  }
}

const fenceAt = (sequence: number): Fence => ({ subject: watchSubject, sequence });

const overtaken = (cause?: unknown): BrokerError =>
  new BrokerError(
    'timeout',
    'another requester watched over the roll meanwhile, or the event stream was lost',
    { cause },
  );

/** Throws an error that is not the refusal by a fence. */
function passIfRefused(error: unknown): void {
  if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
}
