// The types of a command: its flags, its operands and what it does. The file of each command exports such an object.
import type { Kind } from '../../config/kind.ts';
import type { LoadedSettings, LoadOptions } from '../../config/load.ts';
import type { Role } from '../../config/role.ts';
import type { FlagKey } from '../../config/settings.ts';
import type { Flags } from '../../config/sources.ts';

/** One flag. A flag without `value` is a switch. */
export interface Flag {
  /** Name of its value in the help, such as `FILE`. */
  readonly value?: string;
  /** Reads the value and refuses a wrong one. Without it, any text is allowed. */
  readonly kind?: Kind<unknown>;
  readonly default?: string | number;
  /** The flag may be given more than once; its value is a list. */
  readonly many?: true;
  /** One letter, for `-o` beside `--output`. */
  readonly short?: string;
  /** The setting that this flag gives. The loader of the settings reads its value. */
  readonly setting?: FlagKey;
  /** Set for a name that must not be used as a flag: what to do instead. It is not in the help. */
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

/** A command line that the help shows, without `muster`, and what it does. */
export type Example = readonly [line: string, help: string];

export interface Command {
  readonly flags?: FlagTable;
  /** The words that have to follow the command, in order, each with a line of help. */
  readonly operands?: Readonly<Record<string, string>>;
  /** The words that may follow those. */
  readonly optionalOperands?: Readonly<Record<string, string>>;
  /** Any number of words may follow those; they are in `argv.rest`. */
  readonly rest?: true;
  /** The settings that are also flags of this command: those of a role, or the named ones. */
  readonly settings?: Role | 'all' | readonly FlagKey[];
  /** Two for each command that the help lists. */
  readonly examples?: readonly Example[];
  /** Runs the command and returns the exit code. Throws MusterError. */
  run(argv: Argv): Promise<number>;
}

/** One line of the table of commands. */
export interface CommandRow {
  /** The words of the command, such as `node list`. */
  readonly path: string;
  /** What the command does, in one line. */
  readonly help: string;
  /** The command is for the program itself and is not in the help. */
  readonly hidden?: true;
  /** The command runs until it is stopped, and stops in its own way. */
  readonly lasting?: true;
  load(): Promise<Command>;
}

export type CommandTable = readonly CommandRow[];

/** A command line that was read: the argument of `run`. */
export interface Argv<
  F extends FlagTable = Record<never, Flag>,
  Operand extends string = never,
  OptionalOperand extends string = never,
> {
  readonly flags: { readonly [Name in keyof F]: Value<F[Name]> };
  readonly operands: { readonly [Name in Operand]: string } & { readonly [Name in OptionalOperand]?: string };
  readonly rest: readonly string[];
  /** Value of `--config`. */
  readonly config: string | undefined;
  /** Settings from the command line, as they were typed. */
  readonly settings: Flags;
  /** Loads the settings from every source, the command line included. Throws MusterError `bad_config`. */
  load(
    options?: Pick<LoadOptions, 'skipUnreadable' | 'configFile' | 'findMoreConflicts'>,
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
