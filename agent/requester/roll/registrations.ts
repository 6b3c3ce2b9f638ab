// Registers the nodes that ask for it. A newcomer needs a place on the roll, and keeps it until its registration is written.
import type { RegisterRequest } from '../../protocol/messages.ts';
import type { Clock } from '../../system/clock.ts';
import type { Random } from '../../system/random.ts';
import { BrokerError } from '../../transport/port.ts';
import { Admission, type Place, type RollPolicy } from './admission.ts';
import { DoubtfulPlaces } from './doubtful-places.ts';
import {
  beingRenamed,
  giveWay,
  type JoinedBy,
  noRoom,
  otherSession,
  type RequestOutcome,
  register,
  tooOften,
} from './membership.ts';
import type { Records } from './record-table.ts';
import { type RecordWriter, UnwrittenError } from './record-writer.ts';
import { type StoredRecord, sessionOf } from './stored-record.ts';
import type { StoredUpdates } from './stored-updates.ts';
import type { WaitingList } from './waiting-list.ts';

export interface RegistrationsOptions {
  clock: Clock;
  random: Random;
  policy: RollPolicy;
  /** The PENDING nodes. The caller passes it as an observer too. */
  waiting: WaitingList;
  /** Returns the join code with which a node came in. */
  joinedBy?: ((id: string) => JoinedBy | undefined) | undefined;
  /** The id of the requester, which the event of a node that gives way names. */
  requesterId: string;
  /** Returns the key that is pinned to a node; undefined when there is none, or the broker checks no keys. */
  publicKeyOf(id: string): string | undefined;
  records: Records;
  writer: Pick<RecordWriter, 'change'>;
  updates: Pick<StoredUpdates, 'takeTurn' | 'untilTurnMs' | 'hold'>;
  /** Returns the time of a change of a node that is made now, RFC 3339. */
  changeTime(id: string): string;
}

/** What was decided about a registration, and of what. */
interface Decided {
  stored: StoredRecord;
  joined: JoinedBy | undefined;
  manualApproval: boolean;
  outcome: RequestOutcome;
}

export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #admission: Admission;
  readonly #doubtful: DoubtfulPlaces;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
    const { clock, records } = options;
    this.#admission = new Admission({ ...options, pending: () => records.pending });
    this.#doubtful = new DoubtfulPlaces({ clock, isOnRoll: id => this.#isOnRoll(id) });
  }

  /**
   * Registers a node and opens a session for it. A node on the roll that registers again too often is refused for now.
   * @throws BrokerError when the store does not answer.
   */
  async register(request: RegisterRequest): Promise<RequestOutcome & { session: string | undefined }> {
    const { clock, random, policy, records, writer, updates, joinedBy, publicKeyOf } = this.#options;
    const id = request.Info.NodeID;
    const session = request.Muster ? random.uuid() : undefined;
    const publicKey = publicKeyOf(id);
    const hasKey = publicKey !== undefined;
    let place: Place | undefined;
    let paid = false;
    let isTooOften = false;
    // It is asked twice, before the store is asked and when it is the node's turn, and nearly always about the same record.
    // A reload may have changed the policy between.
    let last: Decided | undefined;
    const decide = (stored: StoredRecord, joined: JoinedBy | undefined): RequestOutcome => {
      const { manualApproval } = policy;
      if (last?.stored === stored && last.joined === joined && last.manualApproval === manualApproval)
        return last.outcome;
      const facts = { now: clock.now().toISOString(), session: session ?? '', joinedBy: joined, publicKey };
      const outcome = register(stored, request, { ...policy, ...facts });
      last = { stored, joined, manualApproval, outcome };
      return outcome;
    };
    const rule = (stored: StoredRecord): RequestOutcome => {
      // The node got another key since the broker let this sender speak for it.
      if (publicKeyOf(id) !== publicKey) return otherSession(id);
      if (this.#isLeaving(stored)) return beingRenamed(id);
      const outcome = decide(stored, joinedBy?.(id));
      if (!outcome.write) return outcome;
      if (outcome.code === 'registered') {
        // How many nodes a join code approves is limited by its uses.
        if (policy.manualApproval && outcome.write.Membership === 'APPROVED') return outcome;
        place ??= this.#doubtful.take(id) ?? this.#admission.reserve(hasKey);
        return place ? outcome : noRoom(policy.manualApproval);
      }
      paid ||= updates.takeTurn(id);
      if (paid) return outcome;
      isTooOften = true;
      return this.#withoutWrite(stored, request, outcome);
    };
    let isTaken = false;
    try {
      // These refusals need no read of the store, so that a flood costs the store nothing.
      const early = rule(records.stored(id));
      if (early.code === 'full') {
        place = await this.#admission.reserveFromOthers(hasKey, other => this.#giveWay(other));
        if (!place) return { ...early, session: undefined };
      }
      const isLost = records.stored(id).kind === 'lost';
      if (isTooOften || isLost || early.code === 'not_compute') return { ...early, session: undefined };
      const outcome = await writer.change(id, rule, { mayBeNew: true });
      isTaken = outcome.code === 'registered';
      return { ...outcome, session: outcome.write && session };
    } catch (error) {
      if (place && mayStand(error)) {
        this.#doubtful.keep(id, place);
        place = undefined;
      }
      throw error;
    } finally {
      place?.release(isTaken);
    }
  }

  /** Ends the timers. */
  stop(): void {
    this.#doubtful.stop();
  }

  // The marker of a node is needed until the record under its new id stands without it.
  #isLeaving(stored: StoredRecord): boolean {
    const newer = stored.kind === 'renamed' ? this.#options.records.stored(stored.to) : stored;
    return stored.kind === 'renamed' && 'state' in newer && newer.state.Muster?.Arrival !== undefined;
  }

  // Answers a registration that is not stored, because the node registered too often. A Bacalhau node has no session that
  // would have to be stored, so it is answered as usual. Some of its versions never ask again after a refusal.
  #withoutWrite(
    stored: StoredRecord,
    { Info, Muster }: RegisterRequest,
    { accepted, code, reason }: RequestOutcome,
  ): RequestOutcome {
    const { updates } = this.#options;
    const id = Info.NodeID;
    if (Muster || sessionOf(stored) !== undefined) return tooOften(id, updates.untilTurnMs(id));
    if (accepted) updates.hold(Info);
    return { accepted, code, reason };
  }

  async #isOnRoll(id: string): Promise<boolean> {
    const { records, writer } = this.#options;
    await writer.change(id, () => ({}));
    return records.stored(id).kind === 'record';
  }

  // Removes a PENDING node from the roll. Returns false when it was heard or approved since it was chosen.
  async #giveWay(id: string): Promise<boolean> {
    const { waiting, requesterId, writer, changeTime } = this.#options;
    const outcome = await writer.change(id, stored =>
      waiting.isTaken(id) ? giveWay(stored, requesterId, changeTime(id)) : {},
    );
    return outcome.write !== undefined;
  }
}

/** Returns whether a write that failed may still be carried out. */
function mayStand(error: unknown): boolean {
  return error instanceof BrokerError && !(error instanceof UnwrittenError);
}
