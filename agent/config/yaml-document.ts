// Parses a YAML file into a tree with line numbers, or finds its errors. All values stay text.
import { isScalar, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml';

export interface YamlFile {
  /** The tree; undefined when the file is empty or broken. */
  readonly contents: Node | undefined;
  readonly faults: string[];
  /** Returns the line of a node. */
  line(node: Node | null): number;
}

/**
 * Parses `text`, the content of the file `path`. Aliases are not followed. Each fault is one line with its place. A fault
 * never repeats text of the file, which may be a secret.
 */
export function readDocument(text: string, path: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    // With this schema every value stays text: `1.10` stays `1.10`, and 0123 keeps its zero.
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    // The library compares every pair of keys, which is slow. The readers use a map instead, and ignore upper and lower
    // case.
    uniqueKeys: false,
    logLevel: 'error',
  });
  // Later faults are often only consequences of the first ones.
  const faults = [...document.errors, ...document.warnings].slice(0, 3).map(({ code, pos }) => {
    const what = syntaxFaults[code] ?? 'the text cannot be understood';
    return `${path}:${lines.linePos(pos[0]).line}: not valid YAML: ${what}`;
  });
  return {
    contents: faults.length === 0 ? (document.contents ?? undefined) : undefined,
    faults,
    line: node => (node?.range ? lines.linePos(node.range[0]).line : 1),
  };
}

/** Returns the text of a key or a value. With `stringKeys` the library allows only keys of text. */
export function scalarText(node: Node): string {
  return isScalar(node) ? String(node.value) : '';
}

/** Returns whether a value is empty, `~` or `null` without quotes. The key then counts as not set. */
export function isEmpty(node: Node | null | undefined): boolean {
  return !node || (isScalar(node) && node.type === 'PLAIN' && /^(~|null)?$/i.test(String(node.value)));
}

const syntaxFaults: Partial<Record<YAMLError['code'], string>> = {
  BAD_DQ_ESCAPE: 'a backslash in double quotes begins an unknown escape; double it, or use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines around it, or a bracket is not closed',
  BAD_SCALAR_START: 'a value begins with a reserved character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'there are two "key: value" pairs on one line; put a value that holds a colon in quotes',
  MISSING_CHAR: 'a quotation mark, bracket, comma, colon or space is missing',
  MULTILINE_IMPLICIT_KEY: 'a line is not "key: value"; is the space after its colon missing?',
  MULTIPLE_DOCS: 'a second document begins here; allowed: one',
  NON_STRING_KEY: 'a key is not plain text',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
  TAB_AS_INDENT: 'a tab is used for indentation; use spaces',
  TAG_RESOLVE_FAILED: 'tags (!name) are not allowed; put a value that begins with ! in quotes',
  UNEXPECTED_TOKEN: 'something is in the wrong place; are all brackets and quotes closed?',
};
