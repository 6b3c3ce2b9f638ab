// What the list shows now, as signals: the choice of the address, the lines that follow from it and the rows, and which node has
// the mark. The lines are made once for each change that the browser draws.
import { computed, signal } from '@preact/signals';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { frame, requesterNow, second, store } from '../feed/roll.ts';
import { place } from '../shell/place.ts';
import { arrange, compareNames } from './arrange.ts';
import { readChoice } from './choice.ts';
import { chooser } from './choose.ts';

/** The choice of the address. */
export const choice = computed(() => readChoice(place.value.query));

/** The groups whose nodes are not shown. */
export const closedGroups = signal<ReadonlySet<string>>(new Set());

/** The ids of the selected nodes. */
export const selected = signal<ReadonlySet<string>>(new Set());

/** The id of the node with the mark, which the keys are about; empty for none. */
export const marked = signal('');

let sortedIds: string[] = [];
let sortedVersion = -1;

/** Returns the rows sorted by their ids. Ids are sorted again only when a node came or went. */
function rowsById(): RollRow[] {
  if (sortedVersion !== store.idsVersion) {
    sortedVersion = store.idsVersion;
    sortedIds = [...store.rows.keys()].sort(compareNames);
  }
  const rows: RollRow[] = [];
  for (const id of sortedIds) {
    const row = store.rows.get(id);
    if (row) rows.push(row);
  }
  return rows;
}

/** The chosen rows, in the order of their ids. */
const chosenRows = computed(() => {
  frame.value;
  // A node is silent for longer although nothing comes of it.
  if (choice.value.filter.silentForMs !== undefined) second.value;
  return rowsById().filter(chooser(choice.value, requesterNow()));
});

/** The lines of the list. */
export const items = computed(() => arrange(chosenRows.value, choice.value, closedGroups.value));

/** The rows of the lines, in their order. */
export const listedRows = computed(() => {
  const rows: RollRow[] = [];
  for (const item of items.value) if (item.kind === 'node') rows.push(item.row);
  return rows;
});

/** The selected rows that are still on the roll. */
export const selectedRows = computed(() => {
  frame.value;
  return [...selected.value].flatMap(id => store.rows.get(id) ?? []);
});

/** The row with the mark; undefined when it is not in the list. */
export const markedRow = computed(() => listedRows.value.find(({ id }) => id === marked.value));

/** Whether the node with the mark is in the list. */
export const isMarkListed = computed(() => markedRow.value !== undefined);

export function toggleSelected(id: string): void {
  const next = new Set(selected.peek());
  if (!next.delete(id)) next.add(id);
  selected.value = next;
}

/** Selects all nodes from the one with the mark to this one. */
export function selectUntil(id: string): void {
  const ids = listedRows.peek().map(row => row.id);
  const [from, to] = [ids.indexOf(marked.peek()), ids.indexOf(id)].sort((a, b) => a - b);
  const between = ids.slice(Math.max(0, from ?? 0), (to ?? 0) + 1);
  selected.value = new Set([...selected.peek(), ...between]);
}

export function toggleGroup(group: string): void {
  const next = new Set(closedGroups.peek());
  if (!next.delete(group)) next.add(group);
  closedGroups.value = next;
}

/** Moves the mark by some nodes; to the first or last one with an infinite number. */
export function moveMark(by: number): void {
  const rows = listedRows.peek();
  const index = rows.findIndex(row => row.id === marked.peek());
  const next = index < 0 ? (by > 0 ? 0 : rows.length - 1) : index + by;
  marked.value = rows[Math.min(rows.length - 1, Math.max(0, next))]?.id ?? '';
}
