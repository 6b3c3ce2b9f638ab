// Reads the flags and operands of a command line, and refuses unknown ones. Node's own parser splits the words.
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type Kind, Refusal } from '../../config/kind.ts';
import { findNearest } from '../../config/nearest.ts';
import { MusterError } from '../../system/errors.ts';
import {
  type Argv,
  type Command,
  type CommandTable,
  type Flag,
  type FlagTable,
  globalFlags,
  shownOperands,
} from './command.ts';

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

/** Splits `args` into flags with their values, and words. `table` says which flags take a value. Never throws. */
export function lex(args: readonly string[], table: FlagTable): Token[] {
  const options: ParseArgsConfig['options'] = {};
  for (const [name, { value, short }] of Object.entries(table)) {
    options[name] = { type: value === undefined ? 'boolean' : 'string', ...(short ? { short } : {}) };
  }
  const config = { args: [...args], options, strict: false, allowPositionals: true, tokens: true } as const;
  return parseArgs(config).tokens;
}

/** The command in a command line. */
export interface NamedCommand {
  /** The words of the command, such as `node`, `list`. */
  readonly path: readonly string[];
  readonly command: Command;
  /** The flags that give settings. */
  readonly settings: FlagTable;
}

/**
 * Reads `args`, which begin with the words of `named`. `commands` is used to suggest another command. @throws MusterError
 * `usage`
 */
export function readArgv(
  args: readonly string[],
  { path, command, settings }: NamedCommand,
  commands: CommandTable,
): Omit<Argv, 'load'> {
  const own = command.flags ?? {};
  const table: FlagTable = { ...settings, ...globalFlags, ...own };
  const given = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of lex(args, table)) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (!flag || flag.refused) throw unknownFlag(token.rawName, table);
    given.set(token.name, [...(given.get(token.name) ?? []), textOf(token, flag)]);
  }
  const flags = Object.entries(own).map(([name, flag]) => [
    name,
    readFlag(name, flag, given.get(name) ?? []),
  ]);
  const after = words.slice(path.length);
  // The help does not show the words of a command that only completion uses, and the one that is completed may be empty.
  if (shownOperands(command).length > 0 && after.some(word => word.trim() === '')) throw emptyWord();
  const rest = command.rest ? after.splice(Object.keys(command.operands ?? {}).length) : [];
  return {
    flags: Object.fromEntries(flags),
    operands: readOperands(after, path, command, commands),
    rest,
    given,
    config: given.get('config')?.at(-1),
    settings: settingsOf(table, given),
  };
}

const emptyWord = (): MusterError =>
  new MusterError('usage', 'an argument is empty', {
    hint: 'in a script, is a variable empty that names it?',
  });

/** Returns true for a word such as `-1` or `-1h`. It looks like a flag but is a value. */
export const isNumber = (word: string | undefined): boolean => /^-\d/.test(word ?? '');

/** Returns the error for a flag that is not in `table`, or that `table` refuses. */
export function unknownFlag(rawName: string, table: FlagTable): MusterError {
  const name = rawName.replace(/^--/, '');
  const refused = Object.hasOwn(table, name) ? table[name]?.refused : undefined;
  const names = Object.keys(table).filter(other => !table[other]?.refused);
  const near = rawName.startsWith('--') ? findNearest(name, names) : undefined;
  return new MusterError('usage', `unknown flag: ${rawName}`, {
    hint: refused ?? (near ? `did you mean --${near}?` : undefined),
  });
}

/** Returns the text of a flag's value; for a switch `true` or `false`. */
function textOf({ name, rawName, value, inlineValue }: OptionToken, flag: Flag): string {
  if (flag.value === undefined) {
    if (value === undefined || value === 'true' || value === 'false') return value ?? 'true';
    throw new MusterError('usage', `${rawName}: "${value}" is neither true nor false`);
  }
  if (value === undefined)
    throw new MusterError('usage', `${rawName} needs a value: ${rawName} ${flag.value}`);
  if (!inlineValue && /^-./.test(value) && !isNumber(value)) {
    throw new MusterError('usage', `${rawName} needs a value, but a flag follows it: ${value}`, {
      hint: `write a value that starts with - as --${name}=${value}`,
    });
  }
  return value;
}

function readFlag(name: string, flag: Flag, texts: readonly string[]): unknown {
  if (flag.value === undefined) return texts.at(-1) === 'true';
  const values = texts.map(text => (flag.kind ? readValue(`--${name}`, flag.kind, text) : text));
  return flag.many ? values : (values.at(-1) ?? flag.default);
}

function readValue(name: string, kind: Kind<unknown>, text: string): unknown {
  try {
    return kind.read(text, { folder: '', home: undefined });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new MusterError('usage', `${name}: ${error.shown ?? `"${text}"`} ${error.message}`, {
      hint: error.near && `did you mean ${error.near}?`,
    });
  }
}

function readOperands(
  words: readonly string[],
  path: readonly string[],
  { operands = {}, optionalOperands = {} }: Command,
  commands: CommandTable,
): Record<string, string> {
  const required = Object.keys(operands);
  const names = [...required, ...Object.keys(optionalOperands)];
  const extra = words[names.length];
  if (extra !== undefined) {
    const below = commands.map(row => row.path).filter(other => other.startsWith(`${path.join(' ')} `));
    const near = findNearest([...path, extra].join(' '), below);
    throw new MusterError('usage', `unexpected argument: ${extra || 'an empty text'}`, {
      hint: near ? `did you mean "muster ${near}"?` : switchHint(extra),
    });
  }
  const missing = required[words.length];
  if (missing !== undefined) throw new MusterError('usage', `${path.join(' ')} needs ${operands[missing]}`);
  return Object.fromEntries(words.map((word, index) => [names[index], word]));
}

function switchHint(word: string): string | undefined {
  return /^(true|false)$/.test(word) ? 'a switch is turned off with --switch=false' : undefined;
}

function settingsOf(table: FlagTable, given: ReadonlyMap<string, readonly string[]>): Argv['settings'] {
  const settings: { -readonly [Key in keyof Argv['settings']]: Argv['settings'][Key] } = {};
  for (const [name, texts] of given) {
    const flag = table[name];
    if (flag?.setting) settings[flag.setting] = flag.many ? texts : texts.at(-1);
  }
  return settings;
}
