// Replaces the CA of a cluster while its nodes run. It tells the nodes which CAs are valid, and notes which nodes keep the
// next one. A later start of the requester uses that one.
import type { AuthoritiesView } from '../../protocol/http-authorities.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { StateFile } from '../../system/state-file.ts';
import type { Act } from '../events/requester-events.ts';
import type { RollObserver } from '../roll/roll-observer.ts';
import type { AuthorityPins, AuthorityStore, KnownRecords } from './authority-store.ts';
import { dueAuthority, type Rotation } from './rotation-file.ts';

export interface AuthorityRotationOptions {
  store: AuthorityStore;
  /** Whether nodes reach the broker by TLS. Otherwise only the API uses the CA, and waits for no node. */
  isForNodes: boolean;
  clock: Clock;
  log: Log;
  /** Called when something that the status shows has changed. */
  onChange?(): void;
}

/** Time after a node's confirmation until it is written, in milliseconds. Many confirmations are written once. */
const writeAfterMs = 1_000;
/** Number of nodes that a view names. */
const maxNamed = 1_000;

export class AuthorityRotation implements RollObserver {
  readonly #options: AuthorityRotationOptions;
  readonly #file: StateFile<Rotation | undefined>;
  readonly #limited: LimitedLog;
  #pins: AuthorityPins;
  /** The records of all nodes; undefined until the roll was read. */
  #records: KnownRecords | undefined;
  /** The nodes that keep the next CA, and the approved ones that do not. */
  #confirmed: Set<string>;
  readonly #missing = new Set<string>();
  #timer: Timer | undefined;
  #lastChange: Promise<void> = Promise.resolve();

  /** Reads the files. @throws MusterError `bad_state` */
  static async open(options: AuthorityRotationOptions): Promise<AuthorityRotation> {
    const { store } = options;
    const [pins, rotation] = await Promise.all([store.pins(), store.readRotation()]);
    return new AuthorityRotation(options, pins, rotation?.next === pins.next ? rotation : undefined);
  }

  private constructor(
    options: AuthorityRotationOptions,
    pins: AuthorityPins,
    rotation: Rotation | undefined,
  ) {
    this.#options = options;
    this.#pins = pins;
    this.#limited = limitedLog(options.log, options.clock);
    this.#confirmed = new Set(rotation?.confirmed);
    this.#file = new StateFile<Rotation | undefined>({
      initial: rotation,
      read: async () => rotation,
      write: value => options.store.writeRotation(value),
      onReadError: () => undefined,
      onWriteError: err => {
        this.#limited.warn(
          'rotation',
          { err },
          'which nodes trust the next CA could not be written; trying again',
        );
      },
    });
  }

  /** The pins of the CAs that nodes should trust, the present one first; none when nodes do not use this CA. */
  get valid(): readonly string[] {
    if (!this.#options.isForNodes) return [];
    const { present, next, former } = this.#pins;
    return [present, this.#next && next, former].filter(pin => pin !== undefined);
  }

  /** The pins for a new join code: the CAs that the broker shows now and next. */
  get forNewNodes(): readonly string[] {
    if (!this.#options.isForNodes) return [];
    const { present, next } = this.#pins;
    return [present, this.#next && next].filter(pin => pin !== undefined);
  }

  /** What the status says; undefined while no other CA is to follow. */
  get status(): { ready: boolean; missing: number } | undefined {
    return this.#file.value && { ready: this.#isDue, missing: this.#missing.size };
  }

  /** Begins to watch which nodes are approved. */
  start(records: KnownRecords): void {
    this.#records = records;
    this.#compare();
  }

  /** Writes what was not written yet. Never rejects. */
  async stop(): Promise<void> {
    await this.#write();
  }

  /** Notes which CAs a node keeps on its disk. `pins` is undefined when the node does not say it. */
  onKept(id: string, pins: readonly string[] | undefined): void {
    const next = this.#next;
    if (next === undefined) return;
    const keeps = pins?.includes(next) === true;
    if (keeps === this.#confirmed.has(id)) return;
    if (keeps) {
      this.#confirmed.add(id);
      this.#missing.delete(id);
    } else {
      this.#confirmed.delete(id);
      if (this.#mustConfirm(this.#records?.get(id))) this.#missing.add(id);
    }
    this.#writeSoon();
  }

  onRecord(id: string, state: NodeState): void {
    if (!this.#records || this.#next === undefined) return;
    const isMissing = this.#mustConfirm(state) && !this.#confirmed.has(id);
    if (isMissing === this.#missing.has(id)) return;
    if (isMissing) this.#missing.add(id);
    else this.#missing.delete(id);
    this.#writeSoon();
  }

  onRemoved(id: string): void {
    // Another machine may come back under this id.
    const [wasConfirmed, wasMissing] = [this.#confirmed.delete(id), this.#missing.delete(id)];
    if (wasConfirmed || wasMissing) this.#writeSoon();
  }

  /**
   * Makes the next CA, unless it is there, and begins to tell it to the nodes. With `isForced` the next start uses it,
   * whether all approved nodes keep it or not. @throws MusterError `conflict` while the former CA is still trusted;
   * `not_writable`
   */
  rotate(isForced: boolean, act: Act): Promise<void> {
    return this.#inTurn(() => this.#rotate(isForced, act));
  }

  async #rotate(isForced: boolean, act: Act): Promise<void> {
    const { store, clock, log } = this.#options;
    const { former } = this.#pins;
    if (!this.#next && former !== undefined) {
      throw new MusterError('conflict', `the nodes still trust the former CA, ${former}`, {
        hint: `when all of them are back, forget it first: muster broker forget-ca ${former}`,
      });
    }
    const before = this.#file.value;
    const next = await store.makeNext();
    this.#pins = await store.pins();
    const rotation = before ?? {
      next,
      by: act.actor,
      at: clock.now().toISOString(),
      confirmed: [],
      isReady: false,
    };
    await this.#file.set(isForced ? { ...rotation, forcedBy: act.actor } : rotation);
    if (this.#file.failure) throw this.#file.failure.error;
    const what = isForced
      ? 'a start of the requester will use the next CA, whoever trusts it'
      : 'the next CA was made';
    log.info({ pin: next, ...act }, what);
    this.#compare();
    await this.#write();
  }

  /** Takes the next or the former CA out of the set. @throws MusterError `not_found`; `conflict` for the present one */
  forget(pin: string, act: Act): Promise<void> {
    return this.#inTurn(() => this.#forget(pin, act));
  }

  async #forget(pin: string, act: Act): Promise<void> {
    const { store, log } = this.#options;
    const { present, former } = this.#pins;
    if (pin === present) {
      throw new MusterError('conflict', 'this is the CA of the broker, which cannot be forgotten', {
        hint: 'replace it first: muster broker rotate-ca',
      });
    }
    if (pin === this.#next) {
      await this.#file.set(undefined);
      if (this.#file.failure) throw this.#file.failure.error;
      await store.removeNext();
      this.#confirmed.clear();
      this.#missing.clear();
    } else if (pin === former) {
      await store.removeFormer();
    } else {
      throw new MusterError('not_found', `there is no CA with the pin ${pin}`, {
        hint: 'list them: muster broker ca',
      });
    }
    this.#pins = await store.pins();
    log.info({ pin, ...act }, 'the nodes are told that a CA is not valid any more');
    this.#options.onChange?.();
  }

  /** Returns what operators see. */
  view(): AuthoritiesView {
    const { present, former } = this.#pins;
    const next = this.#next;
    const forcedBy = this.#file.value?.forcedBy;
    return {
      Authorities: [
        ...(present === undefined ? [] : [{ Pin: present, Use: 'present' }]),
        ...(next === undefined ? [] : [{ Pin: next, Use: 'next' }]),
        ...(former === undefined ? [] : [{ Pin: former, Use: 'former' }]),
      ],
      Ready: this.#isDue,
      Missing: this.#missing.size,
      MissingNodes: [...this.#missing].sort().slice(0, maxNamed),
      ...(forcedBy === undefined ? {} : { ForcedBy: forcedBy }),
    };
  }

  get #next(): string | undefined {
    return this.#file.value?.next;
  }

  get #isDue(): boolean {
    return dueAuthority(this.#file.value) !== undefined;
  }

  // Two changes at the same time would mix their files.
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#lastChange.then(work);
    this.#lastChange = result.catch(() => undefined);
    return result;
  }

  /** Finds out which approved nodes do not keep the next CA. */
  #compare(): void {
    this.#missing.clear();
    if (this.#next === undefined || !this.#records) return;
    for (const state of this.#records.list()) {
      const id = state.Info.NodeID;
      if (this.#mustConfirm(state) && !this.#confirmed.has(id)) this.#missing.add(id);
    }
    this.#writeSoon();
  }

  /** Returns whether the next CA must wait for this node: an approved one that reaches its broker by TLS. */
  #mustConfirm(state: NodeState | undefined): boolean {
    const isApproved = state?.Info.NodeType === 'Compute' && state.Membership === 'APPROVED';
    return isApproved && this.#options.isForNodes;
  }

  #writeSoon(): void {
    this.#timer ??= this.#options.clock.after(writeAfterMs, () => void this.#write());
  }

  async #write(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const before = this.#file.value;
    if (!before || !this.#records) return;
    const isReady = this.#missing.size === 0;
    await this.#file.set({ ...before, confirmed: [...this.#confirmed], isReady });
    if (isReady === before.isReady) return;
    const [pin, missing] = [before.next, this.#missing.size];
    const text = isReady
      ? 'every approved node trusts the next CA; a restart of the requester uses it'
      : 'not every approved node trusts the next CA any more';
    this.#options.log.info({ pin, missing }, text);
    this.#options.onChange?.();
  }
}
