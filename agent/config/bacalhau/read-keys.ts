// Finds the keys of Bacalhau in a configuration file: each with its line and what becomes of it.
import { isAlias, isCollection, isMap, isScalar, type Node, type Pair, type YAMLMap } from 'yaml';
import { printable } from '../../system/printable.ts';
import { findNearest } from '../nearest.ts';
import { isEmpty, readDocument, scalarText } from '../yaml-document.ts';
import { bacalhauKeys, type KeyMapping } from './key-table.ts';

/** A key that has a value. */
export interface FoundKey {
  /** As the file spells it, fit for a terminal. */
  readonly key: string;
  readonly line: number;
  /** Its place in the table: of two that say the same, the lower counts. */
  readonly rank: number;
  readonly mapping: KeyMapping;
  readonly value: Node;
  /** Of a key or value in it. */
  lineOf(node: Node): number;
}

export interface BacalhauFile {
  /** undefined when none of the keys is known. */
  readonly generation: string | undefined;
  readonly found: FoundKey[];
  /** Keys that are no keys of Bacalhau, and why. */
  readonly unknown: { readonly key: string; readonly line: number; readonly why: string }[];
  /** Why there is nothing to read; a line each. */
  readonly faults: string[];
}

const names = Object.keys(bacalhauKeys);
const rows = new Map(
  Object.entries(bacalhauKeys).map(([name, mapping], rank) => [name.toLowerCase(), { rank, mapping }]),
);
const groups = new Set(names.flatMap(name => above(name.toLowerCase()).slice(1)));
const maxSuggestions = 50;
const oldest = new Set(['node', 'user', 'metrics', 'update', 'auth']);

/** Takes `text` apart, the content of the file at `path`. Aliases are not followed. */
export function readBacalhau(text: string, path: string): BacalhauFile {
  const file = readDocument(text, path);
  const reader = new Reader(file.line);
  if (isMap(file.contents)) reader.walk(file.contents, '');
  const { found, unknown } = reader;
  return { generation: generationOf(found), found, unknown, faults: file.faults };
}

class Reader {
  readonly found: FoundKey[] = [];
  readonly unknown: { key: string; line: number; why: string }[] = [];
  private readonly lineOf: (node: Node) => number;
  private readonly seen = new Map<string, number>();

  constructor(lineOf: (node: Node) => number) {
    this.lineOf = lineOf;
  }

  walk(map: YAMLMap, prefix: string): void {
    for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
      const path = `${prefix}${scalarText(key)}`;
      if (value === null || isUnset(value)) continue;
      const own = rows.get(path.toLowerCase());
      const group = own === undefined || 'dropped' in own.mapping;
      if (isMap(value) && group) this.walk(value, `${path}.`);
      else this.leaf(path, this.lineOf(key), value);
    }
  }

  private leaf(path: string, line: number, value: Node): void {
    const key = shownKey(path);
    const lower = path.toLowerCase();
    const row = rowOf(lower);
    const why = this.whyNot(path, lower, row !== undefined, value);
    if (row && why === undefined) this.found.push({ key, line, ...row, value, lineOf: this.lineOf });
    else this.unknown.push({ key, line, why: why ?? '' });
    this.seen.set(lower, this.seen.get(lower) ?? line);
  }

  private whyNot(path: string, lower: string, known: boolean, value: Node): string | undefined {
    const first = this.seen.get(lower);
    if (first !== undefined) return `it is given twice; the first is on line ${first}`;
    if (isAlias(value)) return 'it is an alias, which is not followed; write out what it stands for';
    if (known) return undefined;
    if (groups.has(lower)) return 'it is a group of keys in Bacalhau, and something else here';
    const near = this.unknown.length < maxSuggestions ? findNearest(path, names) : undefined;
    return `Bacalhau has no such key${near ? `; did you mean ${near}?` : ''}`;
  }
}

/** Bacalhau writes out its defaults as nothing, `""`, `[]` and `{}`. */
function isUnset(node: Node): boolean {
  if (isCollection(node)) return node.items.length === 0;
  return isEmpty(node) || (isScalar(node) && node.value === '');
}

/** The row of the key itself, else of the nearest group above it, if that is dropped as a whole. */
function rowOf(lower: string): { rank: number; mapping: KeyMapping } | undefined {
  const [own, ...groups] = above(lower).map(path => rows.get(path));
  if (own) return own;
  const group = groups.find(row => row !== undefined);
  return group && 'dropped' in group.mapping ? group : undefined;
}

/** `a.b.c`, `a.b`, `a`. */
function above(path: string): string[] {
  const parts = path.split('.');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('.'));
}

/** `token:abc` is a key without a value, and what follows the colon was meant to be one. */
function shownKey(path: string): string {
  return printable(path.split(':', 1)[0] ?? '', 200);
}

function generationOf(found: readonly FoundKey[]): string | undefined {
  const tops = new Set(found.map(({ key }) => oldest.has((key.split('.')[0] ?? '').toLowerCase())));
  if (tops.size === 2) return 'of both generations';
  return tops.size === 0 ? undefined : tops.has(true) ? 'up to 1.4' : 'from 1.5 on';
}
