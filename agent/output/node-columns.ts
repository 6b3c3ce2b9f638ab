// Defines the columns of the plain table of nodes: those of Bacalhau in its formats, then the host, and what is to be noted.
import { type ListedNode, statusOf } from '../protocol/listed-node.ts';
import { printable } from '../system/printable.ts';
import { type NoteFacts, noteOf } from './node-note.ts';
import { widthOf } from './table.ts';

/** A column. `cell` may return an empty text when there is nothing to show. */
export interface NodeColumn {
  readonly title: string;
  cell(node: ListedNode, facts: NoteFacts): string;
}

/** The facts about a whole list that its rows need. */
export interface ListFacts extends NoteFacts {
  /**
   * The width that each column needs in this list, in characters, by its title; 0 for a column that says nothing in it. A
   * column without a width is measured.
   */
  readonly widths: Readonly<Record<string, number>>;
}

/** The columns that are always shown. */
export const ownColumns: readonly NodeColumn[] = [
  { title: 'ID', cell: ({ Info }) => Info.NodeID },
  { title: 'TYPE', cell: ({ Info }) => Info.NodeType },
  { title: 'APPROVAL', cell: ({ Membership }) => Membership },
  { title: 'STATUS', cell: statusOf },
];

export const hostColumn: NodeColumn = { title: 'HOST', cell: node => hostOf(node) };
export const noteColumn: NodeColumn = { title: 'NOTE', cell: noteOf };

/** Returns the name of the machine, as the node sends it. */
export const hostOf = ({ Info }: ListedNode): string => printable(Info.Hostname ?? '', 255);

/** Returns the facts about a list. `now` is the present time. */
export function factsOf(nodes: readonly ListedNode[], now: Date): ListFacts {
  const requesters = nodes.filter(({ Info }) => Info.NodeType === 'Requester').length;
  const widths: Record<string, number> = {};
  for (const { title, cell } of [...ownColumns, hostColumn, noteColumn]) {
    let width = 0;
    for (const node of nodes) width = Math.max(width, widthOf(cell(node, { now, requesters })));
    widths[title] = width;
  }
  return { now, requesters, widths: areHostsNews(nodes) ? widths : { ...widths, HOST: 0 } };
}

/** Whether the hosts say anything: not when each node has the name of its host, nor when several nodes share a single host. */
function areHostsNews(nodes: readonly ListedNode[]): boolean {
  const hosts = new Set(nodes.map(hostOf));
  if (nodes.length > 1 && hosts.size === 1) return false;
  return nodes.some(node => hostOf(node) !== '' && hostOf(node) !== node.Info.NodeID);
}
