// Builds the parts that decide who is let in to the broker, and connects them to each other. It runs once at the start.

import type { AccountKeys } from '../../protocol/account-keys.ts';
import type { CalloutAnswer, CalloutQuestion } from '../../protocol/callout.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { SubjectTemplates } from '../../protocol/subject-template.ts';
import type { RetryOptions } from '../cluster/retry.ts';
import type { JoinedBy } from '../roll/membership.ts';
import type { Roll } from '../roll/roll.ts';
import type { RollObserver } from '../roll/roll-observer.ts';
import { isTaken, keyOf } from '../roll/stored-record.ts';
import type { Counters } from '../status/counters.ts';
import { mayAnswer } from './answer-rules.ts';
import { applyLedger, followStore } from './apply-ledger.ts';
import type { Bans } from './bans.ts';
import type { Callout } from './callout.ts';
import { EnrolmentRecords, type EnrolmentRecordsOptions } from './enrolment-records.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { Grants } from './grants.ts';
import type { JoinCodes } from './join-codes.ts';
import { KeyConflicts, type KeyConflictsOptions } from './key-conflicts.ts';
import { KeyDecisions } from './key-decisions.ts';
import { type FollowedRecords, KeyFollower } from './key-follower.ts';
import { LiveConnections } from './live-connections.ts';
import { pinNewcomer } from './pin-newcomer.ts';
import type { Pin, Pins } from './pins.ts';
import { RefusalExchange } from './refusal-exchange.ts';
import { answerWhy, RefusalLog } from './refusals.ts';
import { disputedRefusal, findRenamed } from './renamed-nodes.ts';
import { admitByToken, type ClientTokens } from './token-clients.ts';
import { Turns } from './turns.ts';
import { endUnansweredClients } from './unanswered-clients.ts';

export interface EnrolmentOptions
  extends EnrolmentRecordsOptions,
    Omit<RetryOptions, 'failureText' | 'onFailure'> {
  /** Receives the broker's questions. */
  callout: Pick<Callout, 'begin' | 'pause'>;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
  requesterId: string;
  heartbeatTopic: string;
  /** The tokens of clients without a key. */
  tokens: ClientTokens;
  /** The subjects that are opened for approved nodes. */
  approved: SubjectTemplates;
  /** Decides about a client that shows the token of a listener; returns undefined for any other. */
  admitListener(question: CalloutQuestion): Promise<CalloutAnswer | undefined>;
  counters: Counters;
  clusterId: string;
  /** Returns whether other requesters act on the same store. */
  hasPeers(): boolean;
}

/** What the enrolment asks the roll. */
export interface EnrolmentRoll extends FollowedRecords {
  get(id: string): NodeState | undefined;
}

export class Enrolment {
  readonly pins: Pins;
  readonly bans: Bans;
  readonly joinCodes: JoinCodes;
  readonly live: LiveConnections;
  /** Makes the pins follow the roll. */
  readonly follower: KeyFollower;
  /** What operators decide about keys. */
  readonly decisions: KeyDecisions;
  readonly #options: EnrolmentOptions;
  readonly #records: EnrolmentRecords;
  readonly #grants: Grants;
  readonly #turns = new Turns();
  readonly #refusals: RefusalLog;
  readonly #exchange: RefusalExchange;
  #conflicts: KeyConflicts | undefined;

  constructor(options: EnrolmentOptions) {
    const { log, clock } = options;
    const records = new EnrolmentRecords({
      ...options,
      onOthersPin: (...change) => void this.#onOthersPin(...change),
      onOthersBan: key => void this.live.end(key),
    });
    const { pins, bans, deleted, expired, joinCodes } = records;
    this.#options = options;
    this.#records = records;
    this.pins = pins;
    this.bans = bans;
    this.joinCodes = joinCodes;
    this.live = new LiveConnections(options);
    this.#grants = new Grants({ ...options, pins, live: this.live });
    this.#exchange = new RefusalExchange(options);
    this.#refusals = new RefusalLog(clock, refused => {
      this.#conflicts?.onRefused(refused);
      this.#exchange.tell(refused);
    });
    this.follower = new KeyFollower({
      ...options,
      pins,
      deleted,
      expired,
      live: this.live,
      turns: this.#turns,
      onGaveWay: (code, pin) => joinCodes.onGaveWay(code, pin),
      onExchanged: (id, key) => this.#onExchanged(id, key),
    });
    this.decisions = new KeyDecisions({
      clock,
      log,
      announcer: options.events,
      pins,
      bans,
      live: this.live,
      refusals: this.#refusals,
      follower: { untilFollowed: id => this.untilInForce(id) },
    });
  }

  /** The parts that observe the roll. */
  get observers(): readonly RollObserver[] {
    return [this.follower, this.#grants];
  }

  /**
   * Returns a promise while a change of the node is in the store and not in force yet, because its pin or its connection
   * still follows it. It never rejects.
   */
  untilInForce(id: string): Promise<void> | undefined {
    const [one, other] = [this.follower.untilFollowed(id), this.#grants.untilFollowed(id)];
    return one && other ? Promise.all([one, other]).then(() => undefined) : (one ?? other);
  }

  /** The records in the store. */
  get sets() {
    return this.#records.sets;
  }

  /**
   * Makes the roll follow the keys, and an older store the ledger. It runs after the roll was read. `olderSince` is the time
   * at which an older store was found; undefined when the store is not older. `isOwnStore` says whether no other requester
   * may have written the store since. @throws BrokerError
   */
  async settle(
    records: FollowedRecords,
    roll: Pick<Roll, 'decide' | 'refresh'>,
    { olderSince, isOwnStore }: { olderSince: string | undefined; isOwnStore: boolean },
  ): Promise<void> {
    await this.follower.start(records, id => roll.refresh(id));
    const { ledger, log } = this.#options;
    const { follower } = this;
    const { pins, bans, deleted, joinCodes } = this.#records;
    const deciding = { stored: records.stored.bind(records), decide: roll.decide.bind(roll) };
    const parts = { pins, bans, deleted, follower, log, roll: deciding };
    if (ledger && (isOwnStore || olderSince !== undefined)) await applyLedger({ ...parts, ledger });
    else if (ledger) await followStore({ ...parts, ledger });
    await joinCodes.revokeOlder(olderSince);
    this.#records.tellChanges();
  }

  /** Begins to let clients in. Returns a function that ends it. */
  start(roll: EnrolmentRoll, announcer: KeyConflictsOptions['announcer']): () => void {
    const { pins, bans, deleted, expired } = this.#records;
    this.#conflicts = new KeyConflicts({
      ...this.#options,
      announcer,
      pinnedKey: id => pins.of(id)?.key,
      liveConnection: (key, use) => this.live.of(key, use),
      record: id => roll.get(id),
    });
    const { connection, clock, callout, tokens, heartbeatTopic, admitListener, hasPeers } = this.#options;
    const renamedNode = (id: string, key: string) =>
      findRenamed(id, key, { ...this.#records, stored: other => roll.stored(other) });
    const gatekeeper = new Gatekeeper({
      ...this.#options,
      pins,
      live: this.live,
      refusals: this.#refusals,
      turns: this.#turns,
      recordOf: id => {
        const stored = roll.stored(id);
        const formerIds =
          stored.kind === 'record' ? stored.state.Muster?.FormerIDs?.map(({ ID }) => ID) : undefined;
        return isTaken(stored) ? { key: keyOf(stored), formerIds } : undefined;
      },
      renamedNode,
      checkCode: (...shown) => this.#records.checkCode(...shown),
      pinNewcomer: (node, pin) => pinNewcomer(node, pin, { ...this.#records, hasPeers }),
      banOf: key => bans.of(key),
      deletedNode: id => deleted.of(id),
      expiredKey: id => expired.of(id)?.key,
      leftAt: id => {
        const stored = roll.stored(id);
        return [deleted.of(id)?.at, expired.of(id)?.at, stored.kind === 'renamed' ? stored.at : undefined];
      },
      grantOf: id => this.#grants.of(id),
      onPinned: (id, key) => this.#onPinned(id, key),
    });
    this.live.start();
    this.#grants.start(roll);
    const why = answerWhy({
      connection,
      refusals: this.#refusals,
      clock,
      hasPeers,
      // The agent may have heard the other answer first. It comes again at once, and then hears this one.
      onAnswered: ({ applicant, isDisputed }) => {
        if (isDisputed) void this.live.endAt(applicant);
      },
    });
    const exchange = this.#exchange.start(refused => {
      const disputed = disputedRefusal(refused, renamedNode);
      if (disputed) this.#refusals.keep(disputed);
      else this.#conflicts?.onRefused(this.#refusals.keep(refused), { isOwn: false });
    });
    callout.begin(
      async question =>
        admitByToken(tokens, question, heartbeatTopic) ??
        (await admitListener(question)) ??
        gatekeeper.decide(question),
    );
    const unanswered = endUnansweredClients(this.#options);
    return () => {
      callout.pause();
      unanswered.unsubscribe();
      why.unsubscribe();
      exchange.unsubscribe();
      this.live.stop();
    };
  }

  /** Returns the join code with which a node came in; undefined when it came in by another way. */
  joinedBy(id: string): JoinedBy | undefined {
    return this.#records.joinedBy(id);
  }

  /** Writes the keys of the nodes, the bans and the join codes again, because the store was lost. @throws BrokerError */
  restore(): Promise<void> {
    return this.#records.restore();
  }

  /** Returns the last conflict about a node that a refused key made, for an hour. */
  latestConflict(id: string): ReturnType<KeyConflicts['latest']> {
    return this.#conflicts?.latest(id);
  }

  // A node that was deleted or gave way and came back is remembered by its pin again.
  async #onPinned(id: string, key: string): Promise<void> {
    this.#conflicts?.delete(id);
    const { pins, deleted, expired, joinCodes } = this.#records;
    const { code } = pins.of(id) ?? {};
    if (code !== undefined) await joinCodes.onUsed(code);
    const onFailure = (err: unknown) => {
      const text = 'what was remembered of a deleted or expired node stays, because it could not be removed';
      this.#options.log.warn({ node: id, err }, text);
    };
    if (expired.of(id)) await expired.remove(id).catch(onFailure);
    if (deleted.of(id)?.key === key) await deleted.remove(id).catch(onFailure);
  }

  // Another requester let a key in, exchanged or removed one. It ends the connections that it knows of, as this one does.
  async #onOthersPin(id: string, before: Pin | undefined, after: Pin | undefined): Promise<void> {
    const ended = before && this.live.end(before.key);
    if (after) await this.#onExchanged(id, after.key);
    if (after?.code !== undefined) await this.#records.joinCodes.onUsed(after.code);
    await ended;
  }

  // The agent waits on the connection on which its key was refused. When that ends, it connects again at once.
  async #onExchanged(id: string, key: string): Promise<void> {
    this.#conflicts?.delete(id);
    const refused = this.#refusals.take(key);
    if (refused) await this.live.endAt(refused.applicant);
  }

  /** Returns whether a request about a node may be answered on `reply`. */
  mayAnswer(id: string, reply: string, isVerified: boolean): boolean {
    const { pins, deleted } = this.#records;
    const isDeleted = deleted.of(id) !== undefined;
    return mayAnswer({ reply, isVerified, key: pins.of(id)?.key, isDeleted });
  }
}
