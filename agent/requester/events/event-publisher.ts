// Tells other systems of each change, in order per node, until the broker has acknowledged it (design 7).
import {
  cloudEvent,
  type EventData,
  type EventKind,
  eventSource,
  revisionEventId,
} from '../../protocol/events.ts';
import type { RecordedChange } from '../../protocol/node-state.ts';
import { eventSubject } from '../../protocol/subjects.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { backoff, type Random } from '../../system/random.ts';
import type { Connection, EventStream, StreamConfig } from '../../transport/port.ts';

export const eventStream: StreamConfig = {
  name: 'NODE_EVENTS',
  subjects: ['node.events.>'],
  maxAgeMs: 30 * 24 * 3600 * 1000,
  maxBytes: 1024 ** 3,
};

// Of one node, of each sort. Health changes are worth their order, not their number: one that flaps keeps the newest.
// Membership changes are all told, older ones together with a later one; a record has room for these and one more, for which
// it is written.
const maxWaiting = 63;
// Nodes whose events are on their way at once: all of a large cluster may have news at the same moment.
const maxSending = 256;

export interface EventsOptions {
  clock: Clock;
  random: Random;
  log: Log;
  connection: Connection;
  clusterId: string;
  requesterId: string;
  /** Random per process; with a number it makes the ids of health events unique. */
  instance: string;
}

interface Waiting {
  kind: EventKind;
  id: string;
  time: string;
  data: EventData;
  /** Set for an event that stands in the node's record until it is acknowledged. */
  change?: RecordedChange;
}

/** The events that are not acknowledged yet, and the workers that send them: at most one a node. */
export class Events {
  readonly #options: EventsOptions;
  readonly #source: string;
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #stopped = new AbortController();
  readonly #limitedLog: LimitedLog;
  /** Nodes whose turn to be sent has not come. */
  readonly #queued = new Set<string>();
  #sending = 0;
  #stream: EventStream | undefined;
  #number = 0;
  #dropped = 0;
  #coalesced = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#source = eventSource(options.clusterId, options.requesterId);
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  /** Begins to send; until then events wait. */
  start(stream: EventStream): void {
    this.#stream = stream;
    this.#sendQueued();
  }

  /** Resolves once nothing waits, or after `timeout` milliseconds: then answers how many events still do. */
  async stop(timeout: number): Promise<number> {
    const until = this.#options.clock.monotonic() + timeout;
    while (
      this.#waiting.size > 0 &&
      !this.#stopped.signal.aborted &&
      this.#options.clock.monotonic() < until
    ) {
      await sleep(this.#options.clock, 10);
    }
    this.#stopped.abort();
    return [...this.#waiting.values()].reduce((sum, list) => sum + list.length, 0);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A change that stands in the store; its event's id follows from the revision. */
  changed(node: string, change: RecordedChange): void {
    this.#add(node, membershipEvent(node, change));
  }

  /** A change of health, or a conflict: nothing in the store tells of it. */
  observed(node: string, kind: EventKind, data: EventData): void {
    const id = `${node}:${this.#options.instance}:${++this.#number}`;
    this.#add(node, { kind, id, time: this.#options.clock.now().toISOString(), data });
  }

  /** The changes of `node` that wait: they go into its record at the next write, so that a crash cannot lose them. */
  unannounced(node: string): RecordedChange[] {
    return (this.#waiting.get(node) ?? []).flatMap(event => (event.change ? [event.change] : []));
  }

  #add(node: string, event: Waiting): void {
    const list = this.#waiting.get(node);
    if (!list) {
      this.#waiting.set(node, [event]);
      this.#queued.add(node);
      if (this.#stream) this.#sendQueued();
      return;
    }
    list.push(event);
    if (list.length <= maxWaiting) return;
    const ofItsSort = list.filter(({ change }) => !change === !event.change).length;
    if (ofItsSort > maxWaiting) event.change ? this.#coalesce(node, list) : this.#dropOldest(node, list);
  }

  // The first may be on its way, here as below.
  #dropOldest(node: string, list: Waiting[]): void {
    const oldest = list.findIndex((waiting, index) => index > 0 && !waiting.change);
    list.splice(oldest, 1);
    this.#dropped++;
    this.#limitedLog.warn('dropped', { node, dropped: this.#dropped }, 'older health events were dropped');
  }

  // The change after an older one is told as from before that, and says so. What a node is now is never left out, and what
  // is least missed goes first.
  #coalesce(node: string, list: Waiting[]): void {
    const older = list.slice(1, -1).filter(waiting => waiting.change);
    const gone = older.find(({ kind }) => kind === 'updated') ?? older[0];
    if (!gone?.change) return;
    const at = list.indexOf(gone);
    const next = list.findIndex((waiting, index) => index > at && waiting.change);
    const change = list[next]?.change;
    if (!change) return;
    const Coalesced = (change.Coalesced ?? 0) + (gone.change.Coalesced ?? 0) + 1;
    list[next] = membershipEvent(node, { ...change, Previous: gone.change.Previous, Coalesced });
    list.splice(at, 1);
    this.#coalesced++;
    const text = 'older changes are told together with later ones: the event stream has not taken them';
    this.#limitedLog.warn('coalesced', { node, coalesced: this.#coalesced }, text);
  }

  #sendQueued(): void {
    for (const node of this.#queued) {
      if (this.#sending >= maxSending || this.#stopped.signal.aborted) return;
      this.#queued.delete(node);
      this.#sending++;
      void this.#work(node).finally(() => {
        this.#sending--;
        this.#sendQueued();
      });
    }
  }

  async #work(node: string): Promise<void> {
    const list = this.#waiting.get(node);
    for (let event = list?.[0]; event; event = list?.[0]) {
      if (!(await this.#send(node, event))) return;
      list?.shift();
    }
    this.#waiting.delete(node);
  }

  async #send(node: string, event: Waiting): Promise<boolean> {
    const { clock, random, connection } = this.#options;
    const body = JSON.stringify(cloudEvent(event.kind, event.id, this.#source, event.time, event.data));
    for (let failures = 0; !this.#stopped.signal.aborted; failures++) {
      try {
        await connection.connected(this.#stopped.signal);
        await this.#stream?.publish(eventSubject(node, event.kind), body, event.id);
        return true;
      } catch (error) {
        if (this.#stopped.signal.aborted) break;
        this.#limitedLog.warn(
          'failed',
          { node, err: error },
          'an event was not acknowledged; it is sent again',
        );
        await sleep(clock, backoff(random, failures, 100, 10_000), this.#stopped.signal);
      }
    }
    return false;
  }
}

function membershipEvent(node: string, change: RecordedChange): Waiting {
  const data: EventData = {
    node,
    previous: change.Previous ? { membership: change.Previous } : {},
    current: change.Current ? { membership: change.Current } : {},
    ...(change.Reason ? { reason: change.Reason } : {}),
    ...(change.Actor ? { actor: change.Actor } : {}),
    ...(change.Coalesced ? { coalesced: change.Coalesced } : {}),
  };
  return {
    kind: change.Kind,
    id: revisionEventId(node, change.Revision),
    time: change.At,
    data,
    change,
  };
}
