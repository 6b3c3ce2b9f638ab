// What may stand at the end of an unfinished command line, from the same tables as the help.
import { settingOf } from '../../config/keys.ts';
import { boolean } from '../../config/kind.ts';
import { commands } from '../commands.ts';
import { lex } from '../line/argv.ts';
import { type Command, type Flag, type FlagTable, globalFlags } from '../line/command.ts';
import { locate } from '../line/place.ts';
import { settingFlags } from '../line/setting-flags.ts';

export interface Candidate {
  readonly word: string;
  /** One line about it, or nothing. */
  readonly help: string;
}

export interface Candidates {
  readonly words: readonly Candidate[];
  /** What else may stand there, and is in no table. */
  readonly also?: 'nodes' | 'files' | 'folders' | undefined;
}

/** The finished words of a command line, as far as they are understood. */
export interface Line {
  readonly words: readonly string[];
  /** The command that they name, or the group of commands. */
  readonly path: readonly string[];
  readonly command: Command | undefined;
  /** A word that names no command stands where one should. */
  readonly unknown: boolean;
  /** The flags that may follow. */
  readonly table: FlagTable;
}

export async function readLine(words: readonly string[]): Promise<Line> {
  const { path, row, unknown } = locate(words);
  const command = await row?.load();
  const own = command?.flags ?? {};
  // In the order of the help; a command's own flag goes before another of its name.
  const table = { ...own, ...settingFlags(command?.settings), ...globalFlags, ...own };
  return { words, path, command, unknown: !row && unknown !== undefined, table };
}

/**
 * What may follow `line`, where `current` is begun. What is answered need not begin with it; when it is `--flag=…`, the
 * answer is for what stands behind the sign.
 */
export function candidates(line: Line, current: string): Candidates {
  const { words, path, command, unknown, table } = line;
  const tokens = lex(words, table);
  const last = tokens.at(-1);
  const awaited = last?.kind === 'option' && last.value === undefined ? flagIn(table, last.name) : undefined;
  if (awaited?.value !== undefined) return valuesOf(awaited);
  const noFlags = unknown || tokens.some(token => token.kind === 'option-terminator');
  const given = new Set(tokens.flatMap(token => (token.kind === 'option' ? token.name : [])));
  if (current.startsWith('-') && !noFlags) {
    const named = /^--([^=]+)=/.exec(current)?.[1];
    return named === undefined ? flagsOf(table, given, current) : valuesOf(flagIn(table, named));
  }
  if (unknown) return { words: [] };
  const typed = tokens.filter(token => token.kind === 'positional').length - path.length;
  const below = typed === 0 ? commandsBelow(path) : [];
  const operand = Object.keys({ ...command?.operands, ...command?.optionalOperands })[typed];
  if (operand !== undefined) return { words: below, also: standingFor(operand.toUpperCase()) };
  // Where only a flag can follow, its dashes need not be typed first.
  if (below.length === 0 && current === '' && !noFlags) return flagsOf(table, given, current);
  return { words: below };
}

/** The next word of every command that begins with `path`. */
export function commandsBelow(path: readonly string[]): Candidate[] {
  const found = new Map<string, string[]>();
  for (const row of commands.filter(each => !each.hidden)) {
    const words = row.path.split(' ');
    const next = words[path.length];
    if (next === undefined || !path.every((word, index) => word === words[index])) continue;
    // A group of commands has no help of its own, but the names of its commands.
    const rest = words.slice(path.length + 1).join(' ');
    found.set(next, [...(found.get(next) ?? []), rest || row.help]);
  }
  return [...found].map(([word, help]) => ({ word, help: help.join(', ') }));
}

function flagsOf(table: FlagTable, given: ReadonlySet<string>, current: string): Candidates {
  const may = Object.entries(table).filter(
    ([name, flag]) => !flag.refused && (flag.many || !given.has(name)),
  );
  const short = may.filter(([, flag]) => flag.short !== undefined && current === `-${flag.short}`);
  return {
    words: [
      ...short.map(([, { help }]) => ({ word: current, help })),
      ...may.map(([name, { help }]) => ({ word: `--${name}`, help })),
    ],
  };
}

function valuesOf(flag: Flag | undefined): Candidates {
  if (!flag || flag.refused) return { words: [] };
  const kind = flag.kind ?? (flag.setting ? settingOf(flag.setting).type : undefined);
  const choices = (flag.value === undefined ? boolean : kind)?.choices ?? [];
  return { words: choices.map(word => ({ word, help: '' })), also: standingFor(flag.value) };
}

/** What may stand for a word of the help such as `FILE`. */
function standingFor(title: string | undefined): Candidates['also'] {
  switch (title) {
    case 'ID':
      return 'nodes';
    case 'FILE':
    case 'PATH':
      return 'files';
    case 'FOLDER':
      return 'folders';
    default:
      return undefined;
  }
}

const flagIn = (table: FlagTable, name: string): Flag | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
