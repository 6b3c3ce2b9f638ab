// Filters and sorts a list of nodes by query parameters: those of Bacalhau's API, and `condition` and `silent-for`.
import { parseDuration } from '../../config/units.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { type NodeOrder, nodeOrders } from '../../protocol/http.ts';
import { parseSelector, type Selector } from '../../protocol/label-selector.ts';
import { type ChoosesNode, isChosen, type NodeFilter } from '../../protocol/node-filter.ts';
import { healths } from '../../protocol/node-state.ts';
import { ListedSeen } from '../directory/listed-seen.ts';
import { availableOf, connectionOf } from '../directory/node-view.ts';
import type { SeenNode } from '../directory/seen-node.ts';
import { inTurns } from './in-turns.ts';
import { RequestFault } from './problem.ts';

/** Whom the list is for. They see another status of a node: its health, or whether it is connected. */
export type Reader = 'muster' | 'bacalhau';

/**
 * Returns the nodes that match every filter, sorted, and not more than `limit`. Nodes that are equal in the order are sorted by
 * their ids. An unknown filter value matches nothing, as in Bacalhau. All nodes are as they were when it was called.
 * @throws RequestFault 400
 */
export async function queryNodes(
  nodes: Iterable<SeenNode>,
  parameters: URLSearchParams,
  now: Date,
  reader: Reader = 'muster',
): Promise<SeenNode[]> {
  // A node that comes or goes in a later turn changes nothing here.
  const all = [...nodes];
  const isWanted = readFilter(parameters);
  const order = orderOf(parameters.get('order_by') || 'id', reader);
  const isReverse = flagOf(parameters, 'reverse');
  const limit = limitOf(parameters.get('limit') || '0');
  const wanted = asksNothing(parameters) ? all : [];
  if (wanted !== all)
    for await (const some of inTurns(all))
      for (const node of some) if (isWanted(new ListedSeen(node), now)) wanted.push(node);
  const sorted = sortedBy(order, isReverse, wanted);
  return limit === 0 ? sorted : sorted.slice(0, limit);
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

/** The parameters that choose nodes. */
const filterNames = ['filter-approval', 'filter-status', 'condition', 'silent-for', 'labels'];

const asksNothing = (parameters: URLSearchParams): boolean =>
  !filterNames.some(name => parameters.getAll(name).some(Boolean));

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

/** Returns what nodes are sorted by, the smallest first. */
type Order = (node: SeenNode) => string | number;

const orders: Readonly<Record<NodeOrder, Order>> = {
  id: ({ id }) => id,
  type: ({ state }) => (state.Info.NodeType === 'Requester' ? 0 : 1),
  available_cpu: largest('CPU'),
  available_memory: largest('Memory'),
  available_disk: largest('Disk'),
  available_gpu: largest('GPU'),
  approval: ({ state }) => state.Membership,
  status: ({ health }) => healths.indexOf(health),
};

function orderOf(name: string, reader: Reader): Order {
  const order = nodeOrders.find(each => each === name);
  // Bacalhau itself sorts by the membership here, as `approval` does. Its user sees CONNECTED or DISCONNECTED.
  if (order === 'status' && reader === 'bacalhau') return ({ state, health }) => connectionOf(state, health);
  if (order) return orders[order];
  throw new RequestFault(400, `invalid order_by; allowed: ${nodeOrders.join(', ')}`);
}

function largest(resource: 'CPU' | 'Memory' | 'Disk' | 'GPU'): Order {
  return ({ state, health, resources }) =>
    -(availableOf(connectionOf(state, health), resources)[resource] ?? 0);
}

function sortedBy(order: Order, isReverse: boolean, nodes: SeenNode[]): SeenNode[] {
  const sorted = nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
  if (order === orders.id) return isReverse ? sorted.reverse() : sorted;
  const sign = isReverse ? -1 : 1;
  // The sort is stable, so nodes that are equal stay in the order of their ids.
  const keyed = sorted.map(node => ({ node, key: order(node) }));
  return keyed.sort((a, b) => sign * compare(a.key, b.key)).map(({ node }) => node);
}

const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);

function limitOf(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new RequestFault(400, 'limit is not a whole number');
}
