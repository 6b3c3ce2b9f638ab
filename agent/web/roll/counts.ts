// Counts the rows of the whole roll by what operators look for first.
import type { RollRow } from '../../protocol/roll-rows.ts';

/** A quick filter: how many nodes it chooses, and its parameters in the address. */
export interface Count {
  readonly title: string;
  readonly nodes: number;
  readonly query: Readonly<Record<string, string>>;
}

/** Returns the counts, those first that ask for something. A count of nothing is left out, except of all. */
export function countsOf(rows: Iterable<RollRow>): Count[] {
  let [all, pending, healthy, unhealthy, unknown, rejected] = [0, 0, 0, 0, 0, 0];
  for (const { type, approval, status } of rows) {
    all++;
    // A requester sends no heartbeats, so its health says nothing.
    if (type === 'Requester') continue;
    if (approval === 'PENDING') pending++;
    if (approval === 'REJECTED') rejected++;
    if (approval !== 'APPROVED') continue;
    if (status === 'HEALTHY') healthy++;
    else if (status === 'UNHEALTHY') unhealthy++;
    else unknown++;
  }
  const approved = (status: string) => ({ 'filter-approval': 'APPROVED', 'filter-status': status });
  const counts: Count[] = [
    { title: 'All', nodes: all, query: {} },
    { title: 'PENDING', nodes: pending, query: { 'filter-approval': 'PENDING' } },
    { title: 'UNHEALTHY', nodes: unhealthy, query: approved('UNHEALTHY') },
    { title: 'UNKNOWN', nodes: unknown, query: approved('UNKNOWN') },
    { title: 'HEALTHY', nodes: healthy, query: approved('HEALTHY') },
    { title: 'REJECTED', nodes: rejected, query: { 'filter-approval': 'REJECTED' } },
  ];
  return counts.filter(({ nodes, title }) => nodes > 0 || title === 'All');
}
