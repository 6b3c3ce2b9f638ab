// Answers the requests of nodes: register, information, resources, leave (design 6). Each is answered, refusals too.
import {
  type AnswerCode,
  type AnsweringRequester,
  encodeEmptyResponse,
  encodeErrorResponse,
  encodeRegisterResponse,
  reasons,
} from '../../protocol/answers.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import {
  type LeaveRequest,
  leaveRequestSchema,
  type RegisterRequest,
  registerRequestSchema,
  type Sender,
  type UpdateResourcesRequest,
  updateResourcesRequestSchema,
} from '../../protocol/messages.ts';
import { validate } from '../../protocol/schema.ts';
import {
  type ManagementMethod,
  managementWildcard,
  parseManagementSubject,
} from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { version } from '../../system/version.ts';
import { BrokerError, type Connection, type Message, type Subscription } from '../../transport/port.ts';
import { otherSession, requesterId, type Verdict } from '../roll/membership.ts';
import type { ResourceStore } from '../roll/resource-store.ts';
import type { Roll } from '../roll/roll.ts';
import type { Counters } from '../status/counters.ts';

/** More requests than this at once are turned away at the door, with a retryable answer. */
const maxAtOnce = 4096;

export interface NodeRequestsOptions {
  connection: Connection;
  clock: Clock;
  log: Log;
  roll: Roll;
  resources: ResourceStore;
  counters: Counters;
  clusterId: string;
  requesterId: string;
  /** What agents are told, so that one that is set otherwise can warn. */
  heartbeatTopic: string;
  nodeDisconnectedAfter: number;
  heard(id: string): void;
  left(id: string, reason: string): void;
  /** A node registered anew. */
  registered(id: string): void;
  /** A request of a registration that is not the record's. */
  stranger(id: string): void;
}

export function answerNodeRequests(options: NodeRequestsOptions): Subscription {
  const desk = new Desk(options);
  return options.connection.subscribe(managementWildcard, message => void desk.take(message));
}

class Desk {
  readonly #options: NodeRequestsOptions;
  readonly #limitedLog: LimitedLog;
  #atOnce = 0;

  constructor(options: NodeRequestsOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  async take(message: Message): Promise<void> {
    const target = parseManagementSubject(message.subject);
    // As Bacalhau does: what is none of ours gets no answer.
    if (!target) return;
    const { counters } = this.#options;
    counters.requests++;
    if (this.#atOnce >= maxAtOnce) {
      counters.requestsRefused++;
      message.respond(encodeErrorResponse('the requester is busy; try again'));
      return;
    }
    this.#atOnce++;
    try {
      message.respond(await this.#answer(target.method, target.nodeId, message.data));
    } catch (error) {
      if (error instanceof ProtocolError) counters.requestsMalformed++;
      else if (error instanceof BrokerError) counters.storeFailures++;
      const key = error instanceof ProtocolError ? 'malformed' : 'failed';
      const fields = { node: target.nodeId, subject: message.subject, err: error };
      this.#limitedLog.warn(key, fields, 'a request of a node was refused');
      message.respond(encodeErrorResponse(sentence(error)));
    } finally {
      this.#atOnce--;
    }
  }

  async #answer(method: ManagementMethod, nodeId: string, data: Uint8Array): Promise<string> {
    const body = parseJson(data);
    switch (method) {
      case 'RegisterNode/v1':
        return this.#register(own(nodeId, validate(registerRequestSchema, body)));
      case 'UpdateNodeInfo/v1':
        return this.#updateInfo(own(nodeId, validate(registerRequestSchema, body)));
      case 'UpdateResources/v1':
        return this.#updateResources(own(nodeId, validate(updateResourcesRequestSchema, body)));
      case 'Leave/v1':
        return this.#leave(own(nodeId, validate(leaveRequestSchema, body)));
    }
  }

  async #register({ Info, Muster }: RegisterRequest): Promise<string> {
    const { roll } = this.#options;
    const sender = Muster && {
      instance: Muster.Instance,
      bootId: Muster.BootID,
      version: Muster.Version,
    };
    // Our own record may not stand for a moment: just after the store was lost.
    const verdict =
      Info.NodeID === this.#options.requesterId
        ? { ...requesterId(Info.NodeID), session: undefined }
        : await this.#stored(Info.NodeID, Muster, () => roll.register({ info: Info, sender }));
    if (typeof verdict === 'string') return verdict;
    this.#noteRefusal(verdict);
    if (verdict.write) this.#options.registered(Info.NodeID);
    return encodeRegisterResponse(
      verdict.accepted,
      verdict.reason,
      this.#answerer(Muster, Info.NodeID, verdict.code, verdict.session),
    );
  }

  async #updateInfo({ Info, Muster }: RegisterRequest): Promise<string> {
    const { roll } = this.#options;
    const refused = this.#notOnRoll(Info.NodeID, Muster);
    if (refused) return this.#refuse(refused, Info.NodeID, Muster);
    const verdict = await this.#stored(Info.NodeID, Muster, () => roll.updateInfo(Info));
    if (typeof verdict === 'string') return verdict;
    if (verdict.code === 'handshake_required' || verdict.code === 'deleted') {
      return this.#refuse(verdict, Info.NodeID, Muster);
    }
    this.#noteRefusal(verdict);
    return encodeRegisterResponse(
      verdict.accepted,
      verdict.reason,
      this.#answerer(Muster, Info.NodeID, verdict.code),
    );
  }

  #updateResources(update: UpdateResourcesRequest): string {
    const { NodeID, Muster } = update;
    const { roll, resources, clock } = this.#options;
    const refused = this.#notOnRoll(NodeID, Muster);
    if (refused) return this.#refuse(refused, NodeID, Muster);
    if (roll.get(NodeID)?.Membership === 'REJECTED') {
      return this.#refuse(
        { accepted: false, code: 'rejected', reason: reasons.updateRejected },
        NodeID,
        Muster,
      );
    }
    resources.set(NodeID, {
      available: update.AvailableCapacity,
      queued: update.QueueUsedCapacity,
      usage: update.Usage,
      at: clock.now(),
    });
    this.#options.heard(NodeID);
    return encodeEmptyResponse(this.#answerer(Muster, NodeID, 'known'));
  }

  #leave({ NodeID, Reason, Muster }: LeaveRequest): string {
    const refused = this.#notOnRoll(NodeID, Muster);
    if (refused) return this.#refuse(refused, NodeID, Muster);
    this.#options.left(NodeID, Reason);
    return encodeEmptyResponse(this.#answerer(Muster, NodeID, 'left'));
  }

  // Why a node has to register before it is heard: it is not on the roll, or speaks under another registration.
  #notOnRoll(id: string, sender: Sender | undefined): Verdict | undefined {
    const { roll } = this.#options;
    const state = roll.get(id);
    if (!state) return roll.unknownNode(id);
    if (state.Info.NodeType === 'Requester') return requesterId(id);
    if (state.Muster?.Session === sender?.Session) return undefined;
    this.#options.stranger(id);
    return otherSession(id);
  }

  // A store that does not answer refuses with an error that says so: "not found" is never guessed.
  async #stored<T>(id: string, sender: Sender | undefined, work: () => Promise<T>): Promise<T | string> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.#options.counters.storeFailures++;
      const text = 'the node info store does not answer';
      this.#limitedLog.error('store', { node: id, err: error }, text);
      const reason = 'the node info store does not answer; try again';
      return this.#refuse({ accepted: false, code: 'unavailable', reason }, id, sender);
    }
  }

  #refuse(verdict: Verdict, id: string, sender: Sender | undefined): string {
    this.#noteRefusal(verdict);
    return encodeErrorResponse(verdict.reason, this.#answerer(sender, id, verdict.code));
  }

  #noteRefusal(verdict: Verdict): void {
    if (!verdict.accepted) this.#options.counters.requestsRefused++;
  }

  // A Bacalhau node is answered in Bacalhau's words alone.
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
      Membership: roll.get(id)?.Membership ?? '',
      Session: session ?? (code === 'known' || code === 'left' ? sender.Session : undefined),
      Code: code,
      HeartbeatTopic: heartbeatTopic,
      NodeDisconnectedAfter: nodeDisconnectedAfter,
    };
  }
}

// The id in the subject is what the broker's permissions can vouch for; the payload may not speak for another node.
function own<T extends { NodeID: string } | { Info: { NodeID: string } }>(nodeId: string, message: T): T {
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

function sentence(error: unknown): string {
  if (error instanceof ProtocolError) return error.message;
  if (error instanceof MusterError) return error.message;
  return 'internal error; the requester has logged it';
}
