// Gathers the events that come while others are on their way, and sends them together.

/** Largest number of events in one batch. */
const maxEvents = 500;

interface Waiting<Event, Stored> {
  event: Event;
  settle: PromiseWithResolvers<Stored>;
}

export class EventBatches<Event, Stored> {
  readonly #send: (events: readonly Event[]) => Promise<PromiseSettledResult<Stored>[]>;
  readonly #queue: Waiting<Event, Stored>[] = [];
  #isSending = false;

  /** `send` returns what became of each event. When it rejects, that counts for all of them. */
  constructor(send: (events: readonly Event[]) => Promise<PromiseSettledResult<Stored>[]>) {
    this.#send = send;
  }

  /** Sends an event: at once when none is on its way, otherwise with the next batch. Rejects as `send`. */
  publish(event: Event): Promise<Stored> {
    const settle = Promise.withResolvers<Stored>();
    this.#queue.push({ event, settle });
    if (!this.#isSending) void this.#sendAll();
    return settle.promise;
  }

  /** Sends nothing of what waits, and rejects it. */
  discard(error: Error): void {
    for (const { settle } of this.#queue.splice(0)) settle.reject(error);
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (this.#queue.length > 0) await this.#sendBatch(this.#queue.splice(0, maxEvents));
    this.#isSending = false;
  }

  async #sendBatch(batch: readonly Waiting<Event, Stored>[]): Promise<void> {
    try {
      const results = await this.#send(batch.map(({ event }) => event));
      for (const [index, { settle }] of batch.entries()) {
        const result = results[index];
        if (result?.status === 'fulfilled') settle.resolve(result.value);
        else settle.reject(result?.reason);
      }
    } catch (error) {
      for (const { settle } of batch) settle.reject(error);
    }
  }
}
