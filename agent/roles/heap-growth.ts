// Keeps the heap of a large requester small. V8 lets a heap grow to as much as four times what lives in it before it looks for
// garbage: after a start or a storm, that is hundreds of megabytes for 100 000 nodes.
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { Clock } from '../system/clock.ts';
import { Rounds } from '../system/rounds.ts';

export const heapGrowth = {
  /** The heap in use from which its growth is limited. In a smaller one, V8 would look for garbage too often in a storm. */
  limitedFromBytes: 80e6,
  /** How far it may then grow beyond what lives in it. By less, V8 would look for garbage too often when much happens at once. */
  percent: 40,
  /** Short enough that the limit is there before a requester has read many records. */
  checkIntervalMs: 500,
};

/** The heap of V8. Tests use a fake one. */
export interface Heap {
  usedBytes(): number;
  /** Sets the growth from the next search for garbage on, in percent; 0 leaves it to V8. */
  setGrowth(percent: number): void;
}

const processHeap: Heap = {
  usedBytes: () => getHeapStatistics().used_heap_size,
  // V8 reads this flag at each search, so it may change while the program runs. What is loaded later is compiled without its code
  // cache, because V8 compares the flags. After its start, a requester hardly loads anything.
  setGrowth: percent => setFlagsFromString(`--heap-growing-percent=${percent}`),
};

/** Limits the growth of the heap while it is large, until it is stopped. A requester calls this before it reads its records. */
export function limitHeapGrowth(clock: Clock, heap = processHeap): { stop(): void } {
  let isLimited = false;
  const check = () => {
    const isLarge = heap.usedBytes() >= heapGrowth.limitedFromBytes;
    if (isLarge !== isLimited) heap.setGrowth(isLarge ? heapGrowth.percent : 0);
    isLimited = isLarge;
  };
  const rounds = new Rounds({ clock, pauseMs: heapGrowth.checkIntervalMs, work: check });
  rounds.start();
  return rounds;
}
