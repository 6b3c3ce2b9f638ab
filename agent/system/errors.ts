// Defines the error that an operator sees: a stable code, one sentence, a hint, and the exit code.

/** The codes of errors with the exit codes of the process. Scripts may rely on them. */
export const exitCodes = {
  failed: 1,
  not_found: 1,
  ambiguous: 1,
  conflict: 1,
  in_use: 1,
  not_writable: 1,
  bad_state: 1,
  unsupported: 1,
  gone: 1,
  no_quorum: 1,
  usage: 64,
  unreachable: 69,
  not_allowed: 77,
  bad_config: 78,
} as const;

export type ErrorCode = keyof typeof exitCodes;

export interface MusterErrorOptions {
  /** What the operator can do. */
  hint?: string | undefined;
  /** The error that was caught. */
  cause?: unknown;
  /** Whether nothing of what was asked for was done, so that another requester may be asked for it; false when absent. */
  nothingDone?: boolean;
  /** Sentences that say more, each on a line of its own below the message. */
  details?: readonly string[];
}

/** An error with a sentence for the operator. */
export class MusterError extends Error {
  override readonly name = 'MusterError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly nothingDone: boolean;
  readonly details: readonly string[];

  constructor(code: ErrorCode, message: string, options: MusterErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.nothingDone = options.nothingDone ?? false;
    this.details = options.details ?? [];
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }
}

/** Returns the operating system's code of `error`, such as `ENOENT` or `EACCES`, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Returns the reason of an error on one line, with its causes, for a log field or the end of a sentence. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const first = error.message.split('\n', 1)[0] ?? '';
  const cause = error.cause === undefined ? '' : reasonOf(error.cause);
  return cause && !first.includes(cause) ? `${first}: ${cause}` : first;
}
