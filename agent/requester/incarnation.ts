// The incarnation tells one life of the node info store from the next. When the store was lost, its revisions begin anew, so
// a revision alone does not say which write is meant.
import * as v from 'valibot';
import { parseJson } from '../protocol/json.ts';
import { validate } from '../protocol/schema.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import { type Bucket, type BucketEntry, isRevisionConflict } from '../transport/port.ts';
import { encode } from './cluster/cluster-bucket.ts';
import type { StoreLife } from './roll/store-life.ts';

const storeKey = 'store';
const storeSchema = v.object({
  incarnation: v.pipe(v.string(), v.regex(/^[a-z0-9]{1,16}$/)),
  /** The time of creation of the node info store, as the broker writes it; empty in a cluster. */
  created: v.pipe(v.string(), v.maxLength(64)),
});

export interface IncarnationOptions {
  /** The bucket that holds the incarnation. */
  cluster: Bucket;
  /** The node info store. */
  nodes: Bucket;
  random: Random;
  log: Log;
}

export class Incarnation implements StoreLife {
  readonly #options: IncarnationOptions;
  #current: string | undefined;
  #finding: Promise<string> | undefined;
  /** Number of times that there was a doubt. A doubt that comes while the store is read has it read again. */
  #doubts = 0;
  #wasLost = false;
  #newestRevision = 0;

  private constructor(options: IncarnationOptions) {
    this.#options = options;
  }

  /**
   * Finds the incarnation at the start. `newestAnnounced` returns the newest revision of an incarnation that an event
   * names; 0 when there is none. @throws BrokerError
   */
  static async open(
    options: IncarnationOptions,
    newestAnnounced: (incarnation: string) => number,
  ): Promise<Incarnation> {
    const incarnation = new Incarnation(options);
    incarnation.#current = await incarnation.#readOrMake(newestAnnounced);
    return incarnation;
  }

  /**
   * Returns the incarnation of the store for a write. After a doubt it reads the state of the store, and makes a new
   * incarnation for a store that was created again or has fewer revisions than it had. @throws BrokerError
   */
  async find(): Promise<string> {
    if (this.#current) return this.#current;
    this.#finding ??= this.#readUntilSure().finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  /** Notes that the store may have begun anew, or that it certainly has. */
  doubt({ lost }: { lost: boolean }): void {
    this.#doubts++;
    this.#wasLost ||= lost;
    this.#current = undefined;
  }

  /** Notes a revision of the store. */
  onRevision(revision: number): void {
    if (revision > this.#newestRevision) this.#newestRevision = revision;
  }

  async #readUntilSure(): Promise<string> {
    for (;;) {
      const doubts = this.#doubts;
      const found = await this.#readOrMake();
      if (doubts !== this.#doubts) continue;
      this.#current = found;
      return found;
    }
  }

  async #readOrMake(newestAnnounced?: (incarnation: string) => number): Promise<string> {
    const { cluster, nodes, random, log } = this.#options;
    for (;;) {
      // What another requester writes while the state is on its way is newer than that state.
      const newestBefore = this.#newestRevision;
      const { created, lastRevision } = await nodes.state();
      const entry = await cluster.get(storeKey);
      const known = readStore(entry, log);
      const announced = known ? (newestAnnounced?.(known.incarnation) ?? 0) : 0;
      const isWhole = lastRevision >= Math.max(newestBefore, announced) && !this.#wasLost;
      if (known && isSameLife(known.created, created) && isWhole) {
        this.onRevision(announced);
        return known.incarnation;
      }
      const incarnation = makeIncarnation(random);
      try {
        await cluster.put(storeKey, encode({ incarnation, created }), entry?.revision ?? 0);
      } catch (error) {
        if (isRevisionConflict(error)) continue;
        throw error;
      }
      this.#wasLost = false;
      this.#newestRevision = lastRevision;
      const text =
        'the node info store was lost or is older than its events; their ids name a new incarnation';
      if (known) log.info({ incarnation, before: known.incarnation }, text);
      return incarnation;
    }
  }
}

/**
 * Makes the next start of a requester begin a new incarnation, because this store is a copy: what was written after the copy
 * was made had revisions that are given again. @throws BrokerError
 */
export async function forgetIncarnation(cluster: Bucket): Promise<void> {
  const entry = await cluster.get(storeKey);
  if (entry && !entry.marker) await cluster.purge(storeKey, entry.revision, {});
}

// A cluster names no time of creation, and makes no new store by itself.
const isSameLife = (known: string, now: string): boolean => known === now || known === '' || now === '';

// Returns 12 random characters. The last part of a UUID is random in all its bits.
const makeIncarnation = (random: Random): string => random.uuid().replaceAll('-', '').slice(-12);

function readStore(entry: BucketEntry | undefined, log: Log): v.InferOutput<typeof storeSchema> | undefined {
  if (!entry || entry.marker) return undefined;
  try {
    return validate(storeSchema, parseJson(entry.value));
  } catch (error) {
    log.warn({ err: error }, 'the incarnation of the store cannot be read; a new one is made');
    return undefined;
  }
}
