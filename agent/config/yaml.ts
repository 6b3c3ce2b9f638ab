// Finds the settings in a YAML file, each with its line.
import { dirname } from 'node:path';
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';
import { printable } from '../system/printable.ts';
import { settingKeys } from './keys.ts';
import type { Input } from './kind.ts';
import { findNearest } from './nearest.ts';
import type { SettingKey } from './settings.ts';
import { type SettingEntry, type Source, suggest } from './sources.ts';
import { isEmpty, readDocument, scalarText, type YamlFile } from './yaml-document.ts';

const keys = new Map(settingKeys.map(key => [key.toLowerCase(), key]));
const sections = new Map(settingKeys.flatMap(sectionsOf).map(section => [section.toLowerCase(), section]));

/**
 * Finds the settings in `text`, the content of the file at the absolute path `path`. Upper and lower case in keys are the
 * same, except in the keys of labels. A fault never repeats text of the file that may be a value, because it may be a
 * secret.
 */
export function readYaml(text: string, path: string): Source {
  const file = readDocument(text, path);
  const reader = new Reader(path, file);
  if (isMap(file.contents)) reader.section(file.contents, '');
  else if (!isEmpty(file.contents)) {
    reader.fault(file.contents ?? null, 'the file must hold lines like "key: value"');
  }
  return { entries: reader.entries, faults: [...file.faults, ...reader.faults] };
}

const maxSuggestions = 50;
const loneWord = 'a colon is missing after a word; put a value that holds a comma or a bracket in quotes';

class Reader {
  readonly entries: SettingEntry[] = [];
  readonly faults: string[] = [];
  readonly #path: string;
  readonly #file: YamlFile;
  readonly #firstLines = new Map<string, number>();

  constructor(path: string, file: YamlFile) {
    this.#path = path;
    this.#file = file;
  }

  section(map: YAMLMap, prefix: string): void {
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const path = `${prefix}${scalarText(pair.key)}`;
      const key = keys.get(path.toLowerCase());
      const section = sections.get(path.toLowerCase());
      if (!key && !section) this.#unknown(pair, path);
      else if (this.#isRepeated(pair.key, key ?? section ?? path)) continue;
      else if (key) this.#setting(key, pair);
      else if (isMap(pair.value)) this.section(pair.value, `${section}.`);
      else if (!isEmpty(pair.value)) {
        this.fault(pair.key, `${section} is a group of settings; allowed in it: ${childrenOf(section)}`);
      }
    }
  }

  fault(node: Node | null, text: string): void {
    this.faults.push(`${this.#path}:${this.#file.line(node)}: ${text}`);
  }

  #unknown({ key: node, value }: Pair<Node, Node | null>, path: string): void {
    const colon = path.indexOf(':');
    // The search in all settings takes time, so it is done only for the first faults of a file.
    const near = this.faults.length < maxSuggestions ? nearestKey(path) : undefined;
    // `token:abc` is a key without a value. The text after the colon was probably meant as the value.
    if (colon >= 0) this.fault(node, `${printable(path.slice(0, colon), 100)} needs a space after its colon`);
    // In `{token: ab,cd}` the text after the comma looks like a key, and may be half of a secret.
    else if (value === null) this.fault(node, loneWord);
    else this.fault(node, `${printable(path, 100)} is not a setting; ${suggest(near)}`);
  }

  #isRepeated(node: Node, path: string): boolean {
    const first = this.#firstLines.get(path);
    if (first) this.fault(node, `${path} is set twice; the first is on line ${first}`);
    else this.#firstLines.set(path, this.#file.line(node));
    return first !== undefined;
  }

  #setting(key: SettingKey, pair: Pair<Node, Node | null>): void {
    if (isEmpty(pair.value)) return;
    const input = this.#input(key, pair.value);
    const origin = `file ${this.#path}:${this.#file.line(pair.key)}` as const;
    if (input !== undefined) this.entries.push({ key, input, origin, folder: dirname(this.#path) });
  }

  #input(key: SettingKey, node: Node | null): Input | undefined {
    if (isMap(node)) return this.#pairs(key, node);
    if (!isSeq(node)) return this.#scalar(key, node);
    const texts: string[] = [];
    for (const item of node.items as Node[]) {
      const text = this.#scalar(key, item);
      if (text === undefined) return undefined;
      texts.push(text);
    }
    return texts;
  }

  #pairs(key: SettingKey, map: YAMLMap): Input | undefined {
    const pairs = new Map<string, string>();
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const name = scalarText(pair.key);
      const text = this.#scalar(key, pair.value);
      if (text === undefined) return undefined;
      if (pairs.has(name)) return this.#refuse(key, pair.key, 'the same name is in it twice; allowed: once');
      pairs.set(name, text);
    }
    return pairs;
  }

  #scalar(key: SettingKey, node: Node | null): string | undefined {
    const quoted = (sign: string) => `put a value that begins with ${sign} in quotes`;
    if (isEmpty(node)) return '';
    if (isAlias(node)) return this.#refuse(key, node, `an alias is not allowed here; ${quoted('*')}`);
    if (!isScalar(node))
      return this.#refuse(key, node, 'a group or a list is not allowed here; allowed: one value');
    if (node.anchor) return this.#refuse(key, node, `an anchor is not allowed here; ${quoted('&')}`);
    return scalarText(node);
  }

  #refuse(key: SettingKey, node: Node | null, why: string): undefined {
    this.fault(node, `${key}: ${why}`);
  }
}

/** Returns the groups of a setting: `nats` and `nats.tls` for `nats.tls.caFile`. */
function sectionsOf(key: SettingKey): string[] {
  const names = key.split('.');
  return names.slice(1).map((_, index) => names.slice(0, index + 1).join('.'));
}

function childrenOf(section: string | undefined): string {
  const below = settingKeys.filter(key => key.startsWith(`${section}.`));
  return [...new Set(below.map(key => key.slice(`${section}.`.length).split('.')[0]))].join(', ');
}

/**
 * Returns the setting with the most similar path. When there is none, it returns the only setting with a similar last
 * name: `nats.token` for `token`. The last name alone is not enough for `api.token`, because the group `api` exists, so
 * the name was meant for that group.
 */
function nearestKey(path: string): string | undefined {
  const whole = findNearest(path, settingKeys);
  if (whole) return whole;
  const group = path.slice(0, Math.max(0, path.lastIndexOf('.'))).toLowerCase();
  if (settingKeys.some(key => sectionsOf(key).some(section => section.toLowerCase() === group)))
    return undefined;
  const last = findNearest(lastOf(path), settingKeys.map(lastOf));
  const matches = settingKeys.filter(key => lastOf(key) === last);
  return matches.length === 1 ? matches[0] : undefined;
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}
