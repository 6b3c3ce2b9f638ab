// Makes the tables of `node list`, plain and wide. On a terminal they have only what fits into its width.
import { ColumnPrinter, type PrintedColumn } from '../../../output/column-printer.ts';
import {
  hostColumn,
  type ListFacts,
  type NodeColumn,
  noteColumn,
  ownColumns,
} from '../../../output/node-columns.ts';
import type { ListedNode } from '../../../protocol/listed-node.ts';
import { labelColumn, middleColumns } from './wide-columns.ts';

export interface TableLook {
  isWide: boolean;
  hasHeader: boolean;
  /** The width of the terminal in characters; undefined when there is none. */
  total: number | undefined;
}

/** Returns a printer for the table of a list. */
export function nodeTable(facts: ListFacts, look: TableLook): ColumnPrinter<ListedNode> {
  const columns = look.isWide
    ? [...ownColumns, host, ...middleColumns, note, labelColumn]
    : [...ownColumns, host, note];
  return new ColumnPrinter({ ...look, columns: columns.map(column => printed(column, facts, look)) });
}

/** In both tables the note matters most, and then the host, by which people know the machine. */
const note = { ...noteColumn, rank: 0, least: 10 };
const host = { ...hostColumn, rank: 1, least: 10 };

function printed(
  { cell, ...column }: NodeColumn & Pick<PrintedColumn<ListedNode>, 'rank' | 'least' | 'isOptional'>,
  facts: ListFacts,
  { isWide, total }: TableLook,
): PrintedColumn<ListedNode> {
  const width = Object.hasOwn(facts.widths, column.title) ? facts.widths[column.title] : undefined;
  // Without a terminal the wide table always has the same columns, also those that say nothing.
  const isAlways = isWide && total === undefined;
  return { ...column, cell: node => cell(node, facts), width: isAlways && width === 0 ? 1 : width };
}
