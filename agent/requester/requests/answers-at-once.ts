// Answers the requests that need nothing of the store, which most requests are: what a node has free, sent under the session
// of its record.
import { updateResourcesRequestSchema } from '../../protocol/messages.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { MessageSender } from '../events/conflict-detector.ts';
import type { Roll } from '../roll/roll.ts';
import type { NodeReports } from './node-reports.ts';
import { agentOf, type NodeRequest, readBody, speaksFor } from './node-request.ts';
import type { RequestAnswers, RequestResult } from './request-answers.ts';

export interface AnswersAtOnceOptions {
  roll: Pick<Roll, 'records'>;
  conflicts: { onMessage(state: NodeState, sender: MessageSender): void };
  /**
   * Returns why nothing can be stored for some seconds already; undefined when it can. Then the node should go to another
   * broker, where a requester may have a quorum: so it is told also when its request needs no store.
   */
  quorumFault?(): string | undefined;
}

export class AnswersAtOnce {
  readonly #options: AnswersAtOnceOptions;
  readonly #answers: Pick<RequestAnswers, 'done'>;
  readonly #reports: Pick<NodeReports, 'takeResources'>;

  constructor(
    options: AnswersAtOnceOptions,
    answers: Pick<RequestAnswers, 'done'>,
    reports: Pick<NodeReports, 'takeResources'>,
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
    const { roll, conflicts, quorumFault } = this.#options;
    if (!asked.isValid || asked.method !== 'UpdateResources/v1' || quorumFault?.()) return undefined;
    const update = readBody(asked, updateResourcesRequestSchema);
    const state = roll.records.get(asked.nodeId);
    if (!update.Muster || !state || !speaksFor(update.Muster, state)) return undefined;
    conflicts.onMessage(state, agentOf(update.Muster, undefined));
    this.#reports.takeResources(update, asked.protocol);
    return this.#answers.done({ id: state.Info.NodeID, sender: update.Muster }, 'known');
  }
}
