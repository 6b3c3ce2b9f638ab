// Finds numbers by a hash, in one typed array. A search in it reads one line of the processor's cache; one in a large Map reads
// five that are in no cache.

/** Half of the slots are free at least, so that a search ends soon. */
const fewestBits = 4;

/**
 * A table of numbers from zero on, each with the hash under which it was added. Several may have the same hash: whoever
 * searches has to look whether a number is the right one.
 */
export class HashSlots {
  /** Two numbers for each slot: the hash, and the number plus one, which is zero in a free slot. */
  #slots = new Int32Array(2 << fewestBits);
  #bits = fewestBits;
  #size = 0;

  /** Adds a number. `hash` is an integer of 32 bits; its upper ones say where the search begins. */
  add(hash: number, value: number): void {
    if (++this.#size * 2 > 1 << this.#bits) this.#grow();
    this.#put(hash, value + 1);
  }

  /** Removes a number that was added with this hash. */
  remove(hash: number, value: number): void {
    let place = this.first(hash);
    while (place >= 0 && this.valueAt(place) !== value) place = this.next(hash, place);
    if (place < 0) return;
    this.#size--;
    this.#close(place);
  }

  /** Returns the place of the first number with this hash; -1 when there is none. A place counts until the next change. */
  first(hash: number): number {
    return this.#seek(hash, this.#home(hash));
  }

  /** Returns the place of the next number with this hash after `place`; -1 when there is none. */
  next(hash: number, place: number): number {
    return this.#seek(hash, this.#after(place));
  }

  /** Returns the number at a place. */
  valueAt(place: number): number {
    return (this.#slots[2 * place + 1] ?? 0) - 1;
  }

  #home(hash: number): number {
    return hash >>> (32 - this.#bits);
  }

  #after(place: number): number {
    return (place + 1) & ((1 << this.#bits) - 1);
  }

  #seek(hash: number, from: number): number {
    const slots = this.#slots;
    for (let place = from; ; place = this.#after(place)) {
      if (slots[2 * place + 1] === 0) return -1;
      if (slots[2 * place] === hash) return place;
    }
  }

  #put(hash: number, value: number): void {
    let place = this.#home(hash);
    while (this.#slots[2 * place + 1] !== 0) place = this.#after(place);
    this.#slots[2 * place] = hash;
    this.#slots[2 * place + 1] = value;
  }

  #grow(): void {
    const old = this.#slots;
    this.#bits++;
    this.#slots = new Int32Array(2 << this.#bits);
    for (let at = 0; at < old.length; at += 2) {
      const value = old[at + 1] ?? 0;
      if (value !== 0) this.#put(old[at] ?? 0, value);
    }
  }

  // Frees a slot. What stands behind it without a gap, and would no longer be found, moves there.
  #close(freed: number): void {
    const slots = this.#slots;
    const mask = (1 << this.#bits) - 1;
    let free = freed;
    for (let place = this.#after(free); slots[2 * place + 1] !== 0; place = this.#after(place)) {
      const fromHome = (place - this.#home(slots[2 * place] ?? 0)) & mask;
      if (fromHome < ((place - free) & mask)) continue;
      slots.copyWithin(2 * free, 2 * place, 2 * place + 2);
      free = place;
    }
    slots[2 * free + 1] = 0;
  }
}
