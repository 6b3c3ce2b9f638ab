// Replaces the CA of a cluster while its nodes run. It tells the nodes which CAs are valid, and notes which nodes keep the
// next one. A later start of the requester uses that one.
import type { AuthoritiesView } from '../../protocol/http-authorities.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { StateFile } from '../../system/state-file.ts';
import type { Act, RequesterAnnouncer } from '../events/requester-events.ts';
import type { RollObserver } from '../roll/roll-observer.ts';
import { authoritiesView } from './authorities-view.ts';
import type { AuthorityPins, AuthorityStore, KnownRecords } from './authority-store.ts';
import { Confirmations } from './confirmations.ts';
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

/** Notes what an operator did with the CA of this pin. */
type NoteChange = (kind: 'ca_rotated' | 'ca_forgotten', pin: string, act: Act) => Promise<void>;

export class AuthorityRotation implements RollObserver {
  readonly #options: AuthorityRotationOptions;
  readonly #file: StateFile<Rotation | undefined>;
  readonly #limited: LimitedLog;
  readonly #nodes: Confirmations;
  #pins: AuthorityPins;
  #timer: Timer | undefined;
  #announcer: RequesterAnnouncer | undefined;
  #note: NoteChange | undefined;
  #onPinsChange: () => void = () => undefined;
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
    this.#nodes = new Confirmations(options.isForNodes, rotation?.confirmed ?? []);
    this.#file = new StateFile<Rotation | undefined>({
      initial: rotation,
      write: value => options.store.writeRotation(value),
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

  /** Returns the certificates in PEM of the CAs that the broker and the API show now and next. @throws MusterError `bad_state` */
  async certificates(): Promise<string> {
    const { present, next } = await this.#options.store.certificates();
    return [present, this.#next && next].filter(pem => pem !== undefined).join('');
  }

  /** What the status says; undefined while no other CA is to follow. */
  get status(): { ready: boolean; missing: number } | undefined {
    return this.#file.value && { ready: this.#isDue, missing: this.#nodes.missing.size };
  }

  /** Whether nodes have to confirm that they keep the next CA. */
  get isAwaited(): boolean {
    return this.#options.isForNodes && this.#next !== undefined;
  }

  /** Calls `onChange` from now on when other CAs are valid, or when `isAwaited` has changed. */
  follow(onChange: () => void): void {
    this.#onPinsChange = onChange;
  }

  /** Announces from now on what operators do with the CAs. */
  announceBy(announcer: RequesterAnnouncer): void {
    this.#announcer = announcer;
  }

  /** Notes from now on in the store what operators do with the CAs, so that they can ask for it. `note` never rejects. */
  noteBy(note: NoteChange): void {
    this.#note = note;
  }

  /** Begins to watch which nodes are approved. */
  start(records: KnownRecords): void {
    this.#nodes.start(records);
    this.#compare();
  }

  /** Writes what was not written yet. Never rejects. */
  async stop(): Promise<void> {
    await this.#write();
  }

  /**
   * Notes which CAs a node keeps on its disk. `pins` is undefined when the node does not say it. `arrival` is larger for a
   * request that came later, because requests may end in another order.
   */
  onKept(id: string, pins: readonly string[] | undefined, arrival: number): void {
    const next = this.#next;
    if (next === undefined) return;
    if (this.#nodes.set(id, pins?.includes(next) === true, arrival)) this.#writeSoon();
  }

  onRecord(id: string, state: NodeState): void {
    if (this.#next !== undefined && this.#nodes.onRecord(id, state)) this.#writeSoon();
  }

  onRemoved(id: string): void {
    if (this.#nodes.onRemoved(id)) this.#writeSoon();
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
    await this.#file.setOrThrow(isForced ? { ...rotation, forcedBy: act.actor } : rotation);
    const what = isForced
      ? 'a start of the requester will use the next CA, whoever trusts it'
      : 'the next CA was made';
    log.info({ pin: next, ...act }, what);
    this.#announcer?.announce('ca_rotated', { ...act, pin: next, forced: isForced });
    await this.#note?.('ca_rotated', next, act);
    this.#onPinsChange();
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
      await this.#file.setOrThrow(undefined);
      await store.removeNext();
      this.#nodes.clear();
    } else if (pin === former) {
      await store.removeFormer();
    } else {
      throw new MusterError('not_found', `there is no CA with the pin ${pin}`, {
        hint: 'list them: muster broker ca',
      });
    }
    this.#pins = await store.pins();
    log.info({ pin, ...act }, 'the nodes are told that a CA is not valid any more');
    this.#announcer?.announce('ca_forgotten', { ...act, pin });
    await this.#note?.('ca_forgotten', pin, act);
    this.#onPinsChange();
    this.#options.onChange?.();
  }

  /** Returns what operators see. */
  view(): Omit<AuthoritiesView, 'CA'> {
    return authoritiesView(this.#pins, this.#file.value, this.#nodes.missing, this.#options.isForNodes);
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

  #compare(): void {
    if (this.#next === undefined || !this.#nodes.isComplete) return;
    this.#nodes.compare();
    this.#writeSoon();
  }

  #writeSoon(): void {
    this.#timer ??= this.#options.clock.after(writeAfterMs, () => void this.#write());
  }

  async #write(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const before = this.#file.value;
    if (!before || !this.#nodes.isComplete) return;
    const { confirmed, missing } = this.#nodes;
    const isReady = missing.size === 0;
    await this.#file.set({ ...before, confirmed: [...confirmed], isReady });
    if (isReady === before.isReady) return;
    const text = isReady
      ? 'every approved node trusts the next CA; a restart of the requester uses it'
      : 'not every approved node trusts the next CA any more';
    this.#options.log.info({ pin: before.next, missing: missing.size }, text);
    this.#options.onChange?.();
  }
}
