// The event publisher announces each change to other systems, while its requester watches. It keeps the order of each node's
// events, and repeats an event until the broker has stored it. While another requester watches, it keeps the changes that
// the other one has not announced yet.
import { cloudEvent, type Evidence, eventSource } from '../../protocol/events.ts';
import type { Health, Membership, NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { eventSubject } from '../../protocol/subjects.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { backoff, type Random } from '../../system/random.ts';
import type { Connection, EventStream } from '../../transport/port.ts';
import type { HealthAnnouncer, HealthChange } from '../health/health-announcements.ts';
import type { ChangeAnnouncer } from '../roll/roll-observer.ts';
import type { StoreLife } from '../roll/store-life.ts';
import type { AnnouncedMemberships } from './announced-memberships.ts';
import { type ChangeEvent, changeEvent, digestOf } from './change-event.ts';
import { conditionEvent } from './condition-event.ts';
import type { LastEvents } from './last-events.ts';
import { type RequesterAnnouncer, requesterEvents } from './requester-events.ts';
import { isStored } from './stored-event.ts';
import type { ConditionNews } from './told-conditions.ts';
import { type WaitingEvent, WaitingEvents, waitingEvent } from './waiting-events.ts';

/** Number of nodes whose events are sent at the same time. In a large cluster all nodes may change at once. */
const maxSending = 500;
/** Time after a takeover for which each change may have been announced by the requester before, in milliseconds. */
const carefulMs = 60_000;
/** Number of events of another requester that are remembered until the records with their changes come. */
const maxEarly = 10_000;

export interface EventPublisherOptions {
  clock: Clock;
  random: Random;
  log: Log;
  connection: Connection;
  clusterId: string;
  requesterId: string;
  /** A random value of this process. Together with a number it makes the ids of conflicts unique. */
  instance: string;
  /** The life of the store, which the ids of events about health name. */
  life: Pick<StoreLife, 'find'>;
  /** The newest event of each node at the start. */
  last: LastEvents;
  /**
   * Returns a promise while a change of the node is in the store and not in force yet, because its connection still has
   * to be ended. The event of the change waits for it. The promise never rejects.
   */
  untilInForce?(node: string): Promise<void> | undefined;
}

/** Holds the events that are not acknowledged yet, and sends them one at a time for each node. */
export class EventPublisher implements ChangeAnnouncer, HealthAnnouncer {
  readonly #own: RequesterAnnouncer;
  readonly #options: EventPublisherOptions;
  readonly #source: string;
  readonly #waiting: WaitingEvents;
  readonly #stopped = new AbortController();
  readonly #limitedLog: LimitedLog;
  #sending = 0;
  /** The stream to which events are sent; undefined while another requester announces. */
  #stream: EventStream | undefined;
  /** Ends what sends to this stream. */
  #period = new AbortController();
  /** While another requester announces: its events that came before the records with their changes, by their digests. */
  readonly #early = new Map<string, string>();
  /** The monotonic time until which each change may have been announced by another requester. */
  #carefulUntil = Number.NEGATIVE_INFINITY;
  #number = 0;
  #last: LastEvents;

  constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#last = options.last;
    this.#own = requesterEvents(options);
    this.#source = eventSource(options.clusterId, options.requesterId);
    this.#limitedLog = limitedLog(options.log, options.clock);
    this.#waiting = new WaitingEvents(options);
  }

  /**
   * Starts to send. Until then the events of changes wait. After a takeover, changes may still come that the requester
   * before has announced.
   */
  start(stream: EventStream, { isTakeover = false } = {}): void {
    this.#stream = stream;
    this.#period.abort();
    this.#period = new AbortController();
    this.#early.clear();
    this.#carefulUntil = isTakeover ? this.#options.clock.monotonic() + carefulMs : Number.NEGATIVE_INFINITY;
    this.#sendQueued();
  }

  /** Sends nothing more until the next start, because another requester announces now. */
  pause(): void {
    this.#stream = undefined;
    this.#period.abort();
    this.#waiting.keepChanges();
  }

  /**
   * Drops the changes that are announced already, before this requester starts to send. `due` returns those of a node's
   * changes that are not; `last` are the newest events of the nodes.
   */
  dropAnnounced(due: (node: string, changes: RecordedChange[]) => RecordedChange[], last: LastEvents): void {
    this.#waiting.keepDue(due);
    this.#last = last;
  }

  /** Notes that the stream was lost, and when it was created again. What waits is sent to the new one. */
  beginAnew(created: string): void {
    this.#last.beginAnew(created);
  }

  /** Notes an event that another requester has announced. It tells of a change that this one has, or will hear of soon. */
  onAnnounced(node: string, event: ChangeEvent): void {
    if (this.#stream || this.#waiting.dropUntil(node, event)) return;
    this.#early.set(digestOf(event), node);
    const [oldest] = this.#early.size > maxEarly ? this.#early.keys() : [];
    if (oldest !== undefined) this.#early.delete(oldest);
  }

  /** Resolves when no event waits, or after `timeoutMs`. Returns how many events still wait. */
  async stop(timeoutMs: number): Promise<number> {
    // What waits while another requester announces is for that one to send.
    if (!this.#stream) {
      this.#end();
      return 0;
    }
    const deadline = this.#options.clock.monotonic() + timeoutMs;
    while (
      this.#waiting.nodes > 0 &&
      !this.#stopped.signal.aborted &&
      this.#options.clock.monotonic() < deadline
    ) {
      await sleep(this.#options.clock, 10);
    }
    this.#end();
    return this.#waiting.count();
  }

  #end(): void {
    this.#stopped.abort();
    this.#period.abort();
  }

  /** Number of nodes with waiting events. */
  get waiting(): number {
    return this.#waiting.nodes;
  }

  announcedHealth(node: string): Health {
    return this.#waiting.healthOf(node) ?? this.#last.health(node);
  }

  announcedConditions(node: string): readonly string[] {
    return this.#waiting.conditionsOf(node) ?? this.#last.conditions(node);
  }

  /** Announces a change that is in the store. The id of its event names the revision and the incarnation. */
  announceChange(node: string, change: RecordedChange): void {
    if (this.#options.clock.monotonic() < this.#carefulUntil) this.announceEarlierChange(node, change);
    else if (!this.#isEarly(node, change)) this.#enqueue(node, waitingEvent(node, change));
  }

  /** Announces a change that is not the newest one in the store, unless its event turns out to be in the stream. */
  announceEarlierChange(node: string, change: RecordedChange): void {
    if (this.#isEarly(node, change)) return;
    this.#enqueue(node, waitingEvent(node, change, { mayBeStored: true }));
  }

  /** Returns whether another requester's event of this change came before the change, and forgets that. */
  #isEarly(node: string, change: RecordedChange): boolean {
    return this.#early.size > 0 && this.#early.delete(digestOf(changeEvent(node, change)));
  }

  /** Announces a change of health. Such a change is not in the store, so only the requester that watches announces it. */
  announceHealth({ node, kind, previous, current, evidence }: HealthChange): void {
    if (!this.#stream) return;
    const data = { node, previous: { health: previous }, current: { health: current }, evidence };
    this.#enqueue(node, { kind, time: this.#options.clock.now().toISOString(), data });
  }

  /** Announces a condition of a node. Only the requester that watches does so, as with health. */
  announceCondition(node: NodeState, news: ConditionNews): void {
    if (!this.#stream) return;
    const time = this.#options.clock.now().toISOString();
    this.#enqueue(node.Info.NodeID, { ...conditionEvent(node, news), time });
  }

  /** Announces that two agents use the id of `node`. Only this requester may know it, so it tells it in any case. */
  announceConflict(node: string, membership: Membership | '', evidence: Evidence): void {
    const state = membership ? { membership } : {};
    const data = { node, previous: state, current: state, evidence };
    const id = `${node}:${this.#options.instance}:${++this.#number}`;
    const time = this.#options.clock.now().toISOString();
    if (this.#stream) {
      this.#enqueue(node, { kind: 'conflict', id, time, data });
      return;
    }
    const body = cloudEvent('conflict', id, this.#source, time, data);
    this.#options.connection.publish(eventSubject(node, 'conflict'), JSON.stringify(body));
  }

  /**
   * Announces that the requester cannot tell now whether silent nodes are alive, with the reason, or that it can again.
   * The log and the status contain it too.
   */
  announceDegraded(reason: string | undefined): void {
    this.#own.announce(reason ? 'degraded' : 'recovered', reason ? { reason } : {});
  }

  /**
   * Returns the waiting changes of `node`. They are written into its record, so that they are not lost when this process
   * dies.
   */
  unacknowledgedChanges(node: string): RecordedChange[] {
    return this.#waiting.changesOf(node);
  }

  /** Adds the changes that wait to what was announced: they stand in the store, and their events are sure to come. */
  addWaiting(memberships: AnnouncedMemberships): void {
    for (const [node, changes] of this.#waiting.changes()) {
      for (const change of changes) {
        const write = { incarnation: change.Store, revision: change.Revision };
        // A record that came back has changes which are older than what was announced.
        const known = memberships.nodes.get(node)?.write;
        if (known?.incarnation === write.incarnation && known && known.revision > write.revision) continue;
        memberships.add(node, { ...changeEvent(node, change), ...write, source: this.#source });
      }
    }
  }

  #enqueue(node: string, event: WaitingEvent): void {
    this.#waiting.add(node, event);
    this.#sendQueued();
  }

  #sendQueued(): void {
    while (this.#stream && this.#sending < maxSending && !this.#stopped.signal.aborted) {
      const next = this.#waiting.takeQueued();
      if (!next) return;
      this.#sending++;
      void this.#sendAll(next.node, next.list, this.#stream).finally(() => {
        this.#sending--;
        this.#waiting.giveBack(next.node);
        this.#sendQueued();
      });
    }
  }

  // Sends the events of a node one after the other. Each is repeated until it is acknowledged, or this requester ceases to
  // announce.
  async #sendAll(node: string, list: WaitingEvent[], stream: EventStream): Promise<void> {
    const { clock, random, connection, untilInForce } = this.#options;
    const { signal } = this.#period;
    let failures = 0;
    for (let event = list[0]; event && !signal.aborted; event = list[0]) {
      try {
        const inForce = event.change && untilInForce?.(node);
        if (inForce) await inForce;
        await connection.connected(signal);
        const { earlier } = event;
        if (!earlier || !(await isStored(stream, node, earlier)))
          await this.#send(stream, node, event, signal);
        if (list[0] === event) list.shift();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const text = 'an event was not acknowledged; it is sent again';
        this.#limitedLog.warn('failed', { node, err: error }, text);
        await sleep(clock, backoff(random, failures++, 100, 10_000), signal);
      }
    }
  }

  async #send(
    stream: EventStream,
    node: string,
    { kind, time, data, ...event }: WaitingEvent,
    signal: AbortSignal,
  ): Promise<void> {
    const incarnation = event.id === undefined ? await this.#options.life.find() : '';
    // Another requester may have announced since the event was taken.
    signal.throwIfAborted();
    const last = this.#last;
    const id = event.id ?? last.nextId(node, incarnation);
    const body = cloudEvent(kind, id, this.#source, time, data);
    const { sequence } = await stream.publish(eventSubject(node, kind), JSON.stringify(body), id);
    last.add(node, kind, sequence, data.conditions);
  }
}
