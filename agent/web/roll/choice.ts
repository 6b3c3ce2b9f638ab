// Reads from an address which nodes are shown, in which order, and in which groups. The names are those of the command line.
import { parseDuration } from '../../protocol/duration.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { parseSelector, type Selector } from '../../protocol/label-selector.ts';
import type { NodeFilter } from '../../protocol/node-filter.ts';
import { shellLine } from '../../system/shell-word.ts';

/** What the list can be sorted by. Where the API has such an order too, it has the same name. */
export const orders = [
  'id',
  'approval',
  'status',
  'available_cpu',
  'available_memory',
  'available_disk',
  'available_gpu',
  'heard',
] as const;
export type Order = (typeof orders)[number];

/** What the address chooses. */
export interface Choice {
  /** The words that a node must have somewhere, in small letters. */
  readonly words: readonly string[];
  readonly filter: NodeFilter;
  /** Undefined when the labels do not matter. */
  readonly selects: Selector | undefined;
  readonly order: Order;
  readonly isReverse: boolean;
  /** The key of the label that makes the groups; empty when there are none. */
  readonly group: string;
  /** What cannot be read, a sentence each. Then no node is chosen, so nothing is decided about nodes that nobody meant. */
  readonly faults: readonly string[];
}

/** The parameters that choose nodes, as flags of the command line have them. */
export const filterNames = ['labels', 'filter-approval', 'filter-status', 'condition', 'silent-for'] as const;

/** Reads the query of an address. */
export function readChoice(query: URLSearchParams): Choice {
  const text = (name: string) => query.get(name)?.trim() ?? '';
  const list = (name: string) => query.getAll(name).flatMap(each => each.split(',').filter(Boolean));
  const faults: string[] = [];
  const silence = text('silent-for');
  const silentForMs = parseDuration(silence);
  if (silence !== '' && silentForMs === undefined)
    faults.push(`"${silence}" is no time of silence; write it like 30d, 12h or 1h30m`);
  return {
    words: text('search').toLowerCase().split(/\s+/).filter(Boolean),
    filter: {
      approvals: list('filter-approval'),
      statuses: list('filter-status'),
      conditions: list('condition'),
      silentForMs,
    },
    selects: readSelector(query.getAll('labels').filter(Boolean).join(','), faults),
    order: orders.find(each => each === text('sort')) ?? 'id',
    isReverse: text('reverse') === 'true',
    group: text('group'),
    faults,
  };
}

/** Returns the command that lists the same nodes. A search and groups have no flags. */
export function listCommand(query: URLSearchParams): string {
  const flags = filterNames.flatMap(name => {
    const value = query.getAll(name).filter(Boolean).join(',');
    return value === '' ? [] : [`--${name}=${value}`];
  });
  return shellLine(['muster', 'node', 'list', ...flags]);
}

/** Whether a query leaves out nodes. */
export const isFiltering = (query: URLSearchParams): boolean =>
  ['search', ...filterNames].some(name => (query.get(name) ?? '') !== '');

function readSelector(text: string, faults: string[]): Selector | undefined {
  if (text === '') return undefined;
  try {
    return parseSelector(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    faults.push(error.message);
    return () => false;
  }
}
