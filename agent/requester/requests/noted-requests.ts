// Notes what a node tells all requesters, in requests that another one answers.
import {
  leaveRequestSchema,
  registerRequestSchema,
  updateResourcesRequestSchema,
} from '../../protocol/messages.ts';
import type { AuthorityRotation } from '../authorities/authority-rotation.ts';
import type { Roll } from '../roll/roll.ts';
import type { NodeReports } from './node-reports.ts';
import { type NotedRequest, readBody, speaksFor } from './node-request.ts';

export interface NotedRequestsOptions {
  roll: Pick<Roll, 'records'>;
  health: { markLeft(id: string, reason: string): void };
  /** The CAs that nodes should trust; undefined when the requester has none of its own. */
  authorities?: Pick<AuthorityRotation, 'onKept'> | undefined;
}

export class NotedRequests {
  readonly #options: NotedRequestsOptions;
  readonly #reports: Pick<NodeReports, 'noteResources' | 'noteConnected'>;

  constructor(options: NotedRequestsOptions, reports: Pick<NodeReports, 'noteResources' | 'noteConnected'>) {
    this.#options = options;
    this.#reports = reports;
  }

  /**
   * Notes what the node has free, that it stops, which CAs it keeps, or that it is back.
   * @throws ProtocolError for a message that cannot be read, or that names another node than its subject.
   */
  note(asked: NotedRequest): void {
    const { roll, health, authorities } = this.#options;
    const { method, nodeId, protocol, arrival } = asked;
    const state = roll.records.get(nodeId);
    if (method === 'UpdateResources/v1') {
      const update = readBody(asked, updateResourcesRequestSchema);
      if (speaksFor(update.Muster, state)) this.#reports.noteResources(update, protocol);
    } else if (method === 'Leave/v1') {
      const { Reason: reason, Muster: sender } = readBody(asked, leaveRequestSchema);
      if (speaksFor(sender, state)) health.markLeft(nodeId, reason);
    } else if (method === 'UpdateNodeInfo/v1') {
      const { Muster: sender } = readBody(asked, registerRequestSchema);
      if (speaksFor(sender, state)) authorities?.onKept(nodeId, sender?.Authorities ?? undefined, arrival);
    } else if (method === 'RegisterNode/v1') {
      const { Info, Muster: sender } = readBody(asked, registerRequestSchema);
      const isAccepted = Info.NodeType === 'Compute' && speaksFor(sender, state);
      if (isAccepted && !sender) this.#reports.noteConnected(Info, protocol);
    }
  }
}
