// The last events say which event of each node is the newest in the stream. From that follows the id of the next event of the
// node's health: two requesters that watch one after the other give the same change the same id.
import { type EventKind, healthEventId } from '../../protocol/events.ts';

/** Returns whether a node has no further events after this one, until it registers again. */
const isEnd = (kind: EventKind): boolean => kind === 'deleted' || kind === 'expired';

export class LastEvents {
  readonly #sequences = new Map<string, number>();
  #created: string;
  /** Stands for the sequence of a node of which the stream has no event: the last one that the stream may have removed. */
  #removed = 0;

  /** `created` is the time of the stream's creation, as the broker writes it. */
  constructor(created: string) {
    this.#created = created;
  }

  /**
   * Notes an event that is in the stream. Those of a node come in their order. Conflicts do not count, because every requester
   * may announce one.
   */
  add(node: string, kind: EventKind, sequence: number): void {
    if (kind === 'conflict') return;
    if (isEnd(kind)) this.#sequences.delete(node);
    else this.#sequences.set(node, sequence);
  }

  /** Notes that events before this sequence may have been removed from the stream. */
  removedBefore(sequence: number): void {
    this.#removed = sequence - 1;
  }

  /** Notes that the stream was lost, and begins anew. */
  beginAnew(created: string): void {
    this.#created = created;
    this.#removed = 0;
    this.#sequences.clear();
  }

  /** Returns the id of the node's next event about health. `incarnation` is that of the store. */
  nextId(node: string, incarnation: string): string {
    const sequence = Math.max(this.#sequences.get(node) ?? 0, this.#removed);
    // A cluster names no time of creation.
    return healthEventId(node, incarnation, Date.parse(this.#created) || 0, sequence);
  }
}
