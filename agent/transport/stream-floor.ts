// Remembers how far a stream was. In a cluster, a server that has just become the leader, or no longer is, may answer about a
// stream as it was some seconds ago. That is no loss of the store, and must not be taken for one.
import { type Clock, sleep } from '../system/clock.ts';
import type { StorageConnection, StreamInfo } from './jetstream.ts';

/** Times in milliseconds: how long a stream must be behind until that is believed, and the time between two questions. */
const believedAfterMs = 15_000;
const betweenMs = 500;

export class StreamFloor {
  readonly #connection: Pick<StorageConnection, 'isClustered'>;
  readonly #clock: Clock;
  #created: string | undefined;
  #sequence = 0;

  constructor({ connection, clock }: { connection: Pick<StorageConnection, 'isClustered'>; clock: Clock }) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Notes that the stream has a message with this sequence. */
  note(sequence: number): void {
    if (sequence > this.#sequence) this.#sequence = sequence;
  }

  /**
   * Asks about the stream. While a cluster says that the stream has less than it had, it is asked again, for some seconds.
   * @throws what `ask` throws
   */
  async ask(ask: () => Promise<StreamInfo>): Promise<StreamInfo> {
    const began = this.#clock.monotonic();
    for (;;) {
      // What is written while the answer is on its way is newer than the answer.
      const [created, sequence] = [this.#created, this.#sequence];
      const info = await ask();
      // The servers of a cluster say different times of creation of a stream that was restored: see creationOf().
      const isSame = this.#connection.isClustered || created === info.created;
      const isBehind = isSame && info.state.last_seq < sequence;
      const isBelieved = !this.#connection.isClustered || this.#clock.monotonic() - began >= believedAfterMs;
      if (isBehind && !isBelieved) {
        await sleep(this.#clock, betweenMs);
        continue;
      }
      const isOther = isBehind || !isSame;
      this.#created = info.created;
      this.#sequence = isOther ? info.state.last_seq : Math.max(this.#sequence, info.state.last_seq);
      return info;
    }
  }
}
