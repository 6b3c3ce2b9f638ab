// This worker measures the heartbeat queue of Bacalhau 1.4, written in JavaScript. Argument: how many nodes. The queue is a
// heap with the newest entry first. To find the entry of a node, it takes out all entries before it and puts them back
// afterwards.
import { nodeIdOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

interface Entry {
  node: string;
  /** The time of the heartbeat, in seconds. */
  at: number;
}

class HeartbeatHeap {
  readonly #entries: Entry[] = [];

  push(entry: Entry): void {
    const entries = this.#entries;
    let place = entries.push(entry) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!this.#isNewer(place, above)) break;
      this.#swap(place, above);
      place = above;
    }
  }

  pop(): Entry | undefined {
    const entries = this.#entries;
    this.#swap(0, entries.length - 1);
    const newest = entries.pop();
    for (let place = 0; ; ) {
      let newer = 2 * place + 1;
      if (newer >= entries.length) return newest;
      if (newer + 1 < entries.length && this.#isNewer(newer + 1, newer)) newer++;
      if (!this.#isNewer(newer, place)) return newest;
      this.#swap(place, newer);
      place = newer;
    }
  }

  /** Removes the entry of `node`. */
  remove(node: string): void {
    const others: Entry[] = [];
    for (let entry = this.pop(); entry && entry.node !== node; entry = this.pop()) others.push(entry);
    for (const entry of others) this.push(entry);
  }

  #isNewer(one: number, other: number): boolean {
    return (this.#entries[one]?.at ?? 0) > (this.#entries[other]?.at ?? 0);
  }

  #swap(one: number, other: number): void {
    const entries = this.#entries;
    [entries[one], entries[other]] = [entries[other] as Entry, entries[one] as Entry];
  }
}

const nodes = Number(process.argv[2]);
const interval = 15;
const heap = new HeartbeatHeap();
let now = 0;
const ids = Array.from({ length: nodes }, (_, index) => nodeIdOf(index));
ids.forEach((node, index) => {
  heap.push({ node, at: Math.floor((interval * index) / nodes) });
});

// Heartbeats come in about the same order each time, so each is from one of the oldest entries.
const before = process.cpuUsage();
let heartbeats = 0;
while (heartbeats < nodes && spent() < 3e6) {
  const node = ids[heartbeats] ?? '';
  now = interval + (interval * heartbeats++) / nodes;
  heap.remove(node);
  heap.push({ node, at: Math.floor(now) });
}

function spent(): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

// The CPU time of one heartbeat, in nanoseconds.
report((spent() * 1000) / heartbeats);
