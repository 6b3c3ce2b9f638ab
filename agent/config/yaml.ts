// Settings as a YAML file gives them: which setting stands on which line. Values stay text, whatever YAML would make of them.
import { dirname } from 'node:path';
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { printable } from '../system/printable.ts';
import { settingKeys } from './keys.ts';
import type { Input } from './kind.ts';
import { nearest } from './nearest.ts';
import type { SettingKey } from './settings.ts';
import { type Entry, type Source, suggestion } from './sources.ts';

const keys = new Map(settingKeys.map(key => [key.toLowerCase(), key]));
const sections = new Map(settingKeys.flatMap(sectionsOf).map(section => [section.toLowerCase(), section]));

/**
 * Finds the settings in `text`, the content of the file at the absolute `path`. Keys match whatever their case; those
 * inside a setting (labels) keep it. Faults never repeat text of the file that may be a value: it could be a secret.
 */
export function readYaml(text: string, path: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    // Everything is text: `1.10` stays so, and 0123 keeps its zero.
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    // The library compares every pair of keys; here a set does it, whatever their case.
    uniqueKeys: false,
    logLevel: 'error',
  });
  const reader = new Reader(path, lines);
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) reader.syntax(broken);
  else if (isMap(document.contents)) reader.section(document.contents, '');
  else if (!isEmpty(document.contents)) {
    reader.fault(document.contents, 'the file must hold lines like "key: value"');
  }
  return { entries: reader.entries, faults: reader.faults };
}

class Reader {
  readonly entries: Entry[] = [];
  readonly faults: string[] = [];
  private readonly path: string;
  private readonly lines: LineCounter;
  private readonly seen = new Map<string, number>();

  constructor(path: string, lines: LineCounter) {
    this.path = path;
    this.lines = lines;
  }

  section(map: YAMLMap, prefix: string): void {
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const path = `${prefix}${textOf(pair.key)}`;
      const key = keys.get(path.toLowerCase());
      const section = sections.get(path.toLowerCase());
      if (!key && !section) this.unknown(pair.key, path);
      else if (this.isRepeated(pair.key, key ?? section ?? path)) continue;
      else if (key) this.setting(key, pair);
      else if (isMap(pair.value)) this.section(pair.value, `${section}.`);
      else if (!isEmpty(pair.value)) {
        this.fault(pair.key, `${section} is a group of settings; allowed in it: ${childrenOf(section)}`);
      }
    }
  }

  syntax(errors: YAMLError[]): void {
    // What follows a broken line is often only its echo.
    for (const { code, pos } of errors.slice(0, 3)) {
      const line = this.lines.linePos(pos[0]).line;
      const what = syntaxFaults[code] ?? 'the text cannot be understood';
      this.faults.push(`${this.path}:${line}: not valid YAML: ${what}`);
    }
  }

  fault(node: Node | null, text: string): void {
    this.faults.push(`${this.path}:${this.line(node)}: ${text}`);
  }

  private unknown(node: Node, path: string): void {
    const colon = path.indexOf(':');
    // `token:abc` is a key without a value, and what follows the colon was meant to be one.
    if (colon >= 0) this.fault(node, `${printable(path.slice(0, colon), 100)} needs a space after its colon`);
    else this.fault(node, `${printable(path, 100)} is not a setting; ${suggestion(nearestKey(path))}`);
  }

  private isRepeated(node: Node, path: string): boolean {
    const first = this.seen.get(path);
    if (first) this.fault(node, `${path} is set twice; the first is on line ${first}`);
    else this.seen.set(path, this.line(node));
    return first !== undefined;
  }

  private setting(key: SettingKey, pair: Pair<Node, Node | null>): void {
    if (isEmpty(pair.value)) return;
    const input = this.input(key, pair.value);
    const origin = `file ${this.path}:${this.line(pair.key)}` as const;
    if (input !== undefined) this.entries.push({ key, input, origin, folder: dirname(this.path) });
  }

  private input(key: SettingKey, node: Node | null): Input | undefined {
    if (isMap(node)) return this.pairs(key, node);
    if (!isSeq(node)) return this.scalar(key, node);
    const texts: string[] = [];
    for (const item of node.items as Node[]) {
      const text = this.scalar(key, item);
      if (text === undefined) return undefined;
      texts.push(text);
    }
    return texts;
  }

  private pairs(key: SettingKey, map: YAMLMap): Input | undefined {
    const pairs = new Map<string, string>();
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const name = textOf(pair.key);
      const text = this.scalar(key, pair.value);
      if (text === undefined) return undefined;
      if (pairs.has(name))
        return this.refuse(key, pair.key, 'the same name stands in it twice; allowed: once');
      pairs.set(name, text);
    }
    return pairs;
  }

  private scalar(key: SettingKey, node: Node | null): string | undefined {
    const quoted = (sign: string) => `put a value that starts with ${sign} in quotes`;
    if (isEmpty(node)) return '';
    if (isAlias(node)) return this.refuse(key, node, `an alias cannot stand here; ${quoted('*')}`);
    if (!isScalar(node))
      return this.refuse(key, node, 'a group or list cannot stand here; allowed: one value');
    if (node.anchor) return this.refuse(key, node, `an anchor cannot stand here; ${quoted('&')}`);
    return textOf(node);
  }

  private refuse(key: SettingKey, node: Node | null, why: string): undefined {
    this.fault(node, `${key}: ${why}`);
  }

  private line(node: Node | null): number {
    return node?.range ? this.lines.linePos(node.range[0]).line : 1;
  }
}

const syntaxFaults: Partial<Record<YAMLError['code'], string>> = {
  BAD_DQ_ESCAPE: 'a backslash in double quotes starts no known escape; double it, or use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines around it, or a bracket is not closed',
  BAD_SCALAR_START: 'a value starts with a reserved character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'two "key: value" pairs stand on one line; put a value that holds a colon in quotes',
  MISSING_CHAR: 'a quotation mark, bracket, comma, colon or space is missing',
  MULTILINE_IMPLICIT_KEY: 'a line is not "key: value"; is the space after its colon missing?',
  MULTIPLE_DOCS: 'a second document starts here; allowed: one',
  NON_STRING_KEY: 'a key is not plain text',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
  TAB_AS_INDENT: 'a tab stands where spaces indent',
  TAG_RESOLVE_FAILED: 'tags (!name) mean nothing here; put a value that starts with ! in quotes',
  UNEXPECTED_TOKEN: 'something stands where it cannot; are brackets and quotes closed?',
};

/** The text of a key or value; the library allows no other keys with `stringKeys`. */
function textOf(node: Node): string {
  return isScalar(node) ? String(node.value) : '';
}

/** Nothing, `~` or `null`, unquoted: as if the key were not there. */
function isEmpty(node: Node | null): boolean {
  return !node || (isScalar(node) && node.type === 'PLAIN' && /^(~|null)?$/i.test(String(node.value)));
}

/** `nats.tls.caFile` lies in `nats` and `nats.tls`. */
function sectionsOf(key: SettingKey): string[] {
  const names = key.split('.');
  return names.slice(1).map((_, index) => names.slice(0, index + 1).join('.'));
}

function childrenOf(section: string | undefined): string {
  const below = settingKeys.filter(key => key.startsWith(`${section}.`));
  return [...new Set(below.map(key => key.slice(`${section}.`.length).split('.')[0]))].join(', ');
}

/** The nearest setting by its whole path, else the only one with such a last name: `token` is `nats.token`. */
function nearestKey(path: string): string | undefined {
  const whole = nearest(path, settingKeys);
  if (whole) return whole;
  const last = nearest(lastOf(path), settingKeys.map(lastOf));
  const found = settingKeys.filter(key => lastOf(key) === last);
  return found.length === 1 ? found[0] : undefined;
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}
