// The resource history keeps in memory what nodes had and used over the last hour: of the nodes that somebody looked at, and of all
// others as far as little memory allows it.
import type { NodeHistory } from '../../protocol/http-history.ts';
import type { Health, NodeState } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import { Rounds } from '../../system/rounds.ts';
import type { ResourceInfo } from '../roll/resource-store.ts';
import { column, gpuColumn, ResourceRing, ringLength, sampleIntervalMs } from './resource-ring.ts';

/** Bytes for all nodes, and for those of them that nobody has looked at. */
export const historyLimits = { bytes: 16e6, unseenBytes: 4e6 };
/** Number of GPUs of a node whose history is kept. */
const mostGpus = 32;

export interface ResourceHistoryOptions {
  clock: Clock;
  /** Yields the records of all nodes on the roll. */
  records(): Iterable<NodeState>;
  record(id: string): NodeState | undefined;
  /** Returns the last report of a node. */
  report(id: string): ResourceInfo | undefined;
  health(id: string): Health;
  limits?: typeof historyLimits;
}

export class ResourceHistory {
  readonly #options: ResourceHistoryOptions;
  readonly #limits: typeof historyLimits;
  /** The nodes that somebody looked at, the one that nobody has looked at for longest first. */
  readonly #seen = new Map<string, ResourceRing>();
  readonly #unseen = new Map<string, ResourceRing>();
  readonly #rounds: Rounds;
  /** The times of the samples, which are the same for all nodes, in milliseconds since 1970. */
  readonly #timesMs = new Float64Array(ringLength);
  /** The number of the last sample. */
  #last = 0;
  #seenBytes = 0;
  #unseenBytes = 0;

  constructor(options: ResourceHistoryOptions) {
    this.#options = options;
    this.#limits = options.limits ?? historyLimits;
    this.#timesMs[0] = options.clock.now().getTime();
    const { clock } = options;
    this.#rounds = new Rounds({ clock, pauseMs: sampleIntervalMs, work: () => this.#sampleAll() });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#rounds.stop();
  }

  /** Bytes of all rings. */
  get sizeBytes(): number {
    return this.#seenBytes + this.#unseenBytes;
  }

  /** Returns the history of a node on the roll, and goes on to keep it. What nobody has looked at for longest gives way. */
  look(id: string): NodeHistory {
    const state = this.#options.record(id);
    const kept = this.#take(id);
    const ring = this.#fitting(kept, state);
    if (ring !== kept) this.#write(ring, id, state);
    this.#seen.set(id, ring);
    this.#seenBytes += ring.sizeBytes;
    this.#giveWay(id);
    return this.#viewOf(id, ring, state);
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    this.#take(id);
  }

  #take(id: string): ResourceRing | undefined {
    const seen = this.#seen.get(id);
    const unseen = this.#unseen.get(id);
    this.#seen.delete(id);
    this.#unseen.delete(id);
    this.#seenBytes -= seen?.sizeBytes ?? 0;
    this.#unseenBytes -= unseen?.sizeBytes ?? 0;
    return seen ?? unseen;
  }

  #giveWay(id?: string): void {
    for (const other of [...this.#unseen.keys(), ...this.#seen.keys()]) {
      if (this.sizeBytes <= this.#limits.bytes) return;
      if (other !== id) this.#take(other);
    }
  }

  #sampleAll(): void {
    this.#last++;
    this.#timesMs[this.#last % ringLength] = this.#options.clock.now().getTime();
    for (const [id, ring] of this.#seen) {
      const next = this.#sample(id, ring);
      this.#seenBytes += next.sizeBytes - ring.sizeBytes;
      this.#seen.set(id, next);
    }
    for (const [id, ring] of this.#unseen) {
      const next = this.#sample(id, ring);
      this.#unseenBytes += next.sizeBytes - ring.sizeBytes;
      this.#unseen.set(id, next);
    }
    // Nodes that have more GPUs than before take more room.
    this.#giveWay();
    this.#beginOthers();
  }

  #sample(id: string, kept: ResourceRing): ResourceRing {
    const state = this.#options.record(id);
    const ring = this.#fitting(kept, state);
    this.#write(ring, id, state);
    return ring;
  }

  /** Begins the history of further nodes while there is room for them. */
  #beginOthers(): void {
    const { bytes, unseenBytes } = this.#limits;
    const isFull = () => this.#unseenBytes >= unseenBytes || this.sizeBytes >= bytes;
    if (isFull()) return;
    for (const state of this.#options.records()) {
      const id = state.Info.NodeID;
      if (this.#seen.has(id) || this.#unseen.has(id) || !this.#options.report(id)) continue;
      const ring = this.#fitting(undefined, state);
      if (this.sizeBytes + ring.sizeBytes > bytes) return;
      this.#write(ring, id, state);
      this.#unseen.set(id, ring);
      this.#unseenBytes += ring.sizeBytes;
      if (isFull()) return;
    }
  }

  /** Returns the ring if it has as many GPUs as the node; otherwise a new one. */
  #fitting(ring: ResourceRing | undefined, state: NodeState | undefined): ResourceRing {
    const gpus = gpusOf(state).length;
    return ring?.gpus === gpus ? ring : new ResourceRing(gpus, this.#last);
  }

  // The last report counts while the node is alive, also of one that reports less often than samples are taken.
  #write(ring: ResourceRing, id: string, state: NodeState | undefined): void {
    const { health, report } = this.#options;
    const indexes = gpusOf(state).map(({ Index }) => Index);
    ring.write(this.#last, health(id) === 'HEALTHY' ? report(id) : undefined, indexes);
  }

  #viewOf(id: string, ring: ResourceRing, state: NodeState | undefined): NodeHistory {
    const last = this.#last;
    const first = Math.max(ring.since, last - ringLength + 1);
    const TimesMs = Array.from(
      { length: last - first + 1 },
      (_, index) => this.#timesMs[(first + index) % ringLength] ?? 0,
    );
    const read = (at: number) => ring.read(at, first, last);
    return {
      NodeID: id,
      Since: new Date(TimesMs[0] ?? 0).toISOString(),
      TimesMs,
      Used: {
        CPU: read(column.usedCpu),
        Memory: read(column.usedMemory),
        Disk: read(column.usedDisk),
      },
      Available: {
        CPU: read(column.freeCpu),
        Memory: read(column.freeMemory),
        Disk: read(column.freeDisk),
      },
      GPUs: gpusOf(state).map(({ Index, Name }, gpu) => ({
        Index,
        Name,
        Memory: read(gpuColumn(gpu)),
        Utilisation: read(gpuColumn(gpu) + 1),
      })),
    };
  }
}

const gpusOf = (state: NodeState | undefined) =>
  (state?.Info.ComputeNodeInfo.MaxCapacity.GPUs ?? []).slice(0, mostGpus);
