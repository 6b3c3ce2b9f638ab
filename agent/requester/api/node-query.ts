// Filters and sorts a list of nodes by query parameters: those of Bacalhau's API, and `condition` and `silent-for`.
import { parseDuration } from '../../config/units.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { type NodeOrder, nodeOrders } from '../../protocol/http.ts';
import { parseSelector, type Selector } from '../../protocol/label-selector.ts';
import { type ChoosesNode, isChosen, type NodeFilter } from '../../protocol/node-filter.ts';
import { healths } from '../../protocol/node-state.ts';
import type { Resources } from '../../protocol/resources.ts';
import type { NodeView } from '../directory/node-view.ts';
import { RequestFault } from './problem.ts';

/** Whom the list is for. They see another status of a node: its health, or whether it is connected. */
export type Reader = 'muster' | 'bacalhau';

/**
 * Returns the nodes that match every filter, sorted, and not more than `limit`. Nodes that are equal in the order keep
 * the order of `views`. An unknown filter value matches nothing, as in Bacalhau. @throws RequestFault 400
 */
export function queryNodes(
  views: readonly NodeView[],
  parameters: URLSearchParams,
  now: Date,
  reader: Reader = 'muster',
): NodeView[] {
  const isWanted = readFilter(parameters);
  const order = orderOf(parameters.get('order_by') || 'id', reader);
  const sign = flagOf(parameters, 'reverse') ? -1 : 1;
  const limit = limitOf(parameters.get('limit') || '0');
  const shown = views.filter(view => isWanted(view, now)).sort((a, b) => sign * order(a, b));
  return limit === 0 ? shown : shown.slice(0, limit);
}

/**
 * Returns the function that says whether the filters in `parameters` choose a node at a time: by membership, status, conditions,
 * silence and labels. @throws RequestFault 400
 */
export function readFilter(parameters: URLSearchParams): ChoosesNode {
  const filter = filterOf(parameters);
  const selects = selectorOf(parameters.getAll('labels').filter(Boolean).join(','));
  return (node, now) => isChosen(node, filter, now) && selects(node.Info.Labels ?? {});
}

function selectorOf(text: string): Selector {
  try {
    return parseSelector(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, error.message);
  }
}

/**
 * Reads a true or false parameter as Go's strconv.ParseBool does. An absent one is false.
 * @throws RequestFault 400
 */
export function flagOf(parameters: URLSearchParams, name: string): boolean {
  const text = parameters.get(name) || 'false';
  if (/^(1|t|T|true|True|TRUE)$/.test(text)) return true;
  if (/^(0|f|F|false|False|FALSE)$/.test(text)) return false;
  throw new RequestFault(400, `${name} is neither true nor false`);
}

function filterOf(parameters: URLSearchParams): NodeFilter {
  // Bacalhau's clients send an empty value for no filter.
  const listOf = (name: string) => parameters.getAll(name).flatMap(text => text.split(',').filter(Boolean));
  return {
    approvals: listOf('filter-approval'),
    statuses: listOf('filter-status'),
    conditions: listOf('condition'),
    silentForMs: silenceOf(parameters.get('silent-for')),
  };
}

// An empty value is refused: whoever chooses silent nodes and means all of them leaves it out.
function silenceOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const silenceMs = parseDuration(text);
  if (silenceMs !== undefined) return silenceMs;
  throw new RequestFault(400, 'silent-for is not a time; allowed: like 30d, 12h, 1h30m');
}

type Order = (a: NodeView, b: NodeView) => number;

const orders: Readonly<Record<NodeOrder, Order>> = {
  id: by(view => view.Info.NodeID),
  type: by(view => (view.Info.NodeType === 'Requester' ? 0 : 1)),
  available_cpu: largest('CPU'),
  available_memory: largest('Memory'),
  available_disk: largest('Disk'),
  available_gpu: largest('GPU'),
  approval: by(view => view.Membership),
  status: by(view => healths.indexOf(view.Muster.Health)),
};

function orderOf(name: string, reader: Reader): Order {
  const order = nodeOrders.find(each => each === name);
  // Bacalhau itself sorts by the membership here, as `approval` does. Its user sees CONNECTED or DISCONNECTED.
  if (order === 'status' && reader === 'bacalhau') return by(view => view.Connection);
  if (order) return orders[order];
  throw new RequestFault(400, `invalid order_by; allowed: ${nodeOrders.join(', ')}`);
}

function by(key: (view: NodeView) => string | number): Order {
  return (a, b) => {
    const [x, y] = [key(a), key(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  };
}

function largest(resource: 'CPU' | 'Memory' | 'Disk' | 'GPU'): Order {
  const available = (view: NodeView): Resources => view.Info.ComputeNodeInfo.AvailableCapacity;
  return by(view => -(available(view)[resource] ?? 0));
}

function limitOf(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new RequestFault(400, 'limit is not a whole number');
}
