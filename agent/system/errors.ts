// The one error type that reaches an operator: a stable code, one sentence, what to do, and the exit code that follows.

/** Stable codes; scripts may rely on them. The number is the process's exit code (design: the operator's surface). */
export const exitCodes = {
  failed: 1,
  not_found: 1,
  ambiguous: 1,
  conflict: 1,
  in_use: 1,
  not_writable: 1,
  bad_state: 1,
  usage: 64,
  unreachable: 69,
  not_allowed: 77,
  bad_config: 78,
} as const;

export type ErrorCode = keyof typeof exitCodes;

/** A fault with a sentence for the operator. `hint` says what to do; `cause` keeps what was caught. */
export class MusterError extends Error {
  override readonly name = 'MusterError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }
}

/** The operating system's error code (`ENOENT`, `EACCES`), if `error` carries one. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** What went wrong in one line, causes included, for a log field or the end of a sentence. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const first = error.message.split('\n', 1)[0] ?? '';
  const cause = error.cause === undefined ? '' : reasonOf(error.cause);
  return cause && !first.includes(cause) ? `${first}: ${cause}` : first;
}
