// The request handler carries out the requests of nodes: register, update information, update resources, leave, and
// exchange the key.
import type * as v from 'valibot';
import { reasons } from '../../protocol/answers.ts';
import { releaseOfNode } from '../../protocol/bacalhau-releases.ts';
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
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import { validate } from '../../protocol/schema.ts';
import type { ManagementMethod } from '../../protocol/subjects.ts';
import { BrokerError } from '../../transport/port.ts';
import { type KeyRotations, withoutKey } from '../enrolment/key-rotations.ts';
import type { MessageSender } from '../events/conflict-detector.ts';
import { type ExecutionCounts, type Executions, executionsIn, executionsOf } from '../roll/executions.ts';
import { otherSession, type RequestOutcome, usesRequesterId } from '../roll/membership.ts';
import type { ResourceStore } from '../roll/resource-store.ts';
import type { Roll } from '../roll/roll.ts';
import {
  type Asker,
  RequestAnswers,
  type RequestAnswersOptions,
  type RequestResult,
} from './request-answers.ts';

export interface RequestHandlerOptions extends RequestAnswersOptions {
  roll: Roll;
  resources: ResourceStore;
  executions: Pick<Executions, 'set'>;
  drains: { onReport(id: string, said: ExecutionCounts): void };
  health: { markAlive(id: string): void; markLeft(id: string, reason: string): void };
  conflicts: {
    onMessage(state: NodeState, sender: MessageSender): void;
    onOtherSession(state: NodeState, sender: MessageSender): void;
  };
  waiting: { markHeard(id: string): void };
  /**
   * Returns why nothing can be stored for some seconds already; undefined when it can. Then the node should go to another
   * broker, where a requester may have a quorum: so it is told also when its request needs no store.
   */
  quorumFault?(): string | undefined;
  /** Lets nodes exchange their keys; undefined when the broker checks no keys. */
  rotations?: Pick<KeyRotations, 'rotate'> | undefined;
}

/** A request of a node, in whichever protocol it came. */
export interface NodeRequest {
  method: ManagementMethod;
  /** The node that the subject names. */
  nodeId: string;
  /** The name of the protocol, as nodes list it in their information. */
  protocol: string;
  /** The body, and whether it is what its schema makes of it; otherwise it is not yet validated. */
  body: unknown;
  isValid: boolean;
  /**
   * Whether the member `Muster` counts. What a client without a key says of its session and version could otherwise end the
   * session of another such node, or get it the reason of an operator.
   */
  hasSender: boolean;
  /**
   * Whether its sender registers again when it is told that it must. A node of Bacalhau that speaks the older protocol does not,
   * but its information has all that a registration has.
   */
  registersAgain: boolean;
  /** The number of the request among all that this requester has received: a request may be carried out after a later one. */
  arrival: number;
}

/** A request that another requester answers. */
type NotedRequest = Omit<NodeRequest, 'registersAgain'>;

type NodeMessage = ({ NodeID: string } | { Info: { NodeID: string } }) & { Muster?: Sender | undefined };

export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #answers: RequestAnswers;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#answers = new RequestAnswers(options);
  }

  /**
   * Carries out a request that needs nothing of the store, which most requests are: what a node has free, sent under the
   * session of its record. Returns undefined for any other request, or when it may not be answered now, and then changes nothing.
   * @throws ProtocolError as `handle`
   */
  handleAtOnce(asked: NodeRequest): RequestResult | undefined {
    const { roll, conflicts, quorumFault } = this.#options;
    if (!asked.isValid || asked.method !== 'UpdateResources/v1' || quorumFault?.()) return undefined;
    const update = readBody(asked, updateResourcesRequestSchema);
    if (!update.Muster || !this.#isCurrent(asked.nodeId, update.Muster)) return undefined;
    const state = roll.records.get(asked.nodeId);
    if (!state) return undefined;
    const asker = { id: state.Info.NodeID, sender: update.Muster };
    conflicts.onMessage(state, agentOf(asker, undefined));
    return this.#takeResources(update, asker, asked.protocol);
  }

  /**
   * Carries out one request and returns what to answer. @throws ProtocolError for a message that cannot be read, or that
   * names another node than its subject.
   */
  async handle(asked: NodeRequest): Promise<RequestResult> {
    const { method, nodeId } = asked;
    const read = <T extends NodeMessage>(schema: v.GenericSchema<unknown, T>) => readBody(asked, schema);
    const orRefuse = async ({ Muster: sender }: NodeMessage, result: Promise<RequestResult>) => {
      try {
        const done = await result;
        const fault = sender && method !== 'Leave/v1' ? this.#options.quorumFault?.() : undefined;
        if (fault === undefined) return done;
        throw new BrokerError('no_quorum', fault);
      } catch (error) {
        return this.#answers.refuseWithoutStore({ id: nodeId, sender }, error);
      }
    };
    switch (method) {
      case 'RegisterNode/v1': {
        const request = read(registerRequestSchema);
        return orRefuse(request, this.#register(request, asked));
      }
      case 'UpdateNodeInfo/v1': {
        const request = read(registerRequestSchema);
        const registers = !request.Muster && !asked.registersAgain;
        return orRefuse(request, this.#updateInfo(request, asked, registers));
      }
      case 'UpdateResources/v1': {
        const request = read(updateResourcesRequestSchema);
        return orRefuse(request, this.#updateResources(request, asked.protocol));
      }
      case 'Leave/v1': {
        const request = read(leaveRequestSchema);
        return orRefuse(request, this.#leave(request));
      }
      case 'RotateKey/v1': {
        const request = read(rotateKeyRequestSchema);
        return orRefuse(request, this.#rotateKey(request));
      }
    }
  }

  /**
   * Notes what a node tells all requesters, in a request that another one answers: what it has free, that it stops, which CAs it
   * keeps, and that it is back.
   * @throws ProtocolError as `handle`
   */
  note(asked: NotedRequest): void {
    if (asked.method === 'UpdateResources/v1') {
      const update = readBody(asked, updateResourcesRequestSchema);
      if (this.#isCurrent(asked.nodeId, update.Muster)) this.#noteResources(update, asked.protocol);
    } else if (asked.method === 'Leave/v1') {
      const { Reason: reason, Muster: sender } = readBody(asked, leaveRequestSchema);
      if (this.#isCurrent(asked.nodeId, sender)) this.#options.health.markLeft(asked.nodeId, reason);
    } else if (asked.method === 'UpdateNodeInfo/v1') {
      const { Muster: sender } = readBody(asked, registerRequestSchema);
      if (this.#isCurrent(asked.nodeId, sender))
        this.#options.authorities?.onKept(asked.nodeId, sender?.Authorities ?? undefined, asked.arrival);
    } else if (asked.method === 'RegisterNode/v1') {
      const { Info, Muster: sender } = readBody(asked, registerRequestSchema);
      const isAccepted = Info.NodeType === 'Compute' && this.#isCurrent(asked.nodeId, sender);
      if (isAccepted && !sender) this.#onConnected(Info, asked.protocol);
    }
  }

  async #register(request: RegisterRequest, { arrival, protocol }: NodeRequest): Promise<RequestResult> {
    const { roll, requesterId, conflicts, counters } = this.#options;
    const { Info, Muster } = request;
    const asker = { id: Info.NodeID, sender: Muster };
    const before = roll.records.get(asker.id);
    if (before) conflicts.onMessage(before, agentOf(asker, Info.Hostname));
    // Soon after the store was lost, the requester's own record may be missing for a moment.
    const outcome =
      asker.id === requesterId
        ? { ...usesRequesterId(asker.id), session: undefined }
        : this.#unlessGone(asker.id, await roll.register(request));
    counters.registrations++;
    if (!outcome.accepted) counters.registrationsRefused++;
    // Bacalhau's nodes try again after an error, but not after a refusal by a rule.
    if (outcome.code === 'unavailable') return this.#answers.refuse(asker, outcome);
    if (outcome.accepted) this.#onExecutions(asker.id, executionsIn(Info, this.#options.clock.now()));
    if (outcome.accepted && !Muster) this.#onConnected(Info, protocol);
    return this.#answers.membership(asker, outcome, arrival);
  }

  // A node of Bacalhau may send its first heartbeat, or what it has free, as late as half a minute after this.
  #onConnected({ NodeID: id, ComputeNodeInfo }: NodeInfo, protocol: string): void {
    const { resources, health, clock } = this.#options;
    const { AvailableCapacity: available, QueueCapacity: queued } = ComputeNodeInfo;
    resources.set(id, { available, queued, usage: undefined, at: clock.now(), protocol });
    health.markAlive(id);
  }

  // `registers` tells whether this is the only way in which a node that is not on the roll comes back.
  async #updateInfo(
    request: RegisterRequest,
    asked: NodeRequest,
    registers: boolean,
  ): Promise<RequestResult> {
    const { Info, Muster } = request;
    const asker = { id: Info.NodeID, sender: Muster };
    const refusal = await this.#refusalOf(asker, Info.Hostname);
    if (refusal && registers && !this.#options.roll.records.get(asker.id)) {
      const fields = { node: asker.id, bacalhau: releaseOfNode(Info).versions };
      this.#options.log.debug(fields, 'a node that is not on the roll is registered by its information');
      return this.#register(request, asked);
    }
    if (refusal) return this.#answers.refuse(asker, refusal);
    const outcome = this.#unlessGone(asker.id, await this.#options.roll.updateInfo(Info));
    if (outcome.code === 'handshake_required' || outcome.code === 'deleted') {
      return this.#answers.refuse(asker, outcome);
    }
    if (outcome.accepted) {
      this.#options.waiting.markHeard(asker.id);
      this.#onExecutions(asker.id, executionsIn(Info, this.#options.clock.now()));
    }
    return this.#answers.membership(asker, outcome, asked.arrival);
  }

  async #updateResources(update: UpdateResourcesRequest, protocol: string): Promise<RequestResult> {
    const asker = { id: update.NodeID, sender: update.Muster };
    const { roll } = this.#options;
    const refusal = await this.#refusalOf(asker);
    if (refusal) return this.#answers.refuse(asker, refusal);
    if (roll.records.get(asker.id)?.Membership === 'REJECTED') {
      return this.#answers.refuse(asker, {
        accepted: false,
        code: 'rejected',
        reason: reasons.updateRejected,
      });
    }
    return this.#takeResources(update, asker, protocol);
  }

  #takeResources(update: UpdateResourcesRequest, asker: Asker, protocol: string): RequestResult {
    this.#noteResources(update, protocol);
    this.#onExecutions(asker.id, executionsOf(update, this.#options.clock.now()));
    return this.#answers.done(asker, 'known');
  }

  #noteResources(update: UpdateResourcesRequest, protocol: string): void {
    const { AvailableCapacity: available, QueueUsedCapacity: queued, Usage: usage } = update;
    const { resources, executions, health, waiting, clock } = this.#options;
    const id = this.#keptId(update.NodeID);
    const said = executionsOf(update, clock.now());
    resources.set(id, { available, queued, usage, at: clock.now(), protocol });
    // A node of Bacalhau says in its information what it runs.
    if (said || update.Muster) executions.set(id, said);
    health.markAlive(id);
    waiting.markHeard(id);
  }

  // The id in a message may be a part of its whole text, which would stay in memory with it.
  #keptId(id: string): string {
    return this.#options.roll.records.get(id)?.Info.NodeID ?? id;
  }

  // The requester that answers the node ends its drain.
  #onExecutions(node: string, said: ExecutionCounts | undefined): void {
    if (!said) return;
    const id = this.#keptId(node);
    this.#options.executions.set(id, said);
    this.#options.drains.onReport(id, said);
  }

  async #leave({ NodeID: id, Reason: reason, Muster: sender }: LeaveRequest): Promise<RequestResult> {
    const asker = { id, sender };
    const refusal = await this.#refusalOf(asker);
    if (refusal) return this.#answers.refuse(asker, refusal);
    this.#options.health.markLeft(id, reason);
    return this.#answers.done(asker, 'left');
  }

  async #rotateKey(request: RotateKeyRequest): Promise<RequestResult> {
    const asker = { id: request.NodeID, sender: request.Muster };
    const outcome = (await this.#options.rotations?.rotate(asker.id, request)) ?? withoutKey(asker.id);
    if (!outcome.accepted) return this.#answers.refuse(asker, outcome);
    return this.#answers.done(asker, outcome.code);
  }

  /** Returns whether the sender speaks for the node as it is on the roll. */
  #isCurrent(id: string, sender: Sender | undefined): boolean {
    const state = this.#options.roll.records.get(id);
    return (
      state?.Info.NodeType === 'Compute' &&
      state.Membership !== 'REJECTED' &&
      state.Muster?.Session === sender?.Session
    );
  }

  // Another requester may delete the node after the request was carried out here, and before it is answered.
  #unlessGone<T extends RequestOutcome>(
    id: string,
    outcome: T,
  ): T | (RequestOutcome & { session: undefined }) {
    const { roll } = this.#options;
    if (!outcome.accepted || roll.records.get(id)) return outcome;
    return { ...roll.refuseUnknown(id), session: undefined };
  }

  // Returns the refusal that makes the sender register first: the node is not on the roll, or the message names another
  // session. Otherwise it returns undefined. The record is read again before, if another requester may have written it.
  async #refusalOf(asker: Asker, host?: string): Promise<RequestOutcome | undefined> {
    const { roll, conflicts } = this.#options;
    const { id, sender } = asker;
    const known = roll.records.get(id);
    const isSure = known && known.Muster?.Session === sender?.Session && known.Membership !== 'REJECTED';
    if (!isSure) await roll.refresh(id);
    const state = roll.records.get(id);
    if (!state) return roll.refuseUnknown(id);
    if (state.Info.NodeType === 'Requester') return usesRequesterId(id);
    const agent = agentOf(asker, host);
    conflicts.onMessage(state, agent);
    if (state.Muster?.Session === sender?.Session) return undefined;
    conflicts.onOtherSession(state, agent);
    return otherSession(id);
  }
}

const agentOf = ({ sender }: Asker, host: string | undefined): MessageSender => ({
  session: sender?.Session,
  instance: sender?.Instance,
  host,
});

// Reads the body of a request. What a client without a key says of itself does not count.
function readBody<T extends NodeMessage>(
  { nodeId, body, isValid, hasSender }: NotedRequest,
  schema: v.GenericSchema<unknown, T>,
): T {
  const message = ofNode(nodeId, isValid ? (body as T) : validate(schema, body));
  return hasSender ? message : { ...message, Muster: undefined };
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
