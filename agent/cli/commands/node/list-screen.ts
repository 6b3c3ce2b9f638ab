// Draws a list of nodes again and again in the same place of a terminal.
import type { ListFacts } from '../../../output/node-columns.ts';
import type { ListedNode } from '../../../protocol/listed-node.ts';
import { nodeTable, type TableLook } from './list-table.ts';

/** The size of a terminal, in characters. */
export interface ScreenSize {
  columns: number;
  rows: number;
}

/** Moves the cursor up by some lines, and erases all below it. */
const backUp = (lines: number): string => (lines > 0 ? `\u001b[${lines}A\u001b[J` : '');

export class ListScreen {
  #drawn = 0;

  /** Returns the text that puts the list in the place of the one before. `footer` is the line below it. */
  draw(
    nodes: readonly ListedNode[],
    facts: ListFacts,
    look: Pick<TableLook, 'isWide' | 'hasHeader'>,
    footer: string,
    { columns, rows }: ScreenSize,
  ): string {
    const table = nodeTable(facts, { ...look, total: columns });
    const lines = (nodes.map(node => table.add(node)).join('') + table.end()).split('\n').slice(0, -1);
    // The footer has a line, and the cursor stands in another one.
    const room = Math.max(1, rows - 2);
    const hidden = Math.max(0, lines.length - room);
    const shown = hidden > 0 ? lines.slice(0, room) : lines;
    const more = hidden > 0 ? `${hidden} more below; ` : '';
    // A line that is wrapped would take two lines, and the next drawing would begin too low.
    const text = [...shown, more + footer].map(line => `${[...line].slice(0, columns).join('')}\n`);
    const before = backUp(this.#drawn);
    this.#drawn = text.length;
    return before + text.join('');
  }
}
