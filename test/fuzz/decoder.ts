// A decoder reads what comes from outside. Its row says how valid inputs are made, and how it may refuse others.
import type fc from 'fast-check';
import { ProtocolError } from '../../agent/protocol/error.ts';
import { MusterError } from '../../agent/system/errors.ts';

/** A decoder that is fuzzed. `T` is what it reads: a JSON value, a text, or bytes. */
export interface Decoder {
  /** What it reads, such as `a join code`. */
  readonly what: string;
  /** The functions and files that are tried, such as `protocol/join-code.ts readJoinCode`. */
  readonly covers: readonly string[];
  /** How inputs are changed: a JSON value by its structure, a text by its characters, bytes as they are. */
  readonly form: 'json' | 'text' | 'bytes';
  /** Makes valid inputs, which the decoder must take. */
  readonly valid: fc.Arbitrary<unknown>;
  /** Puts changed content where the decoder looks at it, such as below a correct checksum or signature. */
  wrap?(content: Buffer): Buffer;
  /** Reads an input: text for the form `text`, otherwise bytes. Returns what it read; undefined when it says "no". */
  read(input: Buffer | string): unknown;
  /** Returns whether an error is one that the decoder's callers expect; by default a ProtocolError. */
  isExpected?(error: unknown): boolean;
  /** Fails when what was read is not what the decoder promises. */
  check?(value: unknown): void;
  /** Writes what was read, to be read again as the same. Absent where nothing writes it. */
  write?(value: unknown): Buffer | string;
  /** Whether a refusal of a valid input is no fault, because its maker does not know all rules. */
  readonly mayRefuseValid?: boolean;
  /** The part of the inputs that it gets, because each takes long; 1 by default. */
  readonly share?: number;
  /** Ends what the decoder needed, such as a server. */
  release?(): Promise<void> | void;
}

export const isProtocolError = (error: unknown): boolean => error instanceof ProtocolError;
export const isMusterError = (error: unknown): boolean => error instanceof MusterError;
