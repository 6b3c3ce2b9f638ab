// Holds what each node said last that it runs. It is in memory only, so after a restart nodes have to say it again.
import type { UpdateResourcesRequest } from '../../protocol/messages.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';

/** What a node runs, as it says. */
export interface ExecutionCounts {
  running: number;
  /** Number of those that wait for their turn on the node. */
  waiting: number;
  /** Time when it was heard, on the wall clock. */
  at: Date;
}

export class Executions {
  readonly #nodes = new Map<string, ExecutionCounts>();

  /** Notes what a node says; `said` is undefined when it no longer says anything. */
  set(id: string, said: ExecutionCounts | undefined): void {
    if (said) this.#nodes.set(id, said);
    else this.#nodes.delete(id);
  }

  get(id: string): ExecutionCounts | undefined {
    return this.#nodes.get(id);
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    this.#nodes.delete(id);
  }
}

/**
 * Returns what the information of a node says. An agent of muster sends such figures in its information only for Bacalhau's
 * sake, and says in its resources what it runs, so nothing is taken from it here.
 */
export function executionsIn({ Agent, ComputeNodeInfo }: NodeInfo, at: Date): ExecutionCounts | undefined {
  if (Agent) return undefined;
  const { RunningExecutions, EnqueuedExecutions } = ComputeNodeInfo;
  return { running: Math.max(0, RunningExecutions), waiting: Math.max(0, EnqueuedExecutions), at };
}

/** Returns what an update of the resources says; undefined when it says nothing, because the agent cannot know it. */
export const executionsOf = (
  { RunningExecutions: running }: UpdateResourcesRequest,
  at: Date,
): ExecutionCounts | undefined => (running === undefined ? undefined : { running, waiting: 0, at });
