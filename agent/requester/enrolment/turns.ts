// Runs works about the same names one after the other, so that no two decide about the same key or node at once.
export class Turns {
  /** The last work of each name. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` after all earlier works of these names, and returns its result. */
  async run<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = names.map(name => this.#last.get(name));
    const turn = Promise.allSettled(before).then(work);
    const settled = turn.catch(() => undefined);
    for (const name of names) this.#last.set(name, settled);
    try {
      return await turn;
    } finally {
      for (const name of names) if (this.#last.get(name) === settled) this.#last.delete(name);
    }
  }
}

/** The names for the turns of a key and of a node. */
export const keyTurn = (key: string): string => `key ${key}`;
export const nodeTurn = (id: string): string => `node ${id}`;
