// A YAML file taken apart: its tree with line numbers, or where it is broken. Values stay text, whatever YAML would make of them.
import { isScalar, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml';

export interface YamlFile {
  /** undefined when there is nothing in it, or when it is broken. */
  readonly contents: Node | undefined;
  readonly faults: string[];
  line(node: Node | null): number;
}

/**
 * Reads `text`, the content of the file at `path`. Nothing is expanded: an alias stays one. Faults are a line each, with
 * their place, and never repeat text of the file: it could be a secret.
 */
export function readDocument(text: string, path: string): YamlFile {
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
  // What follows a broken line is often only its echo.
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

/** The text of a key or value; the library allows no other keys with `stringKeys`. */
export function scalarText(node: Node): string {
  return isScalar(node) ? String(node.value) : '';
}

/** Nothing, `~` or `null`, unquoted: as if the key were not there. */
export function isEmpty(node: Node | null | undefined): boolean {
  return !node || (isScalar(node) && node.type === 'PLAIN' && /^(~|null)?$/i.test(String(node.value)));
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
