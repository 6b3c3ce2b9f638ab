// The watch duty is what only the watcher does: announcing, and keeping order in the store. It begins and ends with the
// lease. A requester that stands by follows what the watcher announces, so that it can take over at any moment.
import { membershipKinds } from '../../protocol/events.ts';
import type { Health, RecordedChange } from '../../protocol/node-state.ts';
import { eventWildcard, parseEventSubject } from '../../protocol/subjects.ts';
import { sleep } from '../../system/clock.ts';
import type { EventStream, StreamMessage } from '../../transport/port.ts';
import { type RetryOptions, retryOnBrokerError } from '../cluster/retry.ts';
import type { ChangeEvent } from '../events/change-event.ts';
import { type EventHistory, readEventHistory, unannouncedChanges } from '../events/event-history.ts';
import type { LastEvents } from '../events/last-events.ts';
import { readMembershipEvent } from '../events/membership-event.ts';

/**
 * Begins work that only the watcher does in the background. `isTakeover` tells that another requester watched before. Returns
 * what ends the work.
 */
export type WatchersWork = (begin: { isTakeover: boolean }) => { stop(): void };

/** Time until another attempt after a failure that is not one of the broker, in milliseconds. */
const failedWaitMs = 10_000;

export interface WatchDutyOptions extends Omit<RetryOptions, 'failureText' | 'onFailure'> {
  lease: { readonly isHeld: boolean };
  fence: { readonly mark: number; raise(): Promise<void> };
  /** The event stream, for reading. */
  stream: EventStream;
  events: {
    /** Begins to send what waits. */
    begin(begin: { isTakeover: boolean }): void;
    pause(): void;
    /** `last` are the newest events of the nodes. */
    dropAnnounced(due: (node: string, changes: RecordedChange[]) => RecordedChange[], last: LastEvents): void;
    onAnnounced(node: string, event: ChangeEvent): void;
  };
  health: { standBy(): void; takeOver(announced: (id: string) => Health): void };
  work: readonly WatchersWork[];
  /** Called when this requester begins or ceases to watch. */
  onChange(): void;
}

export class WatchDuty {
  readonly #options: WatchDutyOptions;
  #watches = false;
  /** Whether another requester may have announced while this one watched. */
  #isOvertaken = false;
  #changing: Promise<void> | undefined;
  #feed: { stop(): void } | undefined;
  #running: { stop(): void }[] = [];

  constructor(options: WatchDutyOptions) {
    this.#options = options;
  }

  /** Whether this requester watches now. */
  get watches(): boolean {
    return this.#watches;
  }

  /**
   * Begins as what the lease says, after the roll was loaded. `lastSequence` is that of the newest event that was read
   * before. @throws BrokerError
   */
  async start(lastSequence: number): Promise<void> {
    if (this.#options.lease.isHeld) {
      this.#watch({ isTakeover: false });
      return;
    }
    this.#options.health.standBy();
    await this.#follow(lastSequence);
  }

  /** Begins or ends the watch, because the lease was taken or lost. Never rejects. */
  onLease(): void {
    this.#changing ??= this.#change().finally(() => {
      this.#changing = undefined;
      // The lease may have changed after the last look at it.
      if (this.#isDue) this.onLease();
    });
  }

  /** Begins the watch again, because another requester may have announced meanwhile. Never rejects. */
  takeOverAgain(): void {
    this.#isOvertaken = this.#watches;
    this.onLease();
  }

  stop(): void {
    this.#feed?.stop();
    this.#endWork();
  }

  /** Whether the watch has to begin or to end. */
  get #isDue(): boolean {
    const { lease, signal } = this.#options;
    return (this.#isOvertaken || this.#watches !== lease.isHeld) && !signal.aborted;
  }

  async #change(): Promise<void> {
    const { lease, clock, signal, log } = this.#options;
    while (this.#isDue) {
      // What ends the watch must not wait for the broker.
      if (this.#isOvertaken || !lease.isHeld) this.#standBy();
      const failureText = 'the events cannot be read yet, to know what was announced; trying again';
      const work = () => (lease.isHeld ? this.#takeOver() : this.#followAnew());
      await retryOnBrokerError(work, { ...this.#options, failureText }).catch(async err => {
        log.error({ err }, 'the watch over the roll could not be passed on; trying again');
        await sleep(clock, failedWaitMs, signal);
      });
    }
  }

  #standBy(): void {
    if (!this.#watches) return;
    const { events, health, lease, log, onChange } = this.#options;
    this.#watches = false;
    this.#isOvertaken = false;
    events.pause();
    health.standBy();
    this.#endWork();
    const text = lease.isHeld
      ? 'another requester may have announced meanwhile; the events are read again'
      : 'another requester watches over the roll now; this one stands by';
    log.warn({}, text);
    onChange();
  }

  async #takeOver(): Promise<void> {
    const { lease, fence } = this.#options;
    try {
      await fence.raise();
    } catch (error) {
      // Another requester took the lease meanwhile.
      if (!lease.isHeld) return;
      throw error;
    }
    const history = await this.#readHistory(fence.mark);
    if (!lease.isHeld || this.#options.signal.aborted) return;
    this.#feed?.stop();
    this.#feed = undefined;
    this.#watch({ isTakeover: true });
    // What this finds is announced at once, so the events are sent already.
    this.#options.health.takeOver(id => history.health(id));
    this.#options.log.info({}, 'this requester watches over the roll now');
  }

  #watch(begin: { isTakeover: boolean }): void {
    const { events, work, onChange } = this.#options;
    this.#watches = true;
    events.begin(begin);
    this.#running = work.map(each => each(begin));
    onChange();
  }

  #endWork(): void {
    for (const each of this.#running.splice(0)) each.stop();
  }

  async #followAnew(): Promise<void> {
    if (this.#feed) return;
    const { lastSequence } = await this.#readHistory();
    if (!this.#options.lease.isHeld) await this.#follow(lastSequence);
  }

  async #readHistory(mark = 0): Promise<EventHistory> {
    const { stream, events, clock } = this.#options;
    const history = await readEventHistory(stream, mark);
    const due = (node: string, changes: RecordedChange[]) =>
      unannouncedChanges(
        node,
        changes,
        event => history.wasAnnounced(node, event),
        clock.now(),
        history.noiseSince,
      );
    events.dropAnnounced(due, history.last);
    return history;
  }

  async #follow(after: number): Promise<void> {
    const feed = await this.#options.stream.follow({ filter: eventWildcard(), after }, message =>
      this.#onEvent(message),
    );
    if (this.#options.signal.aborted || this.#watches) feed.stop();
    else this.#feed = feed;
  }

  #onEvent({ subject, data }: StreamMessage): void {
    const { node, kind } = parseEventSubject(subject);
    const known = membershipKinds.find(each => each === kind);
    const event = known && readMembershipEvent(node, known, data);
    if (event) this.#options.events.onAnnounced(node, event);
  }
}
