// Counts the nodes of the roll. However many nodes there are, and whatever they say of themselves, the number of figures stays
// small.
import {
  type Health,
  healths,
  type Membership,
  memberships,
  type NodeState,
} from '../../protocol/node-state.ts';

export interface NodeCounts {
  /** Number of compute nodes by membership and health. */
  readonly nodes: readonly { membership: Membership; health: Health; count: number }[];
  /** Number of approved nodes that are cordoned. */
  readonly cordoned: number;
  /** Number of approved nodes that have each condition; those that a few nodes made up stand under `other`. */
  readonly conditions: readonly { condition: string; count: number }[];
}

/** Number of kinds of conditions that are counted by their names. A node may send any names. */
const mostConditions = 32;

/** Counts the records. `healthOf` says how a node is now. */
export function countNodes(records: Iterable<NodeState>, healthOf: (id: string) => Health): NodeCounts {
  const counts = new Map<string, number>();
  const conditions = new Map<string, number>();
  let cordoned = 0;
  for (const { Info, Membership, Muster } of records) {
    if (Info.NodeType === 'Requester') continue;
    add(counts, `${Membership} ${healthOf(Info.NodeID)}`);
    if (Membership !== 'APPROVED') continue;
    if (Muster?.Cordon) cordoned++;
    for (const type of new Set(Info.Conditions?.map(({ Type }) => Type))) add(conditions, type);
  }
  return {
    nodes: memberships.flatMap(membership =>
      healths.map(health => ({ membership, health, count: counts.get(`${membership} ${health}`) ?? 0 })),
    ),
    cordoned,
    conditions: boundedConditions(conditions),
  };
}

function boundedConditions(counts: ReadonlyMap<string, number>): NodeCounts['conditions'] {
  const sorted = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const named = sorted.slice(0, mostConditions).map(([condition, count]) => ({ condition, count }));
  const rest = sorted.slice(mostConditions).reduce((sum, [, count]) => sum + count, 0);
  return rest === 0 ? named : [...named, { condition: 'other', count: rest }];
}

const add = (counts: Map<string, number>, key: string): void =>
  void counts.set(key, (counts.get(key) ?? 0) + 1);
