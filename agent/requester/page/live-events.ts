// Follows the event stream for all open pages at once, so that a page needs no connection of its own for events.
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import { shownEvent } from '../events/shown-event.ts';
import type { EventChange } from './roll-changes.ts';

/** What waits for the next pass at most, in events and in characters. More is left out, and pages read it at `/events`. */
const most = { events: 1_000, length: 1024 * 1024 };
/** Time until the stream is asked for again, in milliseconds. */
const retryMs = 3_000;

export interface LiveEventsOptions {
  clock: Pick<Clock, 'now' | 'monotonic'>;
  log: Log;
  follow: Directory['follow'];
}

type Feed = Awaited<ReturnType<Directory['follow']>>;

export class LiveEvents {
  readonly #options: LiveEventsOptions;
  readonly #limitedLog: LimitedLog;
  /** The events that come now. Another object takes its place when they are not wanted any more. */
  #run: { feed: Feed | undefined } | undefined;
  #retryAt = Number.NEGATIVE_INFINITY;
  #waiting: string[] = [];
  #length = 0;
  #isGap = false;

  constructor(options: LiveEventsOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  /** Whether all pages were told that each new event is among those that `take` returns. */
  get isFollowing(): boolean {
    return this.#run?.feed !== undefined && !this.#isGap;
  }

  /** Returns what has come since the last call. The first call begins to follow the stream, and never waits for that. */
  take(): EventChange[] {
    if (!this.#run && this.#options.clock.monotonic() >= this.#retryAt) this.#open();
    const waiting = this.#waiting.map(json => ({ kind: 'event' as const, json }));
    const isGap = this.#isGap;
    this.#leaveOut();
    this.#isGap = false;
    return isGap ? [{ kind: 'following' }, ...waiting] : waiting;
  }

  /** Lets the stream go. */
  close(): void {
    this.#run?.feed?.stop();
    this.#run = undefined;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.#leaveOut();
    this.#isGap = false;
  }

  #open(): void {
    const run: { feed: Feed | undefined } = { feed: undefined };
    this.#run = run;
    const { clock, log, follow } = this.#options;
    follow({ since: clock.now() }, (event, cursor) => {
      if (this.#run === run) this.#add(event, cursor);
    }).then(
      feed => {
        if (this.#run !== run) return feed.stop();
        run.feed = feed;
        this.#isGap = true;
      },
      (err: unknown) => {
        if (this.#run !== run) return;
        log.debug({ err }, 'the events for pages cannot be followed now');
        this.#run = undefined;
        this.#retryAt = clock.monotonic() + retryMs;
      },
    );
  }

  #add(event: Uint8Array, cursor: string): void {
    try {
      const json = shownEvent(event, cursor);
      this.#waiting.push(json);
      this.#length += json.length;
    } catch (err) {
      this.#limitedLog.warn('unreadable', { err }, 'a stored event cannot be read; it is skipped');
    }
    if (this.#waiting.length <= most.events && this.#length <= most.length) return;
    this.#leaveOut();
    this.#isGap = true;
  }

  #leaveOut(): void {
    this.#waiting = [];
    this.#length = 0;
  }
}
