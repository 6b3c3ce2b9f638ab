// Chooses nodes from the list of an orchestrator of Bacalhau, which knows few filters and takes one value of each.
import type { ShownNode } from '../../../api/answers.ts';
import type { ApiClient } from '../../../api/client.ts';
import { cannot, type Orchestrator } from '../../../api/orchestrator.ts';
import { filterParameters, isChosen, type NodeFilter } from '../../../protocol/node-filter.ts';
import { systemClock } from '../../../system/clock.ts';

/**
 * Returns the nodes that `filter` chooses, at most as many as `query` limits. `listed` is the answer to `query`; it is used where
 * nothing was filtered, and otherwise the whole list is asked for. @throws MusterError `unsupported` for a filter by what it
 * does not know, because an empty list would say that there is no such node
 */
export async function listOfOrchestrator(
  api: ApiClient,
  orchestrator: Orchestrator,
  listed: readonly ShownNode[],
  query: Readonly<Record<string, string>>,
  filter: NodeFilter,
): Promise<readonly ShownNode[]> {
  const filters = Object.keys(filterParameters(filter));
  if (filters.length === 0) return listed;
  requireKnownFilters(orchestrator, filter);
  const { limit, ...others } = query;
  const rest = Object.entries(others).filter(([name]) => !filters.includes(name));
  const all = await api.nodes(Object.fromEntries(rest));
  const now = systemClock.now();
  if (filter.silentForMs !== undefined && !all.some(({ ConnectionState }) => ConnectionState))
    throw cannot(orchestrator, 'does not say when it heard a node', 'leave --silent-for out');
  const chosen = all.filter(node => isChosen(node, filter, now));
  return Number(limit) > 0 ? chosen.slice(0, Number(limit)) : chosen;
}

function requireKnownFilters(orchestrator: Orchestrator, { statuses, conditions }: NodeFilter): void {
  if (conditions.length > 0)
    throw cannot(orchestrator, 'knows no conditions of nodes', 'leave --condition out');
  if (statuses.some(status => /^(unhealthy|unknown)$/i.test(status)))
    throw cannot(
      orchestrator,
      'knows only nodes that are connected or disconnected',
      'choose them with --filter-status disconnected',
    );
}
