// What a command is: the flags and operands that it takes, and the work that it does. Each command's file exports one.
import type { Kind } from '../../config/kind.ts';
import type { LoadedSettings, LoadOptions } from '../../config/load.ts';
import type { Role } from '../../config/role.ts';
import type { FlagKey } from '../../config/settings.ts';
import type { Flags } from '../../config/sources.ts';

/** One flag. Without `value` it is a switch. */
export interface Flag {
  /** What stands for its value in help, such as `FILE`. */
  readonly value?: string;
  /** How the value is read and refused; without it, any text will do. */
  readonly kind?: Kind<unknown>;
  readonly default?: string | number;
  /** It may be given more than once, and its value is a list. */
  readonly many?: true;
  /** One letter. */
  readonly short?: string;
  /** The setting that it gives: its value goes to the loader of settings, unread. */
  readonly setting?: FlagKey;
  /** Why it is no flag after all, and what to do instead; it is not in the help. */
  readonly refused?: string;
  readonly help: string;
}

/** Flags by name, without the dashes. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** Flags of every command. */
export const globalFlags: FlagTable = {
  config: { value: 'FILE', short: 'c', help: 'read the settings from this file' },
  'log-level': {
    value: 'LEVEL',
    setting: 'log.level',
    help: 'least important lines to log; debug also explains an unexpected error',
  },
  help: { short: 'h', help: 'show this help' },
  version: { help: 'show the version' },
};

export interface Command {
  readonly flags?: FlagTable;
  /** What stands after the command, in order, each with a line of help. All are required. */
  readonly operands?: Readonly<Record<string, string>>;
  /** What may stand after those. */
  readonly optionalOperands?: Readonly<Record<string, string>>;
  /** It takes any number of words after those, as `argv.rest`. */
  readonly rest?: true;
  /** The settings that it takes as flags: those that a role reads, or the ones named. */
  readonly settings?: Role | 'all' | readonly FlagKey[];
  /** Does the work and answers the exit code. Throws MusterError. */
  run(argv: Argv): Promise<number>;
}

/** A command line, read: what `run` gets. */
export interface Argv<
  F extends FlagTable = Record<never, Flag>,
  Operand extends string = never,
  OptionalOperand extends string = never,
> {
  readonly flags: { readonly [Name in keyof F]: Value<F[Name]> };
  readonly operands: { readonly [Name in Operand]: string } & { readonly [Name in OptionalOperand]?: string };
  readonly rest: readonly string[];
  /** `--config` */
  readonly config: string | undefined;
  /** Settings as the command line gives them, not yet read. */
  readonly settings: Flags;
  /** Reads the settings from every source, the command line included. Throws MusterError `bad_config`. */
  load(options?: Pick<LoadOptions, 'skipUnreadable' | 'configFile' | 'alsoCheck'>): Promise<LoadedSettings>;
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
