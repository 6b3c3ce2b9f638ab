// The last events say which event of each node is the newest in the stream. From that follows the id of the next event of the
// node's health, by which two requesters that watch one after the other give the same change the same id, and which health
// was announced last.
import { type EventKind, healthEventId } from '../../protocol/events.ts';
import type { Health } from '../../protocol/node-state.ts';

/** Returns whether a node has no further events after this one, until it registers again. */
const isEnd = (kind: EventKind): boolean => kind === 'deleted' || kind === 'expired';

/** The health of a node after an event of each kind that tells of it. */
export const healthAfter: Readonly<Partial<Record<EventKind, Health>>> = {
  healthy: 'HEALTHY',
  unhealthy: 'UNHEALTHY',
  unknown: 'UNKNOWN',
  left: 'UNKNOWN',
  // A node that registers again under this id starts without the health of the earlier node.
  registered: 'UNKNOWN',
  deleted: 'UNKNOWN',
  expired: 'UNKNOWN',
  // It goes under the former id, and begins under the new one.
  renamed: 'UNKNOWN',
};

/** Returns the conditions of a node that are announced after an event; undefined when it does not change them. */
export const conditionsAfter = (
  kind: EventKind,
  conditions: readonly string[] | undefined,
): readonly string[] | undefined =>
  kind === 'registered' || kind === 'renamed' || isEnd(kind) ? [] : conditions;

const healths: readonly Health[] = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY'];

export class LastEvents {
  /**
   * The sequence of the newest event of each node, times four, plus the place in `healths` of the health that was announced
   * last. To fill a map of each for a large fleet would take longer.
   */
  readonly #newest = new Map<string, number>();
  /** The conditions of nodes that were announced and not cleared, of each node that has some. */
  readonly #conditions = new Map<string, readonly string[]>();
  #created: string;
  /** Stands for the sequence of a node of which the stream has no event: the last one that the stream may have removed. */
  #removed = 0;

  /** `created` is the time of the stream's creation, as the broker writes it. */
  constructor(created: string) {
    this.#created = created;
  }

  /**
   * Notes an event that is in the stream. Those of a node come in their order. Conflicts do not count, because every requester
   * may announce one. `conditions` are those that an event about a condition names.
   */
  add(node: string, kind: EventKind, sequence: number, conditions?: readonly string[]): void {
    if (kind === 'conflict') return;
    const raised = conditionsAfter(kind, conditions);
    if (raised?.length === 0) this.#conditions.delete(node);
    else if (raised) this.#conditions.set(node, raised);
    if (isEnd(kind)) this.#newest.delete(node);
    else this.#newest.set(node, sequence * 4 + healths.indexOf(healthAfter[kind] ?? this.health(node)));
  }

  /** Notes that events before this sequence may have been removed from the stream. */
  removedBefore(sequence: number): void {
    this.#removed = sequence - 1;
  }

  /** Notes that the stream was lost, and begins anew. */
  beginAnew(created: string): void {
    this.#created = created;
    this.#removed = 0;
    this.#newest.clear();
    this.#conditions.clear();
  }

  /** Returns the health that was announced last; UNKNOWN when none was announced since the node registered. */
  health(node: string): Health {
    return healths[(this.#newest.get(node) ?? 0) % 4] ?? 'UNKNOWN';
  }

  /** Returns the types of the conditions that were announced and not cleared since the node registered. */
  conditions(node: string): readonly string[] {
    return this.#conditions.get(node) ?? [];
  }

  /** Returns the id of the node's next event about its health or a condition. `incarnation` is that of the store. */
  nextId(node: string, incarnation: string): string {
    const sequence = Math.max(Math.floor((this.#newest.get(node) ?? 0) / 4), this.#removed);
    // A cluster names no time of creation.
    return healthEventId(node, incarnation, Date.parse(this.#created) || 0, sequence);
  }
}
