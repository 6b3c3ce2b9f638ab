// Keeps in the store when each node was last heard, so that a restart does not forget it. It is for people to read: only
// what is heard since the start decides about health.
import { nodeIdPattern } from '../../protocol/schema.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { inGroups } from '../../system/in-groups.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { Rounds } from '../../system/rounds.ts';
import { BrokerError, type Bucket, type BucketEntry, isRevisionConflict } from '../../transport/port.ts';
import type { Liveness } from './liveness.ts';

/**
 * Number of keys that the nodes are spread over. A node that falls silent costs the write of one of them: 40 KB in a
 * cluster of a hundred thousand nodes.
 */
const keyCount = 128;
const keyPrefix = 'seen.';
/** Size of the largest value that is read, in bytes. */
const maxValueBytes = 1024 * 1024;
/** Number of writes at the same time. */
const atOnce = 16;
/** Time that changes wait for others before they are written, and longest time between two writes, in milliseconds. */
const delayMs = 5_000;
const longestMs = 3_600_000;

export interface LastSeenStoreOptions {
  bucket: Bucket;
  clock: Clock;
  log: Log;
  /** Returns all nodes on the roll. */
  nodes(): Iterable<Pick<Liveness, 'id' | 'lastSeenAt'>>;
  /** Returns the time when a node on the roll was last heard; undefined when it never was. */
  lastSeenAt(id: string): number | undefined;
}

/** What the store held at the start: the time of each node, in milliseconds since 1970, and the revision of each key. */
export interface StoredLastSeen {
  times: ReadonlyMap<string, number>;
  revisions: Map<number, number>;
}

/** Reads all times from the store. What cannot be read is logged and left out. @throws BrokerError */
export async function readLastSeen(bucket: Bucket, log: Log): Promise<StoredLastSeen> {
  const times = new Map<string, number>();
  const revisions = new Map<number, number>();
  const onEntry = (entry: BucketEntry) => {
    const key = Number(/^seen\.(\d{1,3})$/.exec(entry.key)?.[1] ?? keyCount);
    if (key >= keyCount) return;
    revisions.set(key, entry.revision);
    if (entry.marker) return;
    const read = parseTimes(entry.value);
    if (!read) log.warn({ key: entry.key }, 'the times at which nodes were last heard cannot be read');
    for (const id in read) {
      const seconds = read[id];
      if (nodeIdPattern.test(id) && isTime(seconds)) times.set(id, seconds * 1000);
    }
  };
  const watch = await bucket.watch(onEntry, { prefixes: [keyPrefix] });
  try {
    await watch.ready;
  } finally {
    watch.stop();
  }
  return { times, revisions };
}

/**
 * Writes the times a few seconds after a node fell silent or was removed, all of them every hour, and when the requester
 * stops.
 */
export class LastSeenStore {
  readonly #options: LastSeenStoreOptions;
  readonly #limitedLog: LimitedLog;
  readonly #revisions: Map<number, number>;
  readonly #changed = new Set<number>();
  readonly #writes: Rounds;
  readonly #hourly: Rounds;

  /** `revisions` are those that were read at the start. */
  constructor(options: LastSeenStoreOptions, revisions: Map<number, number>) {
    this.#options = options;
    this.#revisions = revisions;
    const { clock, log } = options;
    this.#limitedLog = limitedLog(log, clock);
    this.#writes = new Rounds({
      clock,
      pauseMs: delayMs,
      isNeeded: () => this.#changed.size > 0,
      work: () => this.#write(),
    });
    this.#hourly = new Rounds({ clock, pauseMs: longestMs, work: () => this.markAllChanged() });
    this.#writes.start();
  }

  /** Begins to write, when this requester begins to watch. */
  start(): void {
    this.#writes.start();
    this.#hourly.start();
  }

  /** Writes nothing until the next start, because another requester watches and writes the times. */
  pause(): void {
    this.#changed.clear();
    this.stop();
  }

  /** Forgets a node that is being removed from the roll. */
  onRemoved(id: string): void {
    if (this.#options.lastSeenAt(id) !== undefined) this.markChanged(id);
  }

  /** Writes the time of a node soon, because the node fell silent or was removed. */
  markChanged(id: string): void {
    this.#changed.add(keyOf(id));
    this.#writes.plan();
  }

  /** Writes all times soon, because an hour has passed or the store was lost. */
  markAllChanged(): void {
    for (const key of this.#groups(() => true).keys()) this.#changed.add(key);
    this.#writes.plan();
  }

  /** Ends the timers. What changed is written only by `writeAll` then. */
  stop(): void {
    this.#writes.stop();
    this.#hourly.stop();
  }

  /** Writes all times. It never rejects: what cannot be written is logged. */
  async writeAll(): Promise<void> {
    await this.#writes.running;
    for (const key of this.#groups(() => true).keys()) this.#changed.add(key);
    await this.#write();
  }

  async #write(): Promise<void> {
    const changed = [...this.#changed];
    const groups = this.#groups(key => this.#changed.has(key));
    this.#changed.clear();
    await inGroups(changed, atOnce, key => this.#writeKey(key, groups.get(key) ?? {}));
  }

  async #writeKey(key: number, times: Record<string, number>): Promise<void> {
    const { bucket } = this.#options;
    const name = `${keyPrefix}${key}`;
    const value = Buffer.from(JSON.stringify(times));
    try {
      try {
        this.#revisions.set(key, await bucket.put(name, value, this.#revisions.get(key) ?? 0));
      } catch (error) {
        if (!isRevisionConflict(error)) throw error;
        // The store was lost, or the answer to an earlier write.
        const newest = await bucket.get(name);
        this.#revisions.set(key, await bucket.put(name, value, newest?.revision ?? 0));
      }
    } catch (error) {
      // Another requester took over. It writes the times from now on.
      if (error instanceof MusterError) return;
      if (!(error instanceof BrokerError)) throw error;
      this.#changed.add(key);
      const text = 'the times at which nodes were last heard cannot be stored; trying again';
      this.#limitedLog.warn('last seen', { err: error }, text);
    }
  }

  // Returns the times of the nodes that were heard, in seconds since 1970, for each key that `isWanted` accepts.
  #groups(isWanted: (key: number) => boolean): Map<number, Record<string, number>> {
    const groups = new Map<number, Record<string, number>>();
    for (const { id, lastSeenAt } of this.#options.nodes()) {
      if (lastSeenAt === undefined) continue;
      const key = keyOf(id);
      if (!isWanted(key)) continue;
      const group = groups.get(key) ?? {};
      groups.set(key, group);
      group[id] = Math.floor(lastSeenAt / 1000);
    }
    return groups;
  }
}

/** Returns the number of the key that holds a node's time: its FNV-1a hash. */
function keyOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % keyCount;
}

function parseTimes(value: Uint8Array): Record<string, unknown> | undefined {
  if (value.length > maxValueBytes) return undefined;
  const text = Buffer.from(value).toString();
  // See checkStructure in protocol/json.ts for the reason why no backslash is read. An id has none.
  if (text.includes('\\')) return undefined;
  try {
    const times: unknown = JSON.parse(text);
    return typeof times === 'object' && times !== null && !Array.isArray(times)
      ? (times as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Returns whether a value is a time in seconds since 1970 that a date can hold. */
const isTime = (seconds: unknown): seconds is number =>
  typeof seconds === 'number' && Number.isSafeInteger(seconds) && seconds > 0 && seconds < 8.64e12;
