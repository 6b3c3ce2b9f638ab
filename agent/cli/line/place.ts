// Which command a command line names, and which one it may have meant.
import { nearest } from '../../config/nearest.ts';
import { MusterError } from '../../system/errors.ts';
import { commands, type Row } from '../commands.ts';
import { isNumber, lex, unknownFlag } from './argv.ts';
import { globalFlags } from './command.ts';

export interface Place {
  /** The words that were understood: a command, or a group of commands (the empty one is all of them). */
  readonly path: readonly string[];
  /** The command; undefined for a group. */
  readonly row: Row | undefined;
  /** The first word that was not understood. */
  readonly unknown: string | undefined;
  /** A flag that asks for something else than the command. */
  readonly asksFor: 'help' | 'version' | undefined;
}

/** Finds the command that `args` name. Never throws. */
export function locate(args: readonly string[]): Place {
  const words: string[] = [];
  const switches = new Set<string>();
  for (const token of lex(args, globalFlags)) {
    if (token.kind === 'positional') words.push(token.value);
    // `--since -1h` asks for no help.
    if (token.kind === 'option' && !isNumber(args[token.index])) switches.add(token.name);
  }
  const asksFor = switches.has('help') ? 'help' : switches.has('version') ? 'version' : undefined;
  const begin = (path: readonly string[]) => path.every((word, index) => word === words[index]);
  const found = commands
    .map(row => ({ row, path: row.path.split(' ') }))
    .filter(({ path }) => begin(path))
    .sort((a, b) => b.path.length - a.path.length)[0];
  if (found) return { ...found, unknown: undefined, asksFor };
  const groups = commands.map(row => row.path.split(' ').slice(0, -1)).filter(begin);
  const path = groups.sort((a, b) => b.length - a.length)[0] ?? [];
  return { row: undefined, path, unknown: words[path.length], asksFor };
}

/** The error for a place that is no command. */
export function noCommand({ path, unknown }: Place, args: readonly string[]): MusterError {
  const flag = flagBefore(path.length, args);
  // One of a command, and not of all, is near nothing here: then it is the word that was wrong.
  if (flag && (unknown === undefined || flag.hint)) return flag;
  if (unknown === undefined) {
    return new MusterError('usage', `${['muster', ...path].join(' ')} needs a command`);
  }
  const near = nearestCommand(path, unknown);
  return new MusterError('usage', `unknown command: ${[...path, unknown].join(' ')}`, {
    hint: near
      ? `did you mean "muster ${near}"?`
      : args[0]?.startsWith('-')
        ? 'flags of a command stand after it'
        : undefined,
  });
}

/** The error for the first flag that no command has, before the word with this index. */
function flagBefore(index: number, args: readonly string[]): MusterError | undefined {
  let words = 0;
  for (const token of lex(args, globalFlags)) {
    if (token.kind === 'positional' && words++ === index) return undefined;
    if (token.kind === 'option' && !Object.hasOwn(globalFlags, token.name))
      return unknownFlag(token.rawName, globalFlags);
  }
  return undefined;
}

/**
 * The nearest command in the group that was typed; where none was, the nearest of all, else the only one whose last word is as
 * near: `list` is `node list`, and `aprove` rather `node approve` than `probe`.
 */
function nearestCommand(group: readonly string[], word: string): string | undefined {
  const paths = commands.filter(row => !row.hidden).map(row => row.path);
  if (group.length > 0) return nearest([...group, word].join(' '), paths);
  const last = (path: string) => path.slice(path.lastIndexOf(' ') + 1);
  const groups = paths.flatMap(path => path.split(' ').slice(0, -1));
  const near = nearest(word, [...paths, ...groups, ...paths.map(last)]);
  if (near === undefined || groups.includes(near) || paths.includes(near)) return near;
  const found = paths.filter(path => last(path) === near);
  return found.length === 1 ? found[0] : undefined;
}
