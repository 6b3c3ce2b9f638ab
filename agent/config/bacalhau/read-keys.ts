// Finds the keys of Bacalhau in a configuration file, each with its line and its mapping.
import { isAlias, isCollection, isMap, isScalar, type Node, type Pair, type YAMLMap } from 'yaml';
import { printable } from '../../system/printable.ts';
import { findNearest } from '../nearest.ts';
import { isEmpty, readDocument, scalarText } from '../yaml-document.ts';
import { bacalhauKeys, type KeyMapping } from './key-table.ts';

/** A key of Bacalhau that has a value. */
export interface FoundKey {
  /** The key as the file spells it, safe for a terminal. */
  readonly key: string;
  readonly line: number;
  /** Its row number in the table. If two keys have the same meaning, the one with the lower number counts. */
  readonly rank: number;
  readonly mapping: KeyMapping;
  readonly value: Node;
  /** Returns the line of a node, which is a key or a value inside this value. */
  lineOf(node: Node): number;
}

export interface BacalhauFile {
  /** The generation of Bacalhau; undefined when none of the keys is known. */
  readonly generation: string | undefined;
  readonly found: FoundKey[];
  /** Keys that Bacalhau does not have, each with the reason. */
  readonly unknown: { readonly key: string; readonly line: number; readonly why: string }[];
  /** Reasons why the file cannot be read, one line each. */
  readonly faults: string[];
}

const names = Object.keys(bacalhauKeys);
const rows = new Map(
  Object.entries(bacalhauKeys).map(([name, mapping], rank) => [name.toLowerCase(), { rank, mapping }]),
);
const groups = new Set(names.flatMap(name => pathAndGroups(name.toLowerCase()).slice(1)));
const maxSuggestions = 50;
/** The first parts of the keys that only Bacalhau up to 1.4 has. */
const oldGroups = new Set(['node', 'user', 'metrics', 'update', 'auth']);

/** Finds the keys in `text`, the content of the file `path`. Aliases are not followed. */
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
  readonly #lineOf: (node: Node) => number;
  readonly #firstLines = new Map<string, number>();

  constructor(lineOf: (node: Node) => number) {
    this.#lineOf = lineOf;
  }

  walk(map: YAMLMap, prefix: string): void {
    for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
      const path = `${prefix}${scalarText(key)}`;
      if (value === null || isUnset(value)) continue;
      const own = rows.get(path.toLowerCase());
      const group = own === undefined || 'dropped' in own.mapping;
      if (isMap(value) && group) this.walk(value, `${path}.`);
      else this.#leaf(path, this.#lineOf(key), value);
    }
  }

  #leaf(path: string, line: number, value: Node): void {
    const key = shownKey(path);
    const lower = path.toLowerCase();
    const row = rowOf(lower);
    const why = this.#whyNot(path, lower, row !== undefined, value);
    if (row && why === undefined) this.found.push({ key, line, ...row, value, lineOf: this.#lineOf });
    else this.unknown.push({ key, line, why: why ?? '' });
    this.#firstLines.set(lower, this.#firstLines.get(lower) ?? line);
  }

  #whyNot(path: string, lower: string, known: boolean, value: Node): string | undefined {
    const first = this.#firstLines.get(lower);
    if (first !== undefined) return `it is given twice; the first is on line ${first}`;
    if (isAlias(value)) return 'it is an alias, which is not followed; write the value itself';
    if (known) return undefined;
    if (groups.has(lower)) return 'it is a group of keys in Bacalhau, but not in this file';
    const near = this.unknown.length < maxSuggestions ? findNearest(path, names) : undefined;
    return `Bacalhau has no such key${near ? `; did you mean ${near}?` : ''}`;
  }
}

/** Returns whether a value is empty. Bacalhau writes an empty default as nothing, `""`, `[]` or `{}`. */
function isUnset(node: Node): boolean {
  if (isCollection(node)) return node.items.length === 0;
  return isEmpty(node) || (isScalar(node) && node.value === '');
}

/**
 * Returns the row of the key. When there is none, it returns the row of the closest group above it that is dropped as a
 * whole.
 */
function rowOf(lower: string): { rank: number; mapping: KeyMapping } | undefined {
  const [own, ...groups] = pathAndGroups(lower).map(path => rows.get(path));
  if (own) return own;
  const group = groups.find(row => row !== undefined);
  return group && 'dropped' in group.mapping ? group : undefined;
}

/** Returns the path and the groups above it: `a.b.c`, `a.b`, `a`. */
function pathAndGroups(path: string): string[] {
  const parts = path.split('.');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('.'));
}

/**
 * Returns the key for a message. In `token:abc` the text after the colon was probably meant as a value and may be a
 * secret, so it is removed.
 */
function shownKey(path: string): string {
  return printable(path.split(':', 1)[0] ?? '', 200);
}

function generationOf(found: readonly FoundKey[]): string | undefined {
  const tops = new Set(found.map(({ key }) => oldGroups.has((key.split('.')[0] ?? '').toLowerCase())));
  if (tops.size === 2) return 'of both generations';
  return tops.size === 0 ? undefined : tops.has(true) ? 'up to 1.4' : 'from 1.5 on';
}
