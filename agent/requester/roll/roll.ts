// The roll of the cluster: all changes of its records, for nodes that ask and for operators who decide.
import type { RegisterRequest } from '../../protocol/messages.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { BrokerError } from '../../transport/port.ts';
import { endCordon, endDrain } from './cordon-rules.ts';
import type { OnLoaded } from './current-records.ts';
import { decidedBefore } from './decided-before.ts';
import { comparing, type Decision, type DecisionRule, isRepeated, notLost } from './decisions.ts';
import { ExpiredMarkers } from './expired-markers.ts';
import { notComparedYet, type RequestOutcome, unknownNode } from './membership.ts';
import { ownRecord } from './own-record.ts';
import { type ControlPlane, rebuiltRecord } from './rebuilt-record.ts';
import type { RecordChange } from './record-change.ts';
import type { Records } from './record-table.ts';
import { RecordWriter } from './record-writer.ts';
import { Registrations, type RegistrationsOptions } from './registrations.ts';
import { isNodeKey } from './store.ts';
import { StoreFollower, type StoreFollowerOptions } from './store-follower.ts';
import type { AnnouncedMembership, StoredRecord } from './stored-record.ts';
import { StoredUpdates } from './stored-updates.ts';
import { timeAfter } from './time-after.ts';
import { wholeTombstone } from './tombstones.ts';

export interface RollOptions
  extends Omit<StoreFollowerOptions, 'onApplied'>,
    Omit<RegistrationsOptions, 'records' | 'writer' | 'updates' | 'changeTime'> {
  /** Whether this requester watches over the roll. */
  watches(): boolean;
  /** Whether another requester may have written what this one has not heard of yet. */
  hasPeers(): boolean;
  /** Returns when a node was last heard, in milliseconds since 1970; undefined when it never was. */
  lastSeenAt?: ((id: string) => number | undefined) | undefined;
  /** Returns what the events tell of a node's labels and of its cordon. @throws BrokerError */
  readControlPlane?: ((id: string) => Promise<ControlPlane>) | undefined;
  /** Returns when a key was pinned to a node, RFC 3339; undefined when none is. */
  pinnedAt?: ((id: string) => string | undefined) | undefined;
}

export class Roll {
  readonly #options: RollOptions;
  readonly #follower: StoreFollower;
  readonly #writer: RecordWriter;
  readonly #updates: StoredUpdates;
  readonly #registrations: Registrations;
  readonly #markers: ExpiredMarkers;

  constructor(options: RollOptions) {
    this.#options = options;
    const { clock } = options;
    this.#follower = new StoreFollower({ ...options, onApplied: this.#onApplied.bind(this) });
    const known = (id: string) => ({
      publicKey: options.publicKeyOf(id),
      lastSeenAt: options.lastSeenAt?.(id),
    });
    this.#writer = new RecordWriter({ ...options, follower: this.#follower, known });
    const shared = { ...options, records: this.records, writer: this.#writer };
    this.#updates = new StoredUpdates(shared);
    const changeTime = this.#timeAfterPin.bind(this);
    this.#registrations = new Registrations({ ...shared, updates: this.#updates, changeTime });
    const remove = (id: string, revision: number) => this.#writer.removeMarker(id, revision);
    this.#markers = new ExpiredMarkers({ clock, remove, watches: options.watches });
  }

  /** The records of all nodes, as the store has them. */
  get records(): Records {
    return this.#follower.records;
  }

  /** The nodes whose records the store lost, with what was announced of each. */
  get lost(): ReadonlyMap<string, AnnouncedMembership> {
    return this.#follower.lost;
  }

  /** Number of keys of the store that are known: records, deletion markers and keys of other programs. */
  get knownKeys(): number {
    return this.#follower.knownKeys;
  }

  /** Reads the store and then follows it. @throws BrokerError */
  async load(onLoaded: OnLoaded): Promise<void> {
    await this.#follower.load(onLoaded);
  }

  /** Reads the store again from its beginning, because it seems to have lost records. */
  readAgain(): void {
    this.#follower.readAgain();
  }

  /** Ends the watch of the store, and the timers. */
  stop(): void {
    this.#follower.stop();
    this.#updates.stop();
    this.#registrations.stop();
    this.#markers.stop();
  }

  /**
   * Reads the record of a node from the store, if another requester may have written it. Call it before a refusal that such
   * a write would make wrong. @throws BrokerError when the store does not answer
   */
  async refresh(id: string): Promise<void> {
    if (this.#options.hasPeers()) await this.#writer.change(id, () => ({}));
  }

  /** Refuses a node that is not on the roll. */
  refuseUnknown(id: string): RequestOutcome {
    // While the store is compared with the events, nobody knows whether the node has to register.
    return this.#follower.isComparing ? notComparedYet : unknownNode(this.records.stored(id), id);
  }

  /** Stores the information that was accepted and still waits for its turn. Never rejects. */
  storeHeld(): Promise<void> {
    return this.#updates.storeHeld();
  }

  /**
   * Registers a node and opens a session for it. A node on the roll that registers again too often is refused for now.
   * @throws BrokerError when the store does not answer.
   */
  register(request: RegisterRequest): Promise<RequestOutcome & { session: string | undefined }> {
    return this.#registrations.register(request);
  }

  /**
   * Applies node information that was sent under the session of the node's record. The store is asked only when the
   * information is new. Information that changes too often is accepted and stored later. @throws BrokerError when the
   * store does not answer.
   */
  updateInfo(info: NodeInfo): Promise<RequestOutcome> {
    return this.#updates.apply(info);
  }

  /**
   * Accepts information that is what the record of a node has already. Returns false, and does nothing, while something of the
   * node is being written: use `updateInfo` then.
   */
  acceptKnown(id: string): boolean {
    return this.#updates.acceptKnown(id);
  }

  /**
   * Carries out an operator's decision and returns the id of the node that `name` means. An exact decision takes a whole id.
   * What the same operation has decided before is not decided again, also when another decision has come since.
   * @throws MusterError as `resolve`, `resolveExact` and the rule, and `unreachable` while the store is compared with its
   * events; BrokerError when the store does not answer.
   */
  async decide(name: string, decision: Decision, rule: DecisionRule): Promise<string> {
    if (this.#follower.isComparing) await this.compared();
    if (isNodeKey(name) && !this.records.get(name)) await this.refresh(name);
    const id = decidedBefore(this.records, name, decision) ?? this.#resolve(name, decision);
    await this.#writer.change(id, stored => rule(stored, name, decision, this.#timeAfterPin(id)));
    return id;
  }

  /**
   * Brings back a node that is gone, by `rule`, and returns its id, which `name` is. @throws MusterError the rule's, and
   * `unreachable` as `decide`; BrokerError when the store does not answer.
   */
  async undelete(name: string, decision: Decision, rule: DecisionRule): Promise<string> {
    if (this.#follower.isComparing) await this.compared();
    await this.#writer.change(name, stored => rule(stored, name, decision, this.#timeAfterPin(name)));
    return name;
  }

  /**
   * Returns whether the operation of a decision has decided this about the node before, here or at another requester. @throws
   * MusterError as `isRepeated`; BrokerError when the store does not answer.
   */
  async hasDecided(name: string, decision: Decision, kind: RecordedChange['Kind']): Promise<boolean> {
    if (!isNodeKey(name)) return false;
    await this.refresh(name);
    const id = decidedBefore(this.records, name, decision);
    return id !== undefined && isRepeated(this.records.stored(id), id, decision, kind);
  }

  /** Ends the cordon of a node that ends at `until`, unless an operator changed that since. @throws BrokerError */
  async endCordon(id: string, until: string): Promise<void> {
    const { requesterId } = this.#options;
    await this.#writer.change(id, stored => endCordon(stored, until, requesterId, this.#now()));
  }

  /**
   * Ends the drain of a node that began at `drainAt`, because the node runs nothing any more. Returns false when it was over.
   * @throws BrokerError
   */
  async endDrain(id: string, drainAt: string): Promise<boolean> {
    const { write } = await this.#writer.change(id, stored => endDrain(stored, drainAt, this.#now()));
    return write !== undefined;
  }

  /**
   * Writes the record of a lost node again, as it was announced, with its labels and its cordon. No event tells of it, because nothing changed for those
   * who listen. @throws MusterError `not_found` when the record is not lost; BrokerError when the store does not answer.
   */
  async rebuild(id: string, operation?: string): Promise<void> {
    const given = this.lost.has(id) ? await this.#options.readControlPlane?.(id) : undefined;
    await this.#writer.change(id, () => {
      const announced = this.lost.get(id);
      if (!announced) throw notLost(id);
      return {
        write: rebuiltRecord(id, announced, given),
        ...(operation ? { remembered: { kind: 'rebuilt', operation, isBan: false } } : {}),
      };
    });
  }

  /**
   * Waits until memory has everything that the store accepted before this call, at whatever requester. It writes the record
   * `id` of this requester again as it is, because only a write that is acknowledged proves that nothing older is on the
   * way. @throws BrokerError when the store does not answer or has no quorum.
   */
  async catchUp(id: string): Promise<void> {
    await this.#writer.change(id, stored => {
      if (stored.kind === 'record') return { write: stored.state };
      throw new BrokerError('refused', `the store has no record of ${id} that could be written again`);
    });
    await this.#follower.watched(this.records.stored(id).revision);
  }

  /**
   * Shortens the tombstone of a node that is gone, so that the store does not fill up. No event tells of it. Nothing happens
   * before the event of its end is acknowledged. @throws BrokerError
   */
  async shortenTombstone(id: string): Promise<void> {
    await this.#writer.change(id, stored =>
      wholeTombstone(stored) && this.untold(id).length === 0 ? { write: 'shortened' } : {},
    );
  }

  /** Returns the changes of a node whose events are not acknowledged yet. */
  untold(id: string): RecordedChange[] {
    return this.#options.announcer.unacknowledgedChanges(id);
  }

  /** Puts the requester itself on the roll. */
  async registerSelf(info: NodeInfo): Promise<void> {
    await this.#writer.change(info.NodeID, stored => ownRecord(stored, info, this.#now()) ?? {});
  }

  /**
   * Changes one record by `rule`, as a part of a change of several. @throws BrokerError when the store does not answer; any error
   * of the rule.
   */
  change<T extends RecordChange>(id: string, rule: (stored: StoredRecord) => T): Promise<T> {
    return this.#writer.change(id, rule);
  }

  /** Returns the time of a decision about a node that is made now, RFC 3339. */
  decisionTime(id: string): string {
    return this.#timeAfterPin(id);
  }

  /**
   * Waits until the store was compared with its events: during that, a lost node looks as if it had never been there. @throws
   * MusterError `unreachable` when it takes too long.
   */
  async compared(): Promise<void> {
    await this.#follower.compared().catch(error => {
      throw comparing(error);
    });
  }

  #resolve(name: string, { isExact }: Decision): string {
    return isExact ? this.records.resolveExact(name) : this.records.resolve(name);
  }

  // Drops what is held of a node that registered again or left the roll, and plans the removal of a marker.
  #onApplied(id: string, stored: StoredRecord, before: NodeState | undefined): void {
    const registeredAt = stored.kind === 'record' ? stored.state.Muster?.RegisteredAt : undefined;
    if (stored.kind !== 'record' || registeredAt !== before?.Muster?.RegisteredAt) this.#updates.drop(id);
    if (stored.kind === 'absent') this.#markers.add(id, stored.revision);
  }

  // The pin of a node is removed with the node when it is not younger than that.
  #timeAfterPin(id: string): string {
    return timeAfter(this.#options.clock.now(), this.#options.pinnedAt?.(id));
  }

  #now(): string {
    return this.#options.clock.now().toISOString();
  }
}
