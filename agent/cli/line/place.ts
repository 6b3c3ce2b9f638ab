// Finds the command that a command line names, or the one that was probably meant.
import { findNearest } from '../../config/nearest.ts';
import { MusterError } from '../../system/errors.ts';
import { isNumber, lex, unknownFlag } from './argv.ts';
import { type CommandRow, type CommandTable, globalFlags } from './command.ts';

export interface Place {
  /**
   * The words that are known: those of a command, or of a group of commands. An empty path means the group of all
   * commands.
   */
  readonly path: readonly string[];
  /** The command; undefined for a group. */
  readonly row: CommandRow | undefined;
  /** The first unknown word. */
  readonly unknown: string | undefined;
  /** Set when a flag asks for the help or for the version instead of the command. */
  readonly asksFor: 'help' | 'version' | undefined;
}

/** Finds the place in `commands` that `args` mean. Never throws. */
export function locate(args: readonly string[], commands: CommandTable): Place {
  const words: string[] = [];
  const switches = new Set<string>();
  for (const token of lex(args, globalFlags)) {
    if (token.kind === 'positional') words.push(token.value);
    // The -h in `--since -1h` does not ask for help.
    if (token.kind === 'option' && !isNumber(args[token.index])) switches.add(token.name);
  }
  const asksFor = switches.has('help') ? 'help' : switches.has('version') ? 'version' : undefined;
  const begins = (path: readonly string[]) => path.every((word, index) => word === words[index]);
  const longest = commands
    .map(row => ({ row, path: row.path.split(' ') }))
    .filter(({ path }) => begins(path))
    .sort((a, b) => b.path.length - a.path.length)[0];
  if (longest) return { ...longest, unknown: undefined, asksFor };
  const groups = commands.map(row => row.path.split(' ').slice(0, -1)).filter(begins);
  const path = groups.sort((a, b) => b.length - a.length)[0] ?? [];
  return { row: undefined, path, unknown: words[path.length], asksFor };
}

/** Returns the error for a place that is no command. */
export function noCommand(
  { path, unknown }: Place,
  args: readonly string[],
  commands: CommandTable,
): MusterError {
  const flagError = flagErrorBefore(path.length, args);
  // When no similar flag exists, the flag probably belongs to a command. Then the error is about the word.
  if (flagError && (unknown === undefined || flagError.hint)) return flagError;
  if (unknown === undefined) {
    return new MusterError('usage', `${['muster', ...path].join(' ')} needs a command`, {
      hint: membersHint(path, commands),
    });
  }
  const near = nearestCommand(path, unknown, commands);
  return new MusterError('usage', `unknown command: ${[...path, unknown].join(' ')}`, {
    hint: near
      ? `did you mean "muster ${near}"?`
      : args[0]?.startsWith('-')
        ? 'the flags of a command follow the command'
        : membersHint(path, commands),
  });
}

/** Returns the error for the first flag before the word at `index` that is not a flag of all commands. */
function flagErrorBefore(index: number, args: readonly string[]): MusterError | undefined {
  let words = 0;
  for (const token of lex(args, globalFlags)) {
    if (token.kind === 'positional' && words++ === index) return undefined;
    if (token.kind === 'option' && !Object.hasOwn(globalFlags, token.name))
      return unknownFlag(token.rawName, globalFlags);
  }
  return undefined;
}

/**
 * Returns a hint with the commands of a group. There is no hint for all commands, because they are too many and the help
 * lists them.
 */
function membersHint(group: readonly string[], commands: CommandTable): string | undefined {
  if (group.length === 0) return undefined;
  const members = commands
    .map(row => row.path.split(' '))
    .filter(path => group.every((word, i) => word === path[i]));
  return `the commands are ${members.map(path => path[group.length]).join(', ')}`;
}

/**
 * Returns the most similar command in the group that was typed. Without a group it compares with all commands, all groups
 * and all last words: `list` means `node list`, and `aprove` means `node approve` rather than `probe`.
 */
function nearestCommand(group: readonly string[], word: string, commands: CommandTable): string | undefined {
  const paths = commands.filter(row => !row.hidden).map(row => row.path);
  if (group.length > 0) return findNearest([...group, word].join(' '), paths);
  const last = (path: string) => path.slice(path.lastIndexOf(' ') + 1);
  const groups = paths.flatMap(path => path.split(' ').slice(0, -1));
  const near = findNearest(word, [...paths, ...groups, ...paths.map(last)]);
  if (near === undefined || groups.includes(near) || paths.includes(near)) return near;
  const matches = paths.filter(path => last(path) === near);
  return matches.length === 1 ? matches[0] : undefined;
}
