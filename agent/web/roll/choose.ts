// Says which rows a choice chooses. Rows are chosen by the same rule as the nodes of a selection on the command line.
import { filterParameters, isChosen } from '../../protocol/node-filter.ts';
import type { RollRow } from '../../protocol/roll-rows.ts';
import type { Choice } from './choice.ts';

/** Returns the function that says whether a row is chosen at the time `now`, in milliseconds since 1970. */
export function chooser(choice: Choice, now: number): (row: RollRow) => boolean {
  const { words, filter, selects, faults } = choice;
  if (faults.length > 0) return () => false;
  const date = new Date(now);
  // Thousands of rows are looked at each time, so what nobody asks for is not looked at.
  const isFiltered = Object.keys(filterParameters(filter)).length > 0;
  return row =>
    words.every(word => searchedText(row).includes(word)) &&
    (!isFiltered || isChosen(asNode(row, now), filter, date)) &&
    (selects?.(labelsOf(row)) ?? true);
}

const searchedTexts = new WeakMap<RollRow['labels'], { row: RollRow; text: string }>();

/** Returns all that a search looks at, in small letters. Rows that differ only in figures share it. */
function searchedText(row: RollRow): string {
  const known = searchedTexts.get(row.labels);
  if (known && isSameText(known.row, row)) return known.text;
  const { id, host, address, fingerprint, joinCode, version, machine, labels, notes, gpus } = row;
  const parts = [
    ...[id, host, address, fingerprint, joinCode, version, machine.os, machine.arch, machine.cpuModel],
    ...notes.map(({ text }) => text),
    ...labels.map(({ key, value }) => `${key}=${value}`),
    ...new Set(gpus.map(({ name }) => name)),
  ];
  const text = parts.filter(Boolean).join('\n').toLowerCase();
  searchedTexts.set(row.labels, { row, text });
  return text;
}

const searchedMembers = [
  'host',
  'address',
  'fingerprint',
  'joinCode',
  'version',
  'machine',
  'notes',
  'gpus',
] as const;

const isSameText = (a: RollRow, b: RollRow): boolean =>
  a === b || (a.id === b.id && searchedMembers.every(name => a[name] === b[name]));

const labelMaps = new WeakMap<RollRow['labels'], Readonly<Record<string, string>>>();

/** Returns the labels of a row by their keys. */
export function labelsOf({ labels }: RollRow): Readonly<Record<string, string>> {
  const known = labelMaps.get(labels);
  if (known) return known;
  // A key may be `__proto__`, because a node may send any text.
  const map: Record<string, string> = Object.create(null);
  for (const { key, value } of labels) map[key] = value;
  labelMaps.set(labels, map);
  return map;
}

/** Returns a row in the form in which the rule reads nodes. */
const asNode = ({ type, approval, status, conditions, heardAt }: RollRow, now: number) => ({
  Membership: approval,
  Connection: status === 'HEALTHY' ? 'CONNECTED' : 'DISCONNECTED',
  Info: { NodeType: type, Conditions: conditions.map(condition => ({ Type: condition.type })) },
  Muster: { Health: status, Silence: heardAt === null ? undefined : Math.max(0, now - heardAt) },
});
