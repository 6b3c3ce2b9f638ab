// The fence keeps out the events of a requester that watched before. It may have slept since it made sure that it watches, or
// its events may have been on the way. So the stream takes an event only while the mark of its own watcher is the newest.
import { watchSubject } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { BrokerError, type Connection, type EventStream, type Fence } from '../../transport/port.ts';
import type { Holder, WatchRight } from './lease.ts';
import { knowsFences } from './server-version.ts';

/** Age at which the mark is written again, in milliseconds. The stream removes what is a month old. */
const renewMs = 24 * 3_600_000;

export interface WatchFenceOptions {
  connection: Pick<Connection, 'state'>;
  stream: Pick<EventStream, 'publish'>;
  right: WatchRight;
  me: Holder;
  clock: Clock;
}

export class WatchFence {
  readonly #options: WatchFenceOptions;
  #mark: { sequence: number; at: number } | undefined;
  #marking: Promise<void> | undefined;
  #marks = 0;
  /** The end of the event that is under way, in a cluster. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: WatchFenceOptions) {
    this.#options = options;
  }

  /** Has the next event write a mark before, because this requester begins to watch. */
  forget(): void {
    this.#mark = undefined;
  }

  /**
   * Publishes an event as the watcher. @throws BrokerError, also when another requester has written its mark since: the next
   * attempt then asks the store who watches. MusterError `in_use` when another requester watches.
   */
  publish(...event: Parameters<EventStream['publish']>): ReturnType<EventStream['publish']> {
    const { state } = this.#options.connection;
    if (state.kind !== 'connected' || !state.isClustered) return this.#publish(...event);
    // A stream with replicas refuses all but one of the events that are under way behind the same fence.
    const published = this.#last.then(() => this.#publish(...event));
    this.#last = published.catch(() => undefined);
    return published;
  }

  async #publish(
    ...[subject, data, id]: Parameters<EventStream['publish']>
  ): ReturnType<EventStream['publish']> {
    const { stream, right } = this.#options;
    await right.confirm();
    const fence = await this.#current();
    try {
      return await stream.publish(subject, data, id, fence);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
      if (this.#mark?.sequence === fence?.sequence) this.#mark = undefined;
      await right.confirm({ anew: true });
      const text = 'another requester watched over the roll meanwhile, or the event stream was lost';
      throw new BrokerError('timeout', text, { cause: error });
    }
  }

  async #current(): Promise<Fence | undefined> {
    const { connection, clock } = this.#options;
    // An older server would misunderstand the condition. There is one requester beside it.
    if (!knowsFences(connection.state)) return undefined;
    if (this.#mark && clock.monotonic() - this.#mark.at > renewMs) this.#mark = undefined;
    while (!this.#mark) {
      this.#marking ??= this.#write().finally(() => {
        this.#marking = undefined;
      });
      await this.#marking;
    }
    return { subject: watchSubject, sequence: this.#mark.sequence };
  }

  async #write(): Promise<void> {
    const { stream, me, clock } = this.#options;
    const body = JSON.stringify({ ...me, at: clock.now().toISOString() });
    const { sequence } = await stream.publish(watchSubject, body, `${me.instance}:watch:${++this.#marks}`);
    this.#mark = { sequence, at: clock.monotonic() };
  }
}
