// Finds the words that may complete an unfinished command line, from the same tables as the help.
import { settingOf } from '../../config/keys.ts';
import { boolean } from '../../config/kind.ts';
import { lex } from '../line/argv.ts';
import { type Command, type CommandTable, type Flag, type FlagTable, globalFlags } from '../line/command.ts';
import { locate } from '../line/place.ts';
import { settingFlags } from '../line/setting-flags.ts';

export interface Candidate {
  readonly word: string;
  /** One line about the word; may be empty. */
  readonly help: string;
}

export interface Candidates {
  readonly words: readonly Candidate[];
  /** Other kinds of words that may follow and are not in a table. */
  readonly also?: 'nodes' | 'files' | 'folders' | undefined;
}

/** The finished words of an unfinished command line, as far as they could be read. */
export interface UnfinishedLine {
  readonly words: readonly string[];
  /** The words of the command, or of the group of commands. */
  readonly path: readonly string[];
  readonly command: Command | undefined;
  /** Whether there is an unknown word in the place of a command. */
  readonly isUnknown: boolean;
  /** The flags that may follow. */
  readonly flags: FlagTable;
}

export async function readUnfinished(
  words: readonly string[],
  commands: CommandTable,
): Promise<UnfinishedLine> {
  const { path, row, unknown } = locate(words, commands);
  const command = await row?.load();
  const own = command?.flags ?? {};
  // The flags are in the order of the help. A flag of the command replaces a setting or a global flag with the same name.
  const flags = { ...own, ...settingFlags(command?.settings), ...globalFlags, ...own };
  return { words, path, command, isUnknown: !row && unknown !== undefined, flags };
}

/**
 * Returns the words that may follow `line`. `current` is the word that is being typed. Candidates need not begin with
 * `current`, because the shell filters them. For `--flag=…` the candidates are values of the flag.
 */
export function candidates(line: UnfinishedLine, current: string, commands: CommandTable): Candidates {
  const { words, path, command, isUnknown, flags } = line;
  const tokens = lex(words, flags);
  const last = tokens.at(-1);
  const open = last?.kind === 'option' && last.value === undefined ? flagIn(flags, last.name) : undefined;
  if (open?.value !== undefined) return valuesOf(open);
  const noFlags = isUnknown || tokens.some(token => token.kind === 'option-terminator');
  const given = new Set(tokens.flatMap(token => (token.kind === 'option' ? token.name : [])));
  if (current.startsWith('-') && !noFlags) {
    const name = /^--([^=]+)=/.exec(current)?.[1];
    return name === undefined ? flagCandidates(flags, given, current) : valuesOf(flagIn(flags, name));
  }
  if (isUnknown) return { words: [] };
  const operands = tokens.filter(token => token.kind === 'positional').length - path.length;
  const below = operands === 0 ? commandsBelow(path, commands) : [];
  const operand = command && operandAt(command, operands);
  if (operand !== undefined) return { words: below, also: kindOf(operand.toUpperCase()) };
  // When only a flag can follow, flags are offered before the dashes are typed.
  if (below.length === 0 && current === '' && !noFlags) return flagCandidates(flags, given, current);
  return { words: below };
}

/** Returns the name of the word that may stand after so many others; undefined when none may. */
function operandAt({ operands, optionalOperands, rest }: Command, before: number): string | undefined {
  return Object.keys({ ...operands, ...optionalOperands })[before] ?? Object.keys(rest ?? {})[0];
}

/** Returns the next word of every command that begins with `path`. */
export function commandsBelow(path: readonly string[], commands: CommandTable): Candidate[] {
  const helps = new Map<string, string[]>();
  for (const row of commands.filter(each => !each.hidden)) {
    const words = row.path.split(' ');
    const next = words[path.length];
    if (next === undefined || !path.every((word, index) => word === words[index])) continue;
    // The help of a group lists its commands.
    const rest = words.slice(path.length + 1).join(' ');
    helps.set(next, [...(helps.get(next) ?? []), rest || row.help]);
  }
  return [...helps].map(([word, help]) => ({ word, help: help.join(', ') }));
}

function flagCandidates(flags: FlagTable, given: ReadonlySet<string>, current: string): Candidates {
  const allowed = Object.entries(flags).filter(
    ([name, flag]) => !flag.refused && (flag.many || !given.has(name)),
  );
  const short = allowed.filter(([, flag]) => flag.short !== undefined && current === `-${flag.short}`);
  return {
    words: [
      ...short.map(([, { help }]) => ({ word: current, help })),
      ...allowed.map(([name, { help }]) => ({ word: `--${name}`, help })),
    ],
  };
}

function valuesOf(flag: Flag | undefined): Candidates {
  if (!flag || flag.refused) return { words: [] };
  const kind = flag.kind ?? (flag.setting ? settingOf(flag.setting).type : undefined);
  const choices = (flag.value === undefined ? boolean : kind)?.choices ?? [];
  return { words: choices.map(word => ({ word, help: '' })), also: kindOf(flag.value) };
}

/** Returns what the user types in place of a placeholder such as `FILE`. */
function kindOf(placeholder: string | undefined): Candidates['also'] {
  switch (placeholder) {
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

const flagIn = (flags: FlagTable, name: string): Flag | undefined =>
  Object.hasOwn(flags, name) ? flags[name] : undefined;
