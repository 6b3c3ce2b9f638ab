// Builds the parts that decide who is let in to the broker, and connects them to each other. It runs once at the start.
import { inboxPrefix } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type Bucket, type Connection } from '../../transport/port.ts';
import { readRecords } from '../cluster/record-set.ts';
import type { RequesterAnnouncer } from '../events/requester-events.ts';
import type { JoinedBy } from '../roll/membership.ts';
import type { Counters } from '../status/counters.ts';
import type { CodeCheck } from './access-rules.ts';
import type { Callout } from './callout.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { JoinCodes } from './join-codes.ts';
import { LiveConnections } from './live-connections.ts';
import { Pins } from './pins.ts';
import { answerWhy, RefusalLog } from './refusals.ts';
import { admitByToken, type ClientTokens } from './token-clients.ts';

export interface EnrolmentOptions {
  connection: Connection;
  /** The bucket that holds what is not about one node. */
  bucket: Bucket;
  /** Receives the broker's questions. */
  callout: Pick<Callout, 'begin' | 'pause'>;
  requesterId: string;
  heartbeatTopic: string;
  /** The tokens of clients without a key. */
  tokens: ClientTokens;
  /** Announces what operators do about join codes. */
  events: RequesterAnnouncer;
  counters: Counters;
  lease: { confirm(): Promise<void> };
  clock: Clock;
  log: Log;
}

/** What the enrolment asks the roll. */
export interface EnrolmentRoll {
  hasRecord(id: string): boolean;
}

export class Enrolment {
  readonly pins: Pins;
  readonly joinCodes: JoinCodes;
  readonly live: LiveConnections;
  readonly #options: EnrolmentOptions;
  readonly #refusals = new RefusalLog(() => undefined);

  /** Reads the records of the store. @throws BrokerError */
  static async open(options: EnrolmentOptions): Promise<Enrolment> {
    const enrolment = new Enrolment(options);
    await readRecords(options.bucket, [...enrolment.pins.sets, enrolment.joinCodes]);
    return enrolment;
  }

  private constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.pins = new Pins(options.bucket, options.log);
    this.live = new LiveConnections(options);
    this.joinCodes = new JoinCodes({ ...options, usesOf: id => this.pins.usesOf(id) });
  }

  /** Begins to let clients in. Returns a function that ends it. */
  start(roll: EnrolmentRoll): () => void {
    const { connection, callout, lease, tokens, heartbeatTopic } = this.#options;
    const gatekeeper = new Gatekeeper({
      ...this.#options,
      pins: this.pins,
      live: this.live,
      refusals: this.#refusals,
      hasRecord: id => roll.hasRecord(id),
      checkCode: (token, host) => this.#checkCode(token, host),
      holdCode: id => this.joinCodes.hold(id),
      banOf: () => undefined,
      deletedNode: () => undefined,
      onPinned: () => undefined,
    });
    this.live.start();
    const why = answerWhy(connection, this.#refusals);
    callout.begin(async question => {
      await lease.confirm().catch(ignoreSilentStore);
      return admitByToken(tokens, question, heartbeatTopic) ?? gatekeeper.decide(question);
    });
    return () => {
      callout.pause();
      why.unsubscribe();
      this.live.stop();
    };
  }

  /** Returns the join code with which a node came in; undefined when it came in by another way. */
  joinedBy(id: string): JoinedBy | undefined {
    const pin = this.pins.of(id);
    if (pin?.code === undefined) return undefined;
    const record = this.joinCodes.recordOf(pin.code);
    // A code that was revoked after the node came in approves it no more.
    const approve = record?.approve === true && record.revoked === undefined;
    return { code: pin.code, approve, labels: record?.labels ?? {}, at: pin.at };
  }

  /** Writes the keys of the nodes and the join codes again, because the store was lost. @throws BrokerError */
  async restore(): Promise<void> {
    await this.pins.restore();
    await this.joinCodes.restore();
  }

  #checkCode(token: string, host: string): CodeCheck {
    const check = this.joinCodes.check(token, host);
    return check.kind === 'unknown' ? check : { kind: check.kind, id: check.code.id };
  }

  /**
   * Returns whether a request about a node may be answered on `reply`: only in the inbox of the key that is pinned to the
   * node. Another client may have chosen the subject of the answer.
   */
  mayAnswer(id: string, reply: string, isVerified: boolean): boolean {
    const key = this.pins.of(id)?.key;
    // The broker itself chooses where the answer to a client of another account goes.
    if (!isVerified) return key === undefined && (reply === '' || reply.startsWith('_R_.'));
    return key !== undefined && (reply === '' || reply.startsWith(`${inboxPrefix(key)}.`));
  }
}

// Nodes whose keys are known come back also while the disk is full or hangs: what was decided about them is in memory. A new
// key is not let in then, because each write confirms the lease.
function ignoreSilentStore(error: unknown): void {
  if (!(error instanceof BrokerError)) throw error;
}
