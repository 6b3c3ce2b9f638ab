// Opens a list of nodes, with the facts that its rows need, and the reason why it may be wrong.
import type { ShownNode } from '../../../api/answers.ts';
import type { ApiClient } from '../../../api/client.ts';
import { factsOf, type ListFacts } from '../../../output/node-columns.ts';
import { isChosen, type NodeFilter } from '../../../protocol/node-filter.ts';
import { systemClock } from '../../../system/clock.ts';
import { printable } from '../../../system/printable.ts';
import { listOfOrchestrator } from './orchestrator-list.ts';

export interface OpenedList {
  nodes: AsyncIterable<ShownNode>;
  facts: ListFacts;
  /** Why the list may be wrong, which is the state of a requester that is not ready; undefined when it is. */
  doubt: string | undefined;
}

/** Asks for the nodes that match `query`, and takes only those that `filter` chooses. @throws MusterError */
export async function openList(
  api: ApiClient,
  query: Readonly<Record<string, string>>,
  filter: NodeFilter,
): Promise<OpenedList> {
  const { head, nodes: listed } = await api.listNodes(query);
  const nodes = chosenOf(listed, filter);
  if (head) {
    const { At, Requesters: requesters, Widths: widths, State, Reason } = head;
    return { nodes, facts: { now: new Date(At), requesters, widths }, doubt: doubtAbout(State, Reason) };
  }
  if (api.orchestrator) {
    const all = await listOfOrchestrator(api, api.orchestrator, await Array.fromAsync(listed), query, filter);
    return { nodes: inTurn(all), facts: factsOf(all, systemClock.now()), doubt: undefined };
  }
  const all = await Array.fromAsync(nodes);
  // The requester that gave the list is asked, which may be another one than the first.
  const status = await api.status().catch(() => undefined);
  return {
    nodes: inTurn(all),
    facts: factsOf(all, systemClock.now()),
    doubt: status && doubtAbout(status.State, status.Reason),
  };
}

async function* chosenOf(nodes: AsyncIterable<ShownNode>, filter: NodeFilter): AsyncGenerator<ShownNode> {
  const now = systemClock.now();
  for await (const node of nodes) if (isChosen(node, filter, now)) yield node;
}

async function* inTurn(nodes: readonly ShownNode[]): AsyncGenerator<ShownNode> {
  yield* nodes;
}

function doubtAbout(state: string, reason: string): string | undefined {
  return state === 'ready' ? undefined : printable(`the requester is ${state}${reason ? `: ${reason}` : ''}`);
}
