// The own writes are the records that this requester has sent to the store and that are not acknowledged yet. The watch often
// brings such a record before its acknowledgement comes. Then it need not be read again: it has the bytes that were sent.
import type { BucketEntry } from '../../transport/port.ts';

interface OwnWrite {
  value: Uint8Array;
  onStored(revision: number): void;
}

export class OwnWrites {
  readonly #underWay = new Map<string, OwnWrite>();

  /** Notes that `value` is being written under `id`. The caller calls `end` when that has ended, and writes one at a time. */
  begin(id: string, value: Uint8Array, onStored: (revision: number) => void): void {
    this.#underWay.set(id, { value, onStored });
  }

  end(id: string): void {
    this.#underWay.delete(id);
  }

  /**
   * Calls `onStored` of the write that made this entry. Returns false when it is of another write. The value of a record has a
   * random mark of its write in it, so no other write has the same bytes.
   */
  take({ key, value, marker, revision }: BucketEntry): boolean {
    const own = marker ? undefined : this.#underWay.get(key);
    if (!own || Buffer.compare(own.value, value) !== 0) return false;
    own.onStored(revision);
    return true;
  }
}
