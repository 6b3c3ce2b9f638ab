// The node queue lets the changes of one node happen one after the other. Those of different nodes do not wait for each other.

export class NodeQueue {
  readonly #last = new Map<string, Promise<void>>();

  /** Waits until all earlier turns of `id` have ended. Returns a function that ends this turn, which has to be called. */
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
