// The waiting events are those that the broker has not acknowledged yet, in order for each node.
import type { EventData, EventKind } from '../../protocol/events.ts';
import { writeJson } from '../../protocol/json.ts';
import type { Health, RecordedChange } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { type ChangeEvent, changeEvent, digestOf } from './change-event.ts';
import { conditionsAfter, healthAfter } from './last-events.ts';

/**
 * Largest number of waiting events per node, for membership and for health each. When there are more, the oldest health
 * event is dropped (events about conditions count as such), and an older change is announced together with a later one. A record has room for one change more:
 * the change that it is written for.
 */
const maxWaiting = 63;

/**
 * Largest size in bytes of the waiting changes of a node; more are announced together too. A record has room for them and for
 * the change that it is written for, so that a crash loses none.
 */
const maxWaitingBytes = 16 * 1024;

export interface WaitingEvent {
  kind: EventKind;
  /** Absent for an event about health: its id follows from the event of its node that is sent before it. */
  id?: string;
  time: string;
  data: EventData;
  /** The change that the event announces. It stays in the node's record until the event is acknowledged. */
  change?: RecordedChange;
  /** The event as it may stand in the stream already, because the change is not a new one. */
  earlier?: ChangeEvent;
}

/** Returns the event of a change. `mayBeStored` tells that it may stand in the stream already. */
export function waitingEvent(
  node: string,
  change: RecordedChange,
  { mayBeStored = false } = {},
): WaitingEvent {
  const event = changeEvent(node, change);
  return { ...event, change, ...(mayBeStored ? { earlier: event } : {}) };
}

export class WaitingEvents {
  readonly #lists = new Map<string, WaitingEvent[]>();
  /** Nodes with events that are to be sent. */
  readonly #queued = new Set<string>();
  /** Nodes of which an event may be on its way. Another one would overtake it. */
  readonly #taken = new Set<string>();
  readonly #limitedLog: LimitedLog;
  #dropped = 0;
  #coalesced = 0;

  constructor({ log, clock }: { log: Log; clock: Clock }) {
    this.#limitedLog = limitedLog(log, clock);
  }

  /** Number of nodes with waiting events. */
  get nodes(): number {
    return this.#lists.size;
  }

  /** Returns the number of waiting events. */
  count(): number {
    return [...this.#lists.values()].reduce((sum, list) => sum + list.length, 0);
  }

  /** Returns the waiting changes of a node, the oldest first. */
  changesOf(node: string): RecordedChange[] {
    return (this.#lists.get(node) ?? []).flatMap(event => (event.change ? [event.change] : []));
  }

  /** Returns the health of a node after its waiting events; undefined when none of them tells. */
  healthOf(node: string): Health | undefined {
    return this.#lists
      .get(node)
      ?.map(({ kind }) => healthAfter[kind])
      .findLast(health => health !== undefined);
  }

  /** Returns the conditions that are announced after the waiting events of a node; undefined when none of them tells. */
  conditionsOf(node: string): readonly string[] | undefined {
    return this.#lists
      .get(node)
      ?.map(({ kind, data }) => conditionsAfter(kind, data.conditions))
      .findLast(conditions => conditions !== undefined);
  }

  /** Yields the waiting changes of all nodes. */
  *changes(): Generator<[node: string, changes: RecordedChange[]]> {
    for (const node of this.#lists.keys()) yield [node, this.changesOf(node)];
  }

  add(node: string, event: WaitingEvent): void {
    const list = this.#lists.get(node);
    if (!list) {
      this.#lists.set(node, [event]);
      this.#queued.add(node);
      return;
    }
    list.push(event);
    if (event.change) while (areTooMany(list) && this.#coalesce(node, list));
    else if (list.filter(({ change }) => !change).length > maxWaiting) this.#dropOldest(node, list);
  }

  /** Takes a node whose events are to be sent now, and returns them; undefined when there is none. See `giveBack`. */
  takeQueued(): { node: string; list: WaitingEvent[] } | undefined {
    for (const node of this.#queued) {
      if (this.#taken.has(node)) continue;
      this.#queued.delete(node);
      const list = this.#lists.get(node);
      if (!list) continue;
      this.#taken.add(node);
      return { node, list };
    }
    return undefined;
  }

  /** Says that no event of a node is on its way any more. What waits of it can be taken again. */
  giveBack(node: string): void {
    this.#taken.delete(node);
    const list = this.#lists.get(node);
    if (list?.length === 0) this.#lists.delete(node);
    else if (list) this.#queued.add(node);
  }

  /** Keeps only changes, to be sent later, because another requester announces now. The first may be on its way. */
  keepChanges(): void {
    this.#replaceAll((_node, list) => list.filter(({ change }, index) => change || index === 0));
  }

  /** Keeps only the changes that `due` returns. Their events may stand in the stream already. */
  keepDue(due: (node: string, changes: RecordedChange[]) => RecordedChange[]): void {
    this.#replaceAll(node =>
      due(node, this.changesOf(node)).map(change => waitingEvent(node, change, { mayBeStored: true })),
    );
  }

  /** Drops the change of this event, and those before it. Returns false when no such change waits. */
  dropUntil(node: string, event: ChangeEvent): boolean {
    const list = this.#lists.get(node) ?? [];
    const digest = digestOf(event);
    const at = list.findIndex(({ change }) => change && digestOf(changeEvent(node, change)) === digest);
    if (at < 0) return false;
    this.#replace(node, list, list.slice(at + 1));
    return true;
  }

  #replaceAll(kept: (node: string, list: WaitingEvent[]) => WaitingEvent[]): void {
    for (const [node, list] of this.#lists) this.#replace(node, list, kept(node, list));
  }

  #replace(node: string, list: WaitingEvent[], kept: WaitingEvent[]): void {
    list.splice(0, list.length, ...kept);
    if (kept.length > 0) {
      this.#queued.add(node);
      return;
    }
    this.#lists.delete(node);
    this.#queued.delete(node);
  }

  // The first event of the list is never dropped or changed, because it may be on its way.
  #dropOldest(node: string, list: WaitingEvent[]): void {
    const oldest = list.findIndex((waiting, index) => index > 0 && !waiting.change);
    list.splice(oldest, 1);
    this.#dropped++;
    this.#limitedLog.warn('dropped', { node, dropped: this.#dropped }, 'older health events were dropped');
  }

  // Removes an older change. The next change then starts from the state before the removed one, and says how many changes it
  // stands for. Changes of information are removed first. The newest change is never removed. Returns false when there is none.
  #coalesce(node: string, list: WaitingEvent[]): boolean {
    const older = list.slice(1, -1).filter(waiting => waiting.change);
    const removed = older.find(({ kind }) => kind === 'updated') ?? older[0];
    if (!removed?.change) return false;
    const at = list.indexOf(removed);
    const next = list.findIndex((waiting, index) => index > at && waiting.change);
    const change = list[next]?.change;
    if (!change) return false;
    const Coalesced = (change.Coalesced ?? 0) + (removed.change.Coalesced ?? 0) + 1;
    list[next] = waitingEvent(node, { ...change, Previous: removed.change.Previous, Coalesced });
    list.splice(at, 1);
    this.#coalesced++;
    const text =
      'older changes are announced together with later ones, because the event stream does not take them';
    this.#limitedLog.warn('coalesced', { node, coalesced: this.#coalesced }, text);
    return true;
  }
}

/** Returns whether a record has no room for the changes of this list. */
function areTooMany(list: readonly WaitingEvent[]): boolean {
  const changes = list.flatMap(({ change }) => (change ? [change] : []));
  if (changes.length > maxWaiting) return true;
  return changes.reduce((sum, change) => sum + sizeOf(change), 0) > maxWaitingBytes;
}

const sizeOf = (change: RecordedChange): number => Buffer.byteLength(writeJson(change));
