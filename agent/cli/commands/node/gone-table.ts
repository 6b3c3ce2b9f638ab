// Shows the nodes that are gone as a table. On a terminal it has only what fits into its width.
import { ColumnPrinter, type PrintedColumn } from '../../../output/column-printer.ts';
import { operatorText } from '../../../protocol/operator-text.ts';
import type { GoneNode } from '../../../protocol/tombstone.ts';
import { agoText } from '../../../protocol/unit-text.ts';
import { printable } from '../../../system/printable.ts';

export interface GoneLook {
  hasHeader: boolean;
  /** The width of the terminal in characters; undefined when there is none. */
  total: number | undefined;
}

/** Returns a printer for the table. `now` is the present time. */
export function goneTable(now: Date, look: GoneLook): ColumnPrinter<GoneNode> {
  const columns: PrintedColumn<GoneNode>[] = [
    { title: 'ID', cell: ({ NodeID }) => NodeID },
    { title: 'WAS', cell: ({ Membership = '' }) => Membership },
    {
      title: 'GONE',
      cell: ({ Forgotten, GoneAt }) => `${Forgotten ? 'forgotten' : 'deleted'} ${agoText(GoneAt, now)}`,
    },
    {
      title: 'LAST HEARD',
      rank: 1,
      cell: ({ LastSeenAt }) => (LastSeenAt ? agoText(LastSeenAt, now) : 'never'),
    },
    { title: 'BY', rank: 2, least: 8, cell: ({ Actor, ClaimedActor }) => operatorText(Actor, ClaimedActor) },
    // Why it went matters most after what it was.
    { title: 'REASON', rank: 0, least: 10, cell: ({ Reason }) => Reason },
  ];
  const safe = columns.map(column => ({ ...column, cell: (node: GoneNode) => printable(column.cell(node)) }));
  return new ColumnPrinter({ ...look, columns: safe });
}
