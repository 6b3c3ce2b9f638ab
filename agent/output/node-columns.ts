// Defines the columns of the plain table of nodes: those of Bacalhau in its formats, then the host, and what is to be noted.
import { type BriefNode, type ListedNode, statusOf } from '../protocol/listed-node.ts';
import { printable } from '../system/printable.ts';
import { type NoteFacts, noteOf } from './node-note.ts';
import { widthOf } from './table.ts';

/** A column. `cell` may return an empty text when there is nothing to show. */
export interface NodeColumn<Node = ListedNode> {
  readonly title: string;
  cell(node: Node, facts: NoteFacts): string;
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
export const ownColumns: readonly NodeColumn<BriefNode>[] = [
  { title: 'ID', cell: ({ Info }) => Info.NodeID },
  { title: 'TYPE', cell: ({ Info }) => Info.NodeType },
  { title: 'APPROVAL', cell: ({ Membership }) => Membership },
  { title: 'STATUS', cell: statusOf },
];

export const hostColumn: NodeColumn<BriefNode> = { title: 'HOST', cell: node => hostOf(node) };
export const noteColumn: NodeColumn<BriefNode> = { title: 'NOTE', cell: noteOf };

/** Returns the name of the machine, as the node sends it. */
export const hostOf = ({ Info }: BriefNode): string => printable(Info.Hostname ?? '', 255);

/** Returns the facts about a list. `now` is the present time. */
export function factsOf(nodes: readonly BriefNode[], now: Date): ListFacts {
  const collector = new FactsCollector(now);
  for (const node of nodes) collector.add(node);
  return collector.facts();
}

/** Collects the facts about a list, a node at a time. */
export class FactsCollector {
  /** Requesters are noted at the end, because what is noted of them depends on their number. */
  readonly #requesters: BriefNode[] = [];
  readonly #facts: NoteFacts;
  /** The widths of `ownColumns`, in their order. */
  readonly #ownWidths = ownColumns.map(() => 0);
  #hostWidth = 0;
  #noteWidth = 0;
  #nodes = 0;
  #firstHost = '';
  #isOneHost = true;
  #isHostNews = false;

  /** `now` is the present time. */
  constructor(now: Date) {
    this.#facts = { now, requesters: 0 };
  }

  add(node: BriefNode): void {
    for (let column = 0; column < ownColumns.length; column++)
      this.#ownWidths[column] = widened(this.#ownWidths[column], ownColumns[column]?.cell(node, this.#facts));
    this.#addHost(node);
    if (node.Info.NodeType === 'Requester') this.#requesters.push(node);
    else this.#noteWidth = widened(this.#noteWidth, noteOf(node, this.#facts));
  }

  facts(): ListFacts {
    const facts = { ...this.#facts, requesters: this.#requesters.length };
    for (const node of this.#requesters) this.#noteWidth = widened(this.#noteWidth, noteOf(node, facts));
    const own = ownColumns.map(({ title }, column) => [title, this.#ownWidths[column] ?? 0]);
    const host = this.#areHostsNews ? this.#hostWidth : 0;
    const widths = {
      ...Object.fromEntries(own),
      [hostColumn.title]: host,
      [noteColumn.title]: this.#noteWidth,
    };
    return { ...facts, widths };
  }

  #addHost(node: BriefNode): void {
    const host = hostOf(node);
    if (this.#nodes++ === 0) this.#firstHost = host;
    this.#isOneHost &&= host === this.#firstHost;
    this.#isHostNews ||= host !== '' && host !== node.Info.NodeID;
    this.#hostWidth = widened(this.#hostWidth, host);
  }

  /** Whether the hosts say anything: not when each node has the name of its host, nor when several nodes share a single host. */
  get #areHostsNews(): boolean {
    return this.#isHostNews && (this.#nodes === 1 || !this.#isOneHost);
  }
}

/** Returns the width of a column with one more cell. */
function widened(width = 0, cell = ''): number {
  // A text is never wider than it is long, and most texts are no longer than one before.
  return cell.length > width ? Math.max(width, widthOf(cell)) : width;
}
