// Says which nodes a filter chooses. The requester chooses by it, and so do the commands again: a server that does not know a
// filter leaves it out, and would name every node.
import { silenceOf } from './node-silence.ts';

/** A filter of nodes. A node must meet every member; of a list one value is enough, and an empty list asks for nothing. */
export interface NodeFilter {
  approvals: readonly string[];
  /** HEALTHY, UNHEALTHY or UNKNOWN, or Bacalhau's CONNECTED and DISCONNECTED. */
  statuses: readonly string[];
  /** The types of conditions. */
  conditions: readonly string[];
  /** The shortest time since the last sign of life, in milliseconds. */
  silentForMs?: number | undefined;
}

/** What a filter reads of a node. */
export interface FilteredNode {
  Membership: string;
  Connection: string;
  ConnectionState?: { LastHeartbeat: string } | undefined;
  Info: {
    NodeType?: string;
    Conditions?: readonly { Type: string }[] | undefined;
    Labels?: Readonly<Record<string, string>> | null | undefined;
  };
  Muster?: { Health: string; Silence?: number | undefined } | undefined;
}

/** Says whether a selection chooses a node at the time `now`. */
export type ChoosesNode = (node: FilteredNode, now: Date) => boolean;

/**
 * Returns whether the filter chooses the node at the time `now`. Upper and lower case are the same. An unknown value chooses
 * nothing.
 */
export function isChosen(node: FilteredNode, filter: NodeFilter, now: Date): boolean {
  const { Membership, Connection, Info, Muster } = node;
  const types = Info.Conditions?.map(({ Type }) => Type) ?? [];
  return (
    meets(filter.approvals, [Membership]) &&
    meets(filter.statuses, [Connection, Muster?.Health ?? healthIn(Connection)]) &&
    meets(filter.conditions, types) &&
    (filter.silentForMs === undefined || isSilentFor(silenceOf(node, now), filter.silentForMs))
  );
}

/** Returns the parameters of the API for the filter. The API takes several values with commas between them. */
export function filterParameters(filter: NodeFilter): Record<string, string> {
  const { approvals, statuses, conditions, silentForMs } = filter;
  return {
    ...listed('filter-approval', approvals),
    ...listed('filter-status', statuses),
    ...listed('condition', conditions),
    ...(silentForMs === undefined ? {} : { 'silent-for': `${silentForMs}ms` }),
  };
}

/** The health of a node by the word of an orchestrator of Bacalhau, which does not tell a silent node from a lost one. */
const healthIn = (connection: string): string => (connection === 'CONNECTED' ? 'HEALTHY' : '');

function meets(wanted: readonly string[], found: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const upper = found.map(word => word.toUpperCase());
  return wanted.some(word => upper.includes(word.toUpperCase()));
}

// A node that was never heard is not chosen, because nobody knows for how long it has been silent.
const isSilentFor = (silenceMs: number | undefined, wantedMs: number): boolean =>
  silenceMs !== undefined && silenceMs >= wantedMs;

const listed = (name: string, values: readonly string[]): Record<string, string> =>
  values.length === 0 ? {} : { [name]: values.join(',') };
