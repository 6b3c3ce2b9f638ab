// A queue whose links are in its entries, so that an entry is removed from the middle as fast as from the end.

/** The links of an entry. Only the queue writes them. */
export interface Linked<T extends Linked<T>> {
  queue: LinkedQueue<T> | undefined;
  older: T | undefined;
  newer: T | undefined;
}

/** Entries in the order in which they were appended. An entry is in one queue at most. */
export class LinkedQueue<T extends Linked<T>> {
  oldest: T | undefined;
  #newest: T | undefined;
  #size = 0;

  /** Number of entries. */
  get size(): number {
    return this.#size;
  }

  append(entry: T): void {
    entry.queue = this;
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest) this.#newest.newer = entry;
    else this.oldest = entry;
    this.#newest = entry;
    this.#size++;
  }

  remove(entry: T): void {
    if (entry.older) entry.older.newer = entry.newer;
    else this.oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.#newest = entry.older;
    entry.queue = undefined;
    entry.older = undefined;
    entry.newer = undefined;
    this.#size--;
  }
}
