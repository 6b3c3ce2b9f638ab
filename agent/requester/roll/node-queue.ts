// The node queue runs the changes of one node one after the other; those of different nodes run at the same time.

export class NodeQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` once everything that was queued for `id` before has ended, and settles as `work` does. */
  async run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(id);
    const turn = (before ?? Promise.resolve()).then(work, work);
    this.#last.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(id) === turn) this.#last.delete(id);
    }
  }
}
