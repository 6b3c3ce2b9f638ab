// Takes into memory what nodes say of themselves: what they have free, what they run, and that they are there.
import type { UpdateResourcesRequest } from '../../protocol/messages.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { Clock } from '../../system/clock.ts';
import { type ExecutionCounts, type Executions, executionsIn, executionsOf } from '../roll/executions.ts';
import type { ResourceStore } from '../roll/resource-store.ts';
import type { Roll } from '../roll/roll.ts';

export interface NodeReportsOptions {
  clock: Clock;
  roll: Pick<Roll, 'records'>;
  resources: ResourceStore;
  executions: Pick<Executions, 'set'>;
  drains: { onReport(id: string, said: ExecutionCounts): void };
  health: { markAlive(id: string): void };
  waiting: { markHeard(id: string): void };
}

export class NodeReports {
  readonly #options: NodeReportsOptions;

  constructor(options: NodeReportsOptions) {
    this.#options = options;
  }

  /** Takes what a node has free, from a request that this requester answers. `protocol` is that of the request. */
  takeResources(update: UpdateResourcesRequest, protocol: string): void {
    this.noteResources(update, protocol);
    this.#takeExecutions(update.NodeID, executionsOf(update, this.#options.clock.now()));
  }

  /** Notes what a node has free, whichever requester answers it. */
  noteResources(update: UpdateResourcesRequest, protocol: string): void {
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

  /** Takes what the information of a node says that it runs, from a request that this requester answers. */
  takeInfo(info: NodeInfo): void {
    this.#takeExecutions(info.NodeID, executionsIn(info, this.#options.clock.now()));
  }

  /**
   * Notes that a node of Bacalhau has registered: it may send its first heartbeat, or what it has free, as late as half a minute
   * after this.
   */
  noteConnected({ NodeID: id, ComputeNodeInfo }: NodeInfo, protocol: string): void {
    const { resources, health, clock } = this.#options;
    const { AvailableCapacity: available, QueueCapacity: queued } = ComputeNodeInfo;
    resources.set(id, { available, queued, usage: undefined, at: clock.now(), protocol });
    health.markAlive(id);
  }

  // The id in a message may be a part of its whole text, which would stay in memory with it.
  #keptId(id: string): string {
    return this.#options.roll.records.get(id)?.Info.NodeID ?? id;
  }

  // The requester that answers the node ends its drain.
  #takeExecutions(node: string, said: ExecutionCounts | undefined): void {
    if (!said) return;
    const id = this.#keptId(node);
    this.#options.executions.set(id, said);
    this.#options.drains.onReport(id, said);
  }
}
