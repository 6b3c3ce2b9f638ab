// The request answers say what a request led to, and what the requester says of itself to the agent that asked.
import { type AnswerCode, type AnsweringRequester, noQuorum } from '../../protocol/answers.ts';
import type { Sender } from '../../protocol/messages.ts';
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { version } from '../../system/version.ts';
import { BrokerError } from '../../transport/port.ts';
import type { AuthorityRotation } from '../authorities/authority-rotation.ts';
import type { RequestOutcome } from '../roll/membership.ts';
import type { Roll } from '../roll/roll.ts';
import { operatorReasonOf } from '../roll/stored-record.ts';
import type { Counters } from '../status/counters.ts';
import { storeFault } from '../status/store-fault.ts';

export interface RequestAnswersOptions {
  clock: Clock;
  log: Log;
  roll: Pick<Roll, 'records'>;
  counters: Counters;
  /** The CAs that nodes should trust; undefined when the requester has none of its own. */
  authorities?: Pick<AuthorityRotation, 'valid' | 'isAwaited' | 'onKept'> | undefined;
  /** Returns the pins of the CAs that nodes should trust, as the requester says that makes them. */
  othersAuthorities(): readonly string[];
  clusterId: string;
  requesterId: string;
  /** This and the next setting are in every answer, so that an agent with other settings can warn. */
  heartbeatTopic: string;
  nodeDisconnectedAfter: number;
}

/** What a request led to. It is written in the protocol in which the request came. */
export interface RequestResult {
  /** An answer about membership, one that says only that the request was carried out, or an error. */
  form: 'membership' | 'empty' | 'error';
  accepted: boolean;
  code: AnswerCode;
  reason: string;
  /** Whether it failed only because others wrote the same record, so that it may be asked again at once. */
  isConcurrent?: boolean;
  /** What the requester says of itself; undefined for a node of Bacalhau. */
  muster: AnsweringRequester | undefined;
}

/** The node that an answer is for. */
export interface Asker {
  id: string;
  /** What the agent said of itself; undefined for a node of Bacalhau. */
  sender: Sender | undefined;
}

type Outcome = Pick<RequestOutcome, 'accepted' | 'code' | 'reason'>;

export class RequestAnswers {
  readonly #options: RequestAnswersOptions;
  readonly #limitedLog: LimitedLog;

  constructor(options: RequestAnswersOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  /** Answers whether the node is a member. `session` is undefined when the request began none, `arrival` that of the request. */
  membership(
    asker: Asker,
    outcome: Outcome & { session?: string | undefined },
    arrival: number,
  ): RequestResult {
    this.#countRefusal(outcome);
    const muster = this.#requester(asker, outcome.code, outcome.session);
    return resultOf('membership', outcome, this.#withAuthorities(muster, asker, outcome, arrival));
  }

  /** Answers that a request was carried out, and nothing more. */
  done(asker: Asker, code: AnswerCode): RequestResult {
    return resultOf('empty', { accepted: true, code, reason: '' }, this.#requester(asker, code));
  }

  /** Answers by an error. */
  refuse(asker: Asker, outcome: Outcome): RequestResult {
    this.#countRefusal(outcome);
    return resultOf('error', outcome, this.#requester(asker, outcome.code));
  }

  /**
   * Answers that the store failed. It never says that the node is unknown, because that cannot be checked then. @throws any
   * error that is not one of the store
   */
  refuseWithoutStore(asker: Asker, error: unknown): RequestResult {
    if (!(error instanceof BrokerError)) throw error;
    this.#options.counters.storeFailures++;
    const fault = storeFault(error);
    this.#limitedLog.error(`store ${error.fault}`, { node: asker.id, err: error }, fault);
    const refusal = { accepted: false, code: 'unavailable', reason: `${fault}; try again` } as const;
    this.#countRefusal(refusal);
    const muster = this.#requester(asker, refusal.code);
    const cause = error.fault === 'no_quorum' ? { Cause: noQuorum } : {};
    const isConcurrent = error.fault === 'revision_conflict' || error.fault === 'write_under_way';
    return { ...resultOf('error', refusal, muster && { ...muster, ...cause }), isConcurrent };
  }

  // A node on the roll tells which CAs it keeps, and is told which are valid.
  #withAuthorities(
    muster: AnsweringRequester | undefined,
    { id, sender }: Asker,
    { accepted }: Outcome,
    arrival: number,
  ): AnsweringRequester | undefined {
    const { authorities, othersAuthorities } = this.#options;
    if (!accepted) return muster;
    const own = authorities?.valid ?? [];
    if (own.length > 0) authorities?.onKept(id, sender?.Authorities ?? undefined, arrival);
    const valid = own.length > 0 ? own : othersAuthorities();
    // A node that was told of no CA would trust nobody.
    return muster && valid.length > 0 ? { ...muster, Authorities: [...valid] } : muster;
  }

  #countRefusal({ accepted }: Outcome): void {
    if (!accepted) this.#options.counters.requestsRefused++;
  }

  // Returns the member that a muster requester adds to an answer; undefined for a Bacalhau node, which gets only Bacalhau's
  // members.
  #requester({ id, sender }: Asker, code: AnswerCode, session?: string): AnsweringRequester | undefined {
    if (!sender) return undefined;
    const { roll, clusterId, requesterId, heartbeatTopic, nodeDisconnectedAfter } = this.#options;
    const { Membership = '', Muster } = roll.records.get(id) ?? {};
    return {
      Version: version,
      ClusterID: clusterId,
      RequesterID: requesterId,
      Membership,
      Session: session ?? (code === 'known' || code === 'left' ? sender.Session : undefined),
      Code: code,
      Reason: operatorReasonOf(roll.records.stored(id)),
      ...(Muster?.Cordon ? { Cordon: Muster.Cordon } : {}),
      HeartbeatTopic: heartbeatTopic,
      NodeDisconnectedAfter: nodeDisconnectedAfter,
    };
  }
}

const resultOf = (
  form: RequestResult['form'],
  { accepted, code, reason }: Outcome,
  muster: AnsweringRequester | undefined,
): RequestResult => ({ form, accepted, code, reason, muster });
