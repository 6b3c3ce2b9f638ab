// Counts the pieces of work in progress, so that a stop can wait until they are done.
export class WorkInProgress {
  #count = 0;
  #done: PromiseWithResolvers<void> | undefined;

  /** Counts a piece of work until it is done. Whether it succeeds does not matter here. */
  add(work: Promise<void>): void {
    this.#count++;
    void work.finally(() => {
      if (--this.#count > 0) return;
      this.#done?.resolve();
      this.#done = undefined;
    });
  }

  /** Resolves when nothing is in progress. */
  async ended(): Promise<void> {
    if (this.#count === 0) return;
    this.#done ??= Promise.withResolvers();
    await this.#done.promise;
  }
}
