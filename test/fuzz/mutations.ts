// Changes valid inputs by their structure: a member is missing, doubled, of another type, huge or deep, or bytes are lost.

import { type Path, pathsOf, valueAt, withoutMember, withValue } from '../support/json-paths.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** JSON texts that stand in the place of a member. Some of them are no JSON. */
const values: readonly string[] = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '-1',
  '1',
  '1.5',
  '1e999',
  '-1e308',
  '5e-324',
  '9007199254740991',
  '9007199254740993',
  '18446744073709551616',
  '1700000000',
  '"0"',
  '""',
  '" "',
  '"x"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202e\\u200b\\ufeff"',
  '"\\u001b[2J\\u009b31m\\u0007"',
  '"a\\r\\nb"',
  '"2026-02-30T00:00:00Z"',
  '"9999-12-31T23:59:59.999999999+23:59"',
  '"__proto__"',
  '"../../etc/passwd"',
  '"node.*.>"',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '["x"]',
  '[0]',
  '{"length":1}',
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"toString":1,"valueOf":1,"toJSON":1}',
  'NaN',
  'undefined',
  "'x'",
  '',
];

/** JSON texts that are long, long lists, or deep. They are seldom, because each takes longer to read. */
const largeValues: readonly string[] = [
  `"${'x'.repeat(300)}"`,
  `"${'é'.repeat(5_000)}"`,
  `"${'9'.repeat(400)}"`,
  `${'9'.repeat(400)}`,
  `[${Array(300).fill('"x"').join(',')}]`,
  `[${Array(300).fill('{}').join(',')}]`,
  `{${Array.from({ length: 300 }, (_, at) => `"k${at}":"v"`).join(',')}}`,
  `${'['.repeat(33)}${']'.repeat(33)}`,
  `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`,
  `${'['.repeat(5_000)}`,
];

/** Pieces that are put into texts, and as bytes into everything. */
const pieces: readonly string[] = [
  '\u0000',
  '\n',
  '\r\n',
  '\t',
  ' ',
  '\u007f',
  '\u0085',
  '\u001b]0;x\u0007',
  '\u202e',
  '\u2028',
  '\ufeff',
  '😀',
  'é',
  '%00',
  '%2e%2e%2f',
  '../',
  '.',
  '*',
  '>',
  '$',
  '-',
  '_',
  '=',
  '==',
  ':',
  ';',
  ',',
  '"',
  "'",
  '\\',
  '/',
  '{',
  '}',
  '[',
  ']',
  '(',
  ')',
  '@',
  '#',
  '!',
  '0',
  '9'.repeat(30),
  'A'.repeat(300),
  'a='.repeat(2_000),
  '__proto__',
  'constructor',
];

const names = ['__proto__', 'constructor', 'prototype', 'toString', 'x', '', 'é', '\u0000', 'a\\b'];

/** Returns the JSON text of `value` after one to three changes of its structure. */
export function mutatedJson(value: unknown, random: SeededRandom): string {
  let changed = value;
  const inserted: string[] = [];
  let paths = knownPaths(value);
  for (let changes = random.pick([1, 1, 1, 2, 3]); changes > 0; changes--) {
    changed = changeOnce(changed, paths, random, inserted);
    if (changes > 1) paths = pathsOf(changed);
  }
  return textOf(changed, inserted);
}

// JSON texts that JSON.stringify would not write stand behind marks until the end.
const mark = (number: number) => `\u0001${number}\u0001`;
const doubled = '\u0002';

const pathsByValue = new WeakMap<object, Path[]>();

/** Returns the places in a value from which many inputs are made. */
function knownPaths(value: unknown): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const known = pathsByValue.get(value) ?? pathsOf(value);
  pathsByValue.set(value, known);
  return known;
}

function changeOnce(
  value: unknown,
  paths: readonly Path[],
  random: SeededRandom,
  inserted: string[],
): unknown {
  const path: Path = paths.length === 0 || random.below(40) === 0 ? [] : random.pick(paths);
  const put = (text: string, at: Path = path) => withValue(value, at, mark(inserted.push(text) - 1));
  const last = path.at(-1);
  const parent = path.slice(0, -1);
  switch (random.below(8)) {
    case 0:
      return typeof last === 'string' ? withoutMember(value, path) : put('null');
    case 1:
      return typeof last === 'string'
        ? withValue(value, [...parent, `${last}${doubled}`], mark(inserted.push(anyValue(random)) - 1))
        : put(anyValue(random));
    case 2:
      return typeof last === 'string'
        ? withValue(withoutMember(value, path), [...parent, otherCase(last)], valueAt(value, path))
        : put(anyValue(random));
    case 3:
      return isObject(valueAt(value, path))
        ? put(anyValue(random), [...path, random.pick(names)])
        : put(anyValue(random));
    case 4:
      return paths.length > 0 ? withValue(value, path, valueAt(value, random.pick(paths))) : put('{}');
    case 5: {
      const text = valueAt(value, path);
      return typeof text === 'string'
        ? withValue(value, path, mutatedText(text, random).replaceAll(/[\u0001\u0002]/g, ''))
        : put(anyValue(random));
    }
    default:
      return put(anyValue(random));
  }
}

function textOf(value: unknown, inserted: readonly string[]): string {
  return (JSON.stringify(value) ?? 'null')
    .replaceAll(/"\\u0001(\d+)\\u0001"/g, (_, number: string) => inserted[Number(number)] ?? '')
    .replaceAll('\\u0002', '');
}

const anyValue = (random: SeededRandom): string => random.pick(random.below(20) === 0 ? largeValues : values);

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const otherCase = (name: string): string =>
  name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();

/** Returns `text` after one to three changes: a piece put in, taken out, repeated, or written in another case. */
export function mutatedText(text: string, random: SeededRandom): string {
  let changed = text;
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(changed.length + 1);
    const end = at + random.below(Math.min(changed.length - at, 40) + 1);
    const [before, piece, after] = [changed.slice(0, at), changed.slice(at, end), changed.slice(end)];
    switch (random.below(7)) {
      case 0:
        changed = before;
        break;
      case 1:
        changed = before + after;
        break;
      case 2:
        changed = before + piece + piece + after;
        break;
      case 3:
        changed =
          before + (piece === piece.toUpperCase() ? piece.toLowerCase() : piece.toUpperCase()) + after;
        break;
      case 4:
        changed =
          before + String.fromCharCode(random.below(random.below(4) === 0 ? 65_536 : 128)) + after.slice(1);
        break;
      default:
        changed = before + random.pick(pieces) + after;
    }
  }
  return changed;
}

/** Returns `bytes` after one to three changes: cut short, a bit flipped, a length that lies, a part put in or taken out. */
export function mutatedBytes(bytes: Uint8Array, random: SeededRandom): Buffer {
  let changed = Buffer.from(bytes);
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(changed.length + 1);
    const length = random.below(Math.min(changed.length - at, 64) + 1);
    switch (random.below(6)) {
      case 0:
        changed = changed.subarray(0, at);
        break;
      case 1:
        if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
        // A byte that may be a length says much more, or nothing.
        if (at < changed.length) changed[at] = random.pick([0, 1, 0x7f, 0x80, 0x84, 0xff]);
        break;
      case 3:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + length)]);
        break;
      case 4:
        changed = Buffer.concat([
          changed.subarray(0, at),
          changed.subarray(at, at + length),
          changed.subarray(at),
        ]);
        break;
      default:
        changed = Buffer.concat([
          changed.subarray(0, at),
          Buffer.from(random.pick(pieces)),
          changed.subarray(at),
        ]);
    }
  }
  return changed;
}
