// The request handler carries out the requests of nodes: register, update information, update resources, leave, and
// exchange the key.
import type * as v from 'valibot';
import { reasons } from '../../protocol/answers.ts';
import { releaseOfNode } from '../../protocol/bacalhau-releases.ts';
import { type RotateKeyRequest, rotateKeyRequestSchema } from '../../protocol/key-rotation.ts';
import {
  type LeaveRequest,
  leaveRequestSchema,
  type RegisterRequest,
  registerRequestSchema,
  type UpdateResourcesRequest,
  updateResourcesRequestSchema,
} from '../../protocol/messages.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import { BrokerError } from '../../transport/port.ts';
import { type KeyRotations, withoutKey } from '../enrolment/key-rotations.ts';
import type { MessageSender } from '../events/conflict-detector.ts';
import { otherSession, type RequestOutcome, usesRequesterId } from '../roll/membership.ts';
import type { Roll } from '../roll/roll.ts';
import type { AnswersAtOnceOptions } from './answers-at-once.ts';
import type { NodeReports } from './node-reports.ts';
import { agentOf, type NodeMessage, type NodeRequest, readBody } from './node-request.ts';
import type { Asker, RequestAnswers, RequestAnswersOptions, RequestResult } from './request-answers.ts';

export interface RequestHandlerOptions
  extends Pick<RequestAnswersOptions, 'log' | 'counters' | 'requesterId'>,
    Pick<AnswersAtOnceOptions, 'quorumFault'> {
  roll: Roll;
  health: { markLeft(id: string, reason: string): void };
  conflicts: {
    onMessage(state: NodeState, sender: MessageSender): void;
    onOtherSession(state: NodeState, sender: MessageSender): void;
  };
  waiting: { markHeard(id: string): void };
  /** Lets nodes exchange their keys; undefined when the broker checks no keys. */
  rotations?: Pick<KeyRotations, 'rotate'> | undefined;
}

export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #answers: RequestAnswers;
  readonly #reports: NodeReports;

  constructor(options: RequestHandlerOptions, answers: RequestAnswers, reports: NodeReports) {
    this.#options = options;
    this.#answers = answers;
    this.#reports = reports;
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

  async #register(request: RegisterRequest, { arrival, protocol }: NodeRequest): Promise<RequestResult> {
    const { roll, requesterId, conflicts, counters } = this.#options;
    const { Info, Muster } = request;
    const asker = { id: Info.NodeID, sender: Muster };
    const before = roll.records.get(asker.id);
    if (before) conflicts.onMessage(before, agentOf(Muster, Info.Hostname));
    // Soon after the store was lost, the requester's own record may be missing for a moment.
    const outcome =
      asker.id === requesterId
        ? { ...usesRequesterId(asker.id), session: undefined }
        : this.#unlessGone(asker.id, await roll.register(request));
    counters.registrations++;
    if (!outcome.accepted) counters.registrationsRefused++;
    // Bacalhau's nodes try again after an error, but not after a refusal by a rule.
    if (outcome.code === 'unavailable') return this.#answers.refuse(asker, outcome);
    if (outcome.accepted) this.#reports.takeInfo(Info);
    if (outcome.accepted && !Muster) this.#reports.noteConnected(Info, protocol);
    return this.#answers.membership(asker, outcome, arrival);
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
      this.#reports.takeInfo(Info);
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
    this.#reports.takeResources(update, protocol);
    return this.#answers.done(asker, 'known');
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
    const agent = agentOf(sender, host);
    conflicts.onMessage(state, agent);
    if (state.Muster?.Session === sender?.Session) return undefined;
    conflicts.onOtherSession(state, agent);
    return otherSession(id);
  }
}
