// Answers the requests that need nothing of the store, which most requests are: what a node has free, and information that the
// record has already, sent under the session of the record.
import { registerRequestSchema, updateResourcesRequestSchema } from '../../protocol/messages.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { MessageSender } from '../events/conflict-detector.ts';
import type { Roll } from '../roll/roll.ts';
import type { NodeReports } from './node-reports.ts';
import { agentOf, type NodeRequest, readBody, speaksFor } from './node-request.ts';
import type { RequestAnswers, RequestResult } from './request-answers.ts';

export interface AnswersAtOnceOptions {
  roll: Pick<Roll, 'records' | 'acceptKnown'>;
  conflicts: { onMessage(state: NodeState, sender: MessageSender): void };
  /**
   * Returns why nothing can be stored for some seconds already; undefined when it can. Then the node should go to another
   * broker, where a requester may have a quorum: so it is told also when its request needs no store.
   */
  quorumFault?(): string | undefined;
  waiting: { markHeard(id: string): void };
}

export class AnswersAtOnce {
  readonly #options: AnswersAtOnceOptions;
  readonly #answers: Pick<RequestAnswers, 'done' | 'membership'>;
  readonly #reports: Pick<NodeReports, 'takeResources' | 'takeInfo'>;

  constructor(
    options: AnswersAtOnceOptions,
    answers: Pick<RequestAnswers, 'done' | 'membership'>,
    reports: Pick<NodeReports, 'takeResources' | 'takeInfo'>,
  ) {
    this.#options = options;
    this.#answers = answers;
    this.#reports = reports;
  }

  /**
   * Carries out a request that needs nothing of the store, and returns what to answer. Returns undefined for any other request,
   * or when it may not be answered now, and then changes nothing. @throws ProtocolError for a message that names another node
   * than its subject.
   */
  answer(asked: NodeRequest): RequestResult | undefined {
    if (!asked.isValid || this.#options.quorumFault?.()) return undefined;
    if (asked.method === 'UpdateResources/v1') return this.#answerResources(asked);
    return asked.method === 'UpdateNodeInfo/v1' ? this.#answerInfo(asked) : undefined;
  }

  #answerResources(asked: NodeRequest): RequestResult | undefined {
    const { roll, conflicts } = this.#options;
    const update = readBody(asked, updateResourcesRequestSchema);
    const state = roll.records.get(asked.nodeId);
    if (!update.Muster || !state || !speaksFor(update.Muster, state)) return undefined;
    conflicts.onMessage(state, agentOf(update.Muster, undefined));
    this.#reports.takeResources(update, asked.protocol);
    return this.#answers.done({ id: state.Info.NodeID, sender: update.Muster }, 'known');
  }

  // Information that was read as that of the record is the same object.
  #answerInfo(asked: NodeRequest): RequestResult | undefined {
    const { roll, conflicts, waiting } = this.#options;
    const { Info, Muster: sender } = readBody(asked, registerRequestSchema);
    const state = roll.records.get(asked.nodeId);
    if (!sender || state?.Info !== Info || !speaksFor(sender, state)) return undefined;
    const id = Info.NodeID;
    if (!roll.acceptKnown(id)) return undefined;
    conflicts.onMessage(state, agentOf(sender, Info.Hostname));
    waiting.markHeard(id);
    this.#reports.takeInfo(Info);
    return this.#answers.membership(
      { id, sender },
      { accepted: true, code: 'known', reason: '' },
      asked.arrival,
    );
  }
}
