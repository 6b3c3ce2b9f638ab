// The node queue makes the changes of one node run one after the other. Changes of different nodes do not wait for each
// other.

export class NodeQueue {
  readonly #last = new Map<string, Promise<void>>();

  /** Returns whether a turn of `id` runs or waits. */
  isBusy(id: string): boolean {
    return this.#last.has(id);
  }

  /**
   * Waits until all earlier turns of `id` have ended. Returns a function that ends this turn; the caller must call it.
   */
  async begin(id: string): Promise<() => void> {
    const before = this.#last.get(id);
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#last.set(id, ended);
    await before;
    return () => {
      if (this.#last.get(id) === ended) this.#last.delete(id);
      resolve();
    };
  }
}
