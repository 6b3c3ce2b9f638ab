// The request handler carries out the requests of nodes: register, update information, update resources, leave, and
// exchange the key.
import type * as v from 'valibot';
import { type AnswerCode, type AnsweringRequester, reasons } from '../../protocol/answers.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { type RotateKeyRequest, rotateKeyRequestSchema } from '../../protocol/key-rotation.ts';
import {
  type LeaveRequest,
  leaveRequestSchema,
  type RegisterRequest,
  registerRequestSchema,
  type Sender,
  type UpdateResourcesRequest,
  updateResourcesRequestSchema,
} from '../../protocol/messages.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import { validate } from '../../protocol/schema.ts';
import type { ManagementMethod } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { version } from '../../system/version.ts';
import { BrokerError } from '../../transport/port.ts';
import type { AuthorityRotation } from '../authorities/authority-rotation.ts';
import { type KeyRotations, withoutKey } from '../enrolment/key-rotations.ts';
import type { MessageSender } from '../events/conflict-detector.ts';
import { otherSession, type RequestOutcome, usesRequesterId } from '../roll/membership.ts';
import type { ResourceStore } from '../roll/resource-store.ts';
import type { Roll } from '../roll/roll.ts';
import { operatorReasonOf } from '../roll/stored-record.ts';
import type { Counters } from '../status/counters.ts';
import { storeFault } from '../status/store-fault.ts';

export interface RequestHandlerOptions {
  clock: Clock;
  log: Log;
  roll: Roll;
  resources: ResourceStore;
  counters: Counters;
  health: { markAlive(id: string): void; markLeft(id: string, reason: string): void };
  conflicts: {
    onMessage(state: NodeState, sender: MessageSender): void;
    onOtherSession(state: NodeState, sender: MessageSender): void;
  };
  waiting: { markHeard(id: string): void };
  /** The CAs that nodes should trust; undefined when the requester has none of its own. */
  authorities?: Pick<AuthorityRotation, 'valid' | 'onKept'> | undefined;
  /** Lets nodes exchange their keys; undefined when the broker checks no keys. */
  rotations?: Pick<KeyRotations, 'rotate'> | undefined;
  clusterId: string;
  requesterId: string;
  /** This and the next setting are in every answer, so that an agent with other settings can warn. */
  heartbeatTopic: string;
  nodeDisconnectedAfter: number;
}

/** A request of a node, in whichever protocol it came. */
export interface NodeRequest {
  method: ManagementMethod;
  /** The node that the subject names. */
  nodeId: string;
  /** The body, not yet validated. */
  body: unknown;
  /**
   * Whether the member `Muster` counts. What a client without a key says of its session and version could otherwise end the
   * session of another such node, or get it the reason of an operator.
   */
  hasSender: boolean;
}

/** What a request led to. It is written in the protocol in which the request came. */
export interface RequestResult {
  /** An answer about membership, one that says only that the request was carried out, or an error. */
  form: 'membership' | 'empty' | 'error';
  accepted: boolean;
  code: AnswerCode;
  reason: string;
  /** What the requester says of itself; undefined for a node of Bacalhau. */
  muster: AnsweringRequester | undefined;
}

const resultOf = (
  form: RequestResult['form'],
  { accepted, code, reason }: RequestOutcome,
  muster: AnsweringRequester | undefined,
): RequestResult => ({ form, accepted, code, reason, muster });

const done = (code: AnswerCode): RequestOutcome => ({ accepted: true, code, reason: '' });

type NodeMessage = ({ NodeID: string } | { Info: { NodeID: string } }) & { Muster?: Sender | undefined };

export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #limitedLog: LimitedLog;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  /**
   * Carries out one request and returns what to answer. @throws ProtocolError for a message that cannot be read, or that
   * names another node than its subject.
   */
  async handle({ method, nodeId, body, hasSender }: NodeRequest): Promise<RequestResult> {
    const read = <T extends NodeMessage>(schema: v.GenericSchema<unknown, T>): T => {
      const message = ofNode(nodeId, validate(schema, body));
      return hasSender ? message : { ...message, Muster: undefined };
    };
    switch (method) {
      case 'RegisterNode/v1': {
        const request = read(registerRequestSchema);
        return this.#register(request).catch(error =>
          this.#refuseWithoutStore(error, nodeId, request.Muster),
        );
      }
      case 'UpdateNodeInfo/v1': {
        const request = read(registerRequestSchema);
        return this.#updateInfo(request).catch(error =>
          this.#refuseWithoutStore(error, nodeId, request.Muster),
        );
      }
      case 'UpdateResources/v1':
        return this.#updateResources(read(updateResourcesRequestSchema));
      case 'Leave/v1':
        return this.#leave(read(leaveRequestSchema));
      case 'RotateKey/v1': {
        const request = read(rotateKeyRequestSchema);
        return this.#rotateKey(request).catch(error =>
          this.#refuseWithoutStore(error, nodeId, request.Muster),
        );
      }
    }
  }

  async #register(request: RegisterRequest): Promise<RequestResult> {
    const { roll, requesterId } = this.#options;
    const id = request.Info.NodeID;
    const before = roll.records.get(id);
    const { Session: session, Instance: instance } = request.Muster ?? {};
    if (before) this.#options.conflicts.onMessage(before, { session, instance, host: request.Info.Hostname });
    // Soon after the store was lost, the requester's own record may be missing for a moment.
    const outcome =
      id === requesterId ? { ...usesRequesterId(id), session: undefined } : await roll.register(request);
    // Bacalhau's nodes try again after an error, but not after a refusal by a rule.
    if (outcome.code === 'unavailable') return this.#refuse(outcome, id, request.Muster);
    this.#countRefusal(outcome);
    const muster = this.#answerer(request.Muster, id, outcome.code, outcome.session);
    return resultOf('membership', outcome, this.#withAuthorities(muster, id, request.Muster, outcome));
  }

  async #updateInfo({ Info, Muster }: RegisterRequest): Promise<RequestResult> {
    const id = Info.NodeID;
    const refusal = this.#refusalOf(id, Muster, Info.Hostname);
    if (refusal) return this.#refuse(refusal, id, Muster);
    const outcome = await this.#options.roll.updateInfo(Info);
    if (outcome.code === 'handshake_required' || outcome.code === 'deleted') {
      return this.#refuse(outcome, id, Muster);
    }
    this.#countRefusal(outcome);
    if (outcome.accepted) this.#options.waiting.markHeard(id);
    const muster = this.#withAuthorities(this.#answerer(Muster, id, outcome.code), id, Muster, outcome);
    return resultOf('membership', outcome, muster);
  }

  // A node on the roll tells which CAs it keeps, and is told which are valid.
  #withAuthorities(
    muster: AnsweringRequester | undefined,
    id: string,
    sender: Sender | undefined,
    { accepted }: RequestOutcome,
  ): AnsweringRequester | undefined {
    const { authorities } = this.#options;
    // A node that was told of no CA would trust nobody.
    if (!accepted || !authorities || authorities.valid.length === 0) return muster;
    authorities.onKept(id, sender?.Authorities ?? undefined);
    return muster && { ...muster, Authorities: [...authorities.valid] };
  }

  #updateResources(update: UpdateResourcesRequest): RequestResult {
    const { NodeID: id, Muster } = update;
    const { roll, resources, health, waiting, clock } = this.#options;
    const refusal = this.#refusalOf(id, Muster);
    if (refusal) return this.#refuse(refusal, id, Muster);
    if (roll.records.get(id)?.Membership === 'REJECTED') {
      return this.#refuse({ accepted: false, code: 'rejected', reason: reasons.updateRejected }, id, Muster);
    }
    resources.set(id, {
      available: update.AvailableCapacity,
      queued: update.QueueUsedCapacity,
      usage: update.Usage,
      at: clock.now(),
    });
    health.markAlive(id);
    waiting.markHeard(id);
    return resultOf('empty', done('known'), this.#answerer(Muster, id, 'known'));
  }

  #leave({ NodeID: id, Reason: reason, Muster }: LeaveRequest): RequestResult {
    const refusal = this.#refusalOf(id, Muster);
    if (refusal) return this.#refuse(refusal, id, Muster);
    this.#options.health.markLeft(id, reason);
    return resultOf('empty', done('left'), this.#answerer(Muster, id, 'left'));
  }

  async #rotateKey(request: RotateKeyRequest): Promise<RequestResult> {
    const { NodeID: id, Muster } = request;
    const outcome = (await this.#options.rotations?.rotate(id, request)) ?? withoutKey(id);
    if (!outcome.accepted) return this.#refuse(outcome, id, Muster);
    return resultOf('empty', outcome, this.#answerer(Muster, id, outcome.code));
  }

  // Returns the refusal that makes the sender register first: the node is not on the roll, or the message names another
  // session. Otherwise it returns undefined.
  #refusalOf(id: string, sender: Sender | undefined, host?: string): RequestOutcome | undefined {
    const { records } = this.#options.roll;
    const state = records.get(id);
    if (!state) return this.#options.roll.refuseUnknown(id);
    if (state.Info.NodeType === 'Requester') return usesRequesterId(id);
    const agent = { session: sender?.Session, instance: sender?.Instance, host };
    this.#options.conflicts.onMessage(state, agent);
    if (state.Muster?.Session === sender?.Session) return undefined;
    this.#options.conflicts.onOtherSession(state, agent);
    return otherSession(id);
  }

  // Returns the answer that the store failed. It never says that the node is unknown, because that cannot be checked then.
  #refuseWithoutStore(error: unknown, id: string, sender: Sender | undefined): RequestResult {
    if (!(error instanceof BrokerError)) throw error;
    this.#options.counters.storeFailures++;
    const fault = storeFault(error);
    this.#limitedLog.error(`store ${error.fault}`, { node: id, err: error }, fault);
    return this.#refuse({ accepted: false, code: 'unavailable', reason: `${fault}; try again` }, id, sender);
  }

  #refuse(outcome: RequestOutcome, id: string, sender: Sender | undefined): RequestResult {
    this.#countRefusal(outcome);
    return resultOf('error', outcome, this.#answerer(sender, id, outcome.code));
  }

  #countRefusal(outcome: RequestOutcome): void {
    if (!outcome.accepted) this.#options.counters.requestsRefused++;
  }

  // Returns the member that a muster requester adds to an answer; undefined for a Bacalhau node, which gets only Bacalhau's
  // members.
  #answerer(
    sender: Sender | undefined,
    id: string,
    code: AnswerCode,
    session?: string,
  ): AnsweringRequester | undefined {
    if (!sender) return undefined;
    const { roll, clusterId, requesterId, heartbeatTopic, nodeDisconnectedAfter } = this.#options;
    return {
      Version: version,
      ClusterID: clusterId,
      RequesterID: requesterId,
      Membership: roll.records.get(id)?.Membership ?? '',
      Session: session ?? (code === 'known' || code === 'left' ? sender.Session : undefined),
      Code: code,
      Reason: operatorReasonOf(roll.records.stored(id)),
      HeartbeatTopic: heartbeatTopic,
      NodeDisconnectedAfter: nodeDisconnectedAfter,
    };
  }
}

// Refuses a message that names another node than its subject, because the broker's permissions protect only the id in the
// subject.
function ofNode<T extends { NodeID: string } | { Info: { NodeID: string } }>(nodeId: string, message: T): T {
  const inside = 'Info' in message ? message.Info.NodeID : message.NodeID;
  if (inside !== nodeId) {
    throw new ProtocolError(
      'invalid_field',
      `the subject names node ${nodeId.slice(0, 128)}, the message another`,
      'NodeID',
    );
  }
  return message;
}
