// The pins say which key each node has. A key that is pinned speaks for its node alone, and no other key does.
import * as v from 'valibot';
import { fingerprint } from '../../protocol/nkey.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Bucket } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { RecordSet } from '../cluster/record-set.ts';
import type { LedgerMirror } from '../ledger/ledger.ts';
import type { LedgerEntry } from '../ledger/ledger-entries.ts';

const short = v.pipe(v.string(), v.maxLength(128));
/** Number of former keys of a node that are remembered, to tell their users what happened. */
const maxReplaced = 8;

/**
 * Time for which a key stays with an owner that has no pin yet, in milliseconds, and number of such keys that are remembered.
 */
const reservedMs = 30_000;
const maxReserved = 1_000;

const pinSchema = v.object({
  /** The node's public key, `N…`. */
  key: short,
  /** The id of the join code with which the key came; absent when an operator took the key by hand. */
  code: v.optional(short),
  /**
   * The id of the join code with which the node first came, when it came back or got another key since. The use of the code
   * stays counted, but the code gives the node nothing more.
   */
  formerCode: v.optional(short),
  /** The time when it was pinned, RFC 3339. */
  at: short,
  /** The last keys that the node had before, and when each was replaced (RFC 3339), the latest first. */
  replaced: v.optional(v.pipe(v.array(v.object({ key: short, at: short })), v.maxLength(maxReplaced))),
});
export type Pin = v.InferOutput<typeof pinSchema>;
const ownerSchema = v.object({ id: short });

export interface PinsOptions {
  /** Returns the monotonic time in milliseconds. It is needed for `addAmongOthers` only. */
  now?(): number;
  /** Keeps outside of the store which keys were replaced. */
  replaced?: LedgerMirror<LedgerEntry<'replaced'>> | undefined;
  /** Called after another requester gave a node another key, its first one, or none. */
  onOthersChange?: ((id: string, before: Pin | undefined, after: Pin | undefined) => void) | undefined;
}

export class Pins {
  /** The pin of each node. */
  readonly #pins: RecordSet<Pin>;
  /** The node of each key. It is written before the pin, so that no key ever has two nodes. */
  readonly #owners: RecordSet<v.InferOutput<typeof ownerSchema>>;
  readonly #uses = new Map<string, number>();

  readonly #replaced: LedgerMirror<LedgerEntry<'replaced'>> | undefined;

  /** The keys that were wanted while another node was their owner without a pin, and the monotonic time since then. */
  readonly #reserved = new Map<string, { owner: string; since: number }>();
  readonly #now: () => number;

  constructor(bucket: Bucket, log: Log, { replaced, onOthersChange, now = () => 0 }: PinsOptions = {}) {
    this.#replaced = replaced;
    this.#now = now;
    this.#pins = new RecordSet({
      bucket,
      prefix: 'pin.',
      schema: pinSchema,
      log,
      onChange: (before, after) => this.countUses(codeOf(before), codeOf(after)),
      onOthersChange: (id, before, after) => {
        if (before?.key === after?.key) return;
        void this.#followOthers(id, before, after);
        onOthersChange?.(id, before, after);
      },
    });
    this.#owners = new RecordSet({ bucket, prefix: 'key.', schema: ownerSchema, log });
  }

  /** The records in the store. */
  get sets() {
    return [this.#pins, this.#owners] as const;
  }

  get size(): number {
    return this.#pins.size;
  }

  /** Yields the ids of all nodes that have a pin. */
  *ids(): Generator<string> {
    for (const [id] of this.#pins.entries()) yield id;
  }

  of(id: string): Pin | undefined {
    return this.#pins.get(id);
  }

  /** Returns the node that a key is pinned to; undefined when it is pinned to none. */
  nodeOf(key: string): string | undefined {
    const id = this.#owners.get(key)?.id;
    // A crash may have left the first of the two writes alone.
    return id !== undefined && this.#pins.get(id)?.key === key ? id : undefined;
  }

  /** Reads the pin of a node again from the store, because another requester may have written it. @throws BrokerError */
  async refresh(id: string): Promise<void> {
    const pin = await this.#pins.read(id);
    if (pin) await this.#owners.read(pin.key);
  }

  /** Returns how many keys were pinned with a join code. */
  usesOf(code: string): number {
    return this.#uses.get(code) ?? 0;
  }

  /**
   * Pins a key to a node. The caller has made sure that neither has another. @throws BrokerError when the store does not
   * take it; MusterError `conflict` when one of them was pinned meanwhile, which counts from now on.
   */
  add(id: string, pin: Pin): Promise<void> {
    return this.#pin(id, pin, undefined);
  }

  /**
   * Pins a key to a newcomer as `add`, while other requesters do so too. `revision` is that of `revisionToAdd`. A key whose
   * owner was written a moment ago is left to that owner. @throws as `add`
   */
  async addAmongOthers(id: string, pin: Pin, revision: number): Promise<void> {
    const { key } = pin;
    const owner = this.#owners.get(key);
    await this.#replaced?.remove(key);
    if (owner && owner.id !== id) await this.#takeFrom(owner.id, key);
    // It is written also when it is the same, so that nobody else has taken the key since.
    await this.#owners.set(key, { id }, owner);
    await this.#pins.fenced.create(id, pin, revision).catch(async error => {
      // An earlier attempt whose answer was lost may have been carried out by now.
      if (!wasChanged(error) || (await this.#pins.read(id))?.key !== key) throw error;
    });
  }

  /** Returns the revision for `addAmongOthers`. @throws BrokerError; MusterError `conflict` when the node has a pin */
  revisionToAdd(id: string): Promise<number> {
    return this.#pins.fenced.revisionToCreate(id);
  }

  /** Makes a write of `addAmongOthers` fail that another requester may have under way. @throws as `revisionToAdd` */
  fenceOff(id: string): Promise<void> {
    return this.#pins.fenced.fenceOff(id);
  }

  /** Pins another key to a node in place of the one that it has, if it has one. @throws as `add` */
  async replace(id: string, pin: Pin): Promise<void> {
    const before = this.#pins.get(id);
    const ownedAt = before && this.#owners.fenced.revisionOf(before.key);
    await this.#pin(id, { ...pin, ...replacedBy(pin, before) }, before);
    if (!before || before.key === pin.key) return;
    await this.#replaced?.put(before.key, { node: id, by: pin.key, at: pin.at });
    await this.#free(before.key, id, ownedAt ?? 0);
  }

  async #pin(id: string, pin: Pin, before: Pin | undefined): Promise<void> {
    const owner = this.#owners.get(pin.key);
    await this.#replaced?.remove(pin.key);
    await this.#owners.set(pin.key, { id }, owner);
    await this.#pins.set(id, pin, before);
  }

  /**
   * Gives the pin of a node to its new id, and takes it from the former one. Each of the writes may be there already, from an
   * earlier attempt or another requester. @throws as `add`
   */
  async move(from: string, to: string): Promise<void> {
    const pin = this.#pins.get(from);
    if (!pin) return;
    const { key, at, replaced } = pin;
    const newer = this.#pins.get(to);
    const formerCode = codeOf(pin);
    if (newer?.key !== key || this.#owners.get(key)?.id !== to) {
      const moved = { key, ...(formerCode ? { formerCode } : {}), at, ...(replaced ? { replaced } : {}) };
      await this.#pin(to, newer?.key === key ? newer : moved, newer);
      if (newer && newer.key !== key)
        await this.#free(newer.key, to, this.#owners.fenced.revisionOf(newer.key));
    }
    await this.#pins.delete(from);
  }

  /**
   * Writes the owner of a pinned key again when the store has none: an earlier version could take it away from a node that came
   * back while another requester still followed its deletion. @throws as `add`
   */
  async complete(id: string): Promise<void> {
    const key = this.#pins.get(id)?.key;
    if (key !== undefined && !this.#owners.get(key)) await this.#owners.set(key, { id }, undefined);
  }

  /** Removes the pin of a node. @throws BrokerError; MusterError `conflict` when it was changed meanwhile */
  async remove(id: string): Promise<void> {
    const pin = this.#pins.get(id);
    if (!pin) return;
    const ownedAt = this.#owners.fenced.revisionOf(pin.key);
    await this.#pins.delete(id);
    await this.#free(pin.key, id, ownedAt);
  }

  // Another requester may be about to pin the key to its owner. After a while it has given up, and a late write of it fails.
  async #takeFrom(owner: string, key: string): Promise<void> {
    const now = this.#now();
    const since = this.#reserved.get(key)?.owner === owner ? (this.#reserved.get(key)?.since ?? now) : now;
    this.#reserved.delete(key);
    this.#reserved.set(key, { owner, since });
    const [oldest] = this.#reserved.size > maxReserved ? this.#reserved.keys() : [];
    if (oldest !== undefined) this.#reserved.delete(oldest);
    if (now - since < reservedMs) throw keyIsTaken(key, owner);
    if (this.#pins.get(owner) === undefined) await this.#pins.fenced.fenceOff(owner);
    else if (this.#pins.get(owner)?.key === key) throw keyIsTaken(key, owner);
    this.#reserved.delete(key);
  }

  // Keeps in the ledger what another requester did. A key that is gone with its node was not replaced.
  async #followOthers(id: string, before: Pin | undefined, after: Pin | undefined): Promise<void> {
    if (!after) return;
    await this.#replaced?.remove(after.key);
    if (before) await this.#replaced?.put(before.key, { node: id, by: after.key, at: after.at });
  }

  // Another requester may have pinned the key again since, to this node or to another. Then the owner has a later revision than
  // it had before the pin was removed, and stays.
  async #free(key: string, id: string, ownedAt: number): Promise<void> {
    if (this.#owners.get(key)?.id !== id) return;
    await this.#owners.fenced.deleteAt(key, ownedAt).catch(error => {
      if (!wasChanged(error)) throw error;
    });
  }

  /** Writes all pins again, because the store was lost. @throws BrokerError */
  async restore(): Promise<void> {
    await this.#owners.restore();
    await this.#pins.restore();
  }

  /** Counts a use of the join code `after` in place of one of `before`. Each may be undefined. */
  countUses(before: string | undefined, after: string | undefined): void {
    if (before !== undefined) {
      const uses = this.usesOf(before) - 1;
      if (uses === 0) this.#uses.delete(before);
      else this.#uses.set(before, uses);
    }
    if (after !== undefined) this.#uses.set(after, this.usesOf(after) + 1);
  }
}

const keyIsTaken = (key: string, id: string): MusterError =>
  new MusterError('conflict', `the key ${fingerprint(key)} was given to ${id} meanwhile`);

/** Returns the former keys of a node that gets another one. */
function replacedBy({ key, at }: Pin, before: Pin | undefined): Pick<Pin, 'replaced'> {
  if (!before) return {};
  const earlier = (before.replaced ?? []).filter(each => each.key !== key);
  const list = before.key === key ? earlier : [{ key: before.key, at }, ...earlier];
  return { replaced: list.slice(0, maxReplaced) };
}

/** Returns the join code with which the node first came. */
const codeOf = (pin: Pin | undefined): string | undefined => pin?.code ?? pin?.formerCode;
