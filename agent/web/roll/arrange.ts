// Arranges the chosen rows: those that wait for approval first, then the groups, each sorted.
import type { RollRow } from '../../protocol/roll-rows.ts';
import type { Choice, Order } from './choice.ts';
import { labelsOf } from './choose.ts';

/** A line of the list: a heading, or a node. */
export type Item =
  | {
      readonly kind: 'heading';
      readonly group: string;
      readonly title: string;
      readonly rows: readonly RollRow[];
    }
  | { readonly kind: 'node'; readonly row: RollRow };

/** The group of the nodes that wait for approval. No label has such a key. */
const pendingGroup = ' pending';

/**
 * Returns the lines for rows that are sorted by their ids. The nodes of a group in `closed` are left out, and its heading
 * stays.
 */
export function arrange(
  rows: readonly RollRow[],
  { order, isReverse, group }: Pick<Choice, 'order' | 'isReverse' | 'group'>,
  closed: ReadonlySet<string>,
): Item[] {
  const sorted = sortedRows(rows, order, isReverse);
  const pending = sorted.filter(isPending);
  const others = pending.length === 0 ? sorted : sorted.filter(row => !isPending(row));
  const items: Item[] = [];
  const add = (name: string, title: string, members: readonly RollRow[]) => {
    items.push({ kind: 'heading', group: name, title, rows: members });
    if (!closed.has(name)) for (const row of members) items.push({ kind: 'node', row });
  };
  if (pending.length > 0) add(pendingGroup, 'Waiting for approval', pending);
  if (group !== '') {
    for (const [value, members] of groupsOf(others, group))
      add(
        value === undefined ? '' : `=${value}`,
        value === undefined ? `no label ${group}` : `${group}=${value}`,
        members,
      );
  } else if (pending.length > 0 && others.length > 0) add('', 'Decided', others);
  else for (const row of others) items.push({ kind: 'node', row });
  return items;
}

const isPending = ({ approval }: RollRow): boolean => approval === 'PENDING';

/** Returns the rows by the value of a label, sorted by it; those that do not have it are last. */
function groupsOf(rows: readonly RollRow[], key: string): [string | undefined, RollRow[]][] {
  const groups = new Map<string | undefined, RollRow[]>();
  for (const row of rows) {
    const value = labelsOf(row)[key];
    const members = groups.get(value);
    if (members) members.push(row);
    else groups.set(value, [row]);
  }
  return [...groups].sort(([a], [b]) => (a === undefined ? 1 : b === undefined ? -1 : compareNames(a, b)));
}

const statuses = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN'];
const approvals = ['PENDING', 'APPROVED', 'REJECTED'];

/** What rows are sorted by. Of resources the largest comes first, as on the command line, and of times the latest. */
const keys: Readonly<Record<Exclude<Order, 'id'>, (row: RollRow) => number>> = {
  approval: ({ approval }) => approvals.indexOf(approval),
  status: ({ status }) => statuses.indexOf(status),
  available_cpu: ({ available }) => -available.cpu,
  available_memory: ({ available }) => -available.memory,
  available_disk: ({ available }) => -available.disk,
  available_gpu: ({ available }) => -available.gpu,
  heard: ({ heardAt }) => -(heardAt ?? 0),
};

function sortedRows(rows: readonly RollRow[], order: Order, isReverse: boolean): readonly RollRow[] {
  if (order === 'id') return isReverse ? rows.toReversed() : rows;
  const key = keys[order];
  const sign = isReverse ? -1 : 1;
  // The sort is stable, so rows that are equal stay in the order of their ids.
  const keyed = rows.map(row => ({ row, key: key(row) })).sort((a, b) => sign * (a.key - b.key));
  return keyed.map(({ row }) => row);
}

const collator = new Intl.Collator('en', { numeric: true });

/** Compares two names as people count: `n-9` comes before `n-10`. */
export const compareNames = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : 1);
