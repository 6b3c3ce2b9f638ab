// Defines the types of a command: its flags, its operands and its function. The file of each command exports such an object.
import type { Kind } from '../../config/kind.ts';
import type { LoadedSettings, LoadOptions } from '../../config/load.ts';
import type { Role } from '../../config/role.ts';
import type { FlagKey } from '../../config/settings.ts';
import type { Flags } from '../../config/sources.ts';

/** One flag. A flag without `value` is a switch. */
export interface Flag {
  /** Name of its value in the help, such as `FILE`. */
  readonly value?: string;
  /** Reads the value and refuses a wrong one. When it is absent, any text is allowed. */
  readonly kind?: Kind<unknown>;
  readonly default?: string | number;
  /** Set when the flag may be given more than once. Its value is then a list. */
  readonly many?: true;
  /** One letter, such as `o` for `-o` beside `--output`. */
  readonly short?: string;
  /** The setting that this flag gives. The loader of the settings reads its value. */
  readonly setting?: FlagKey;
  /**
   * Set for a name that must not be used as a flag. The text says what to do instead. The help does not show the flag.
   */
  readonly refused?: string;
  readonly help: string;
}

/** Flags by name, without the dashes. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** The flags that every command takes. */
export const globalFlags: FlagTable = {
  config: { value: 'FILE', short: 'c', help: 'read the settings from this file' },
  'log-level': {
    value: 'LEVEL',
    setting: 'log.level',
    help: 'least important level to log; debug also explains an unexpected error',
  },
  help: { short: 'h', help: 'show this help' },
  version: { help: 'show the version' },
};

/** A command line without `muster`, which the help shows, and what it does. */
export type Example = readonly [line: string, help: string];

export interface Command {
  readonly flags?: FlagTable;
  /** The words that must follow the command, in order, each with one line of help. */
  readonly operands?: Readonly<Record<string, string>>;
  /** The words that may follow the operands. */
  readonly optionalOperands?: Readonly<Record<string, string>>;
  /**
   * Set when any number of words may follow; they are in `argv.rest`. It has one member: the name of each of these words, with
   * one line of help. It has none when the help shows no such word.
   */
  readonly rest?: Readonly<Record<string, string>>;
  /** The settings that are also flags of this command: all settings of a role, or those in the list. */
  readonly settings?: Role | 'all' | readonly FlagKey[];
  /** Two examples for each command in the help. */
  readonly examples?: readonly Example[];
  /** Runs the command and returns the exit code. Throws MusterError. */
  run(argv: Argv): Promise<number>;
}

/** A word that may follow a command: as its usage shows it, and one line of help. */
export interface ShownOperand {
  readonly name: string;
  readonly usage: string;
  readonly help: string;
}

/** Returns the words that may follow a command, in order. */
export function shownOperands({ operands = {}, optionalOperands = {}, rest = {} }: Command): ShownOperand[] {
  const shown = (table: Readonly<Record<string, string>>, usage: (name: string) => string) =>
    Object.entries(table).map(([name, help]) => {
      const upper = name.toUpperCase();
      return { name: upper, usage: usage(upper), help };
    });
  return [
    ...shown(operands, name => name),
    ...shown(optionalOperands, name => `[${name}]`),
    ...shown(rest, name => `[${name}...]`),
  ];
}

/** One row of the table of commands. */
export interface CommandRow {
  /** The words of the command, such as `node list`. */
  readonly path: string;
  /** One line about what the command does. */
  readonly help: string;
  /** Set for a command that only the program itself uses. The help does not show it. */
  readonly hidden?: true;
  /** Set for a command that runs until it is stopped, and handles the stop itself. */
  readonly lasting?: true;
  load(): Promise<Command>;
}

export type CommandTable = readonly CommandRow[];

/** A command line after it was read: the argument of `run`. */
export interface Argv<
  F extends FlagTable = Record<never, Flag>,
  Operand extends string = never,
  OptionalOperand extends string = never,
> {
  readonly flags: { readonly [Name in keyof F]: Value<F[Name]> };
  readonly operands: { readonly [Name in Operand]: string } & { readonly [Name in OptionalOperand]?: string };
  readonly rest: readonly string[];
  /** The flags on the command line by their names without the dashes, each with its values as they were typed. */
  readonly given: ReadonlyMap<string, readonly string[]>;
  /** The value of `--config`. */
  readonly config: string | undefined;
  /** The settings on the command line, as they were typed. */
  readonly settings: Flags;
  /** Loads the settings from every source, including the command line. Throws MusterError `bad_config`. */
  load(
    options?: Pick<LoadOptions, 'skipUnreadable' | 'configFile' | 'findMoreConflicts' | 'role'>,
  ): Promise<LoadedSettings>;
}

type Value<F extends Flag> = F extends { kind: Kind<infer T> }
  ? Given<F, T>
  : F extends { value: string }
    ? Given<F, string>
    : boolean;
type Given<F extends Flag, T> = F extends { many: true }
  ? readonly T[]
  : F extends { default: string | number }
    ? T
    : T | undefined;
