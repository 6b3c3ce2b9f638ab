// Counts the roll: nodes by approval and status, what they offer and have free, and which versions they run.
import type { RollAmounts, RollRow } from '../../protocol/roll-rows.ts';

export interface Census {
  /** Number of the compute nodes. */
  readonly nodes: number;
  /** Number of nodes with this approval and status, such as `APPROVED HEALTHY`. */
  readonly byState: ReadonlyMap<string, number>;
  /** Number of nodes that have something to be noted, by what it is, the most frequent first. */
  readonly notes: readonly [what: string, nodes: number][];
  /** Number of nodes that may be given work: approved, alive and not cordoned. */
  readonly ready: number;
  /** What these nodes offer in all, and have free. */
  readonly capacity: RollAmounts;
  readonly free: RollAmounts;
  /** Number of nodes with each version, the most frequent first. */
  readonly versions: readonly [version: string, nodes: number][];
}

/** Counts the rows. Requesters compute nothing, so they are left out. */
export function takeCensus(rows: Iterable<RollRow>): Census {
  const byState = new Map<string, number>();
  const versions = new Map<string, number>();
  const notes = new Map<string, number>();
  const capacity = noAmounts();
  const free = noAmounts();
  let nodes = 0;
  let ready = 0;
  for (const row of rows) {
    if (row.type === 'Requester') continue;
    nodes++;
    countUp(byState, `${row.approval} ${row.status}`);
    countUp(versions, row.version || 'not known');
    for (const { what } of row.notes) countUp(notes, what);
    if (row.approval !== 'APPROVED' || row.status !== 'HEALTHY' || !row.schedulable) continue;
    ready++;
    add(capacity, row.capacity);
    add(free, row.available);
  }
  return { nodes, byState, ready, capacity, free, notes: byCount(notes), versions: byCount(versions) };
}

const noAmounts = (): RollAmounts => ({ cpu: 0, memory: 0, disk: 0, gpu: 0 });

function add(sum: RollAmounts, { cpu, memory, disk, gpu }: RollAmounts): void {
  sum.cpu += cpu;
  sum.memory += memory;
  sum.disk += disk;
  sum.gpu += gpu;
}

const countUp = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

const byCount = (counts: Map<string, number>): [string, number][] =>
  [...counts].sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1));
