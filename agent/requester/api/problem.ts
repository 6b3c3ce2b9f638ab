// The error body of the API has the members of Bacalhau's error body and is the same for every refusal.
import { type Problem, type ProblemCode, problemCodes, problemStatus } from '../../protocol/http-problems.ts';
import { type ErrorCode, MusterError } from '../../system/errors.ts';

/** An error in the request itself, which is found before the directory is asked. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly status: number;
  readonly code: ProblemCode;
  readonly hint: string | undefined;

  constructor(status: keyof typeof faultCodes, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.hint = hint;
    this.code = faultCodes[status];
  }
}

const faultCodes = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  413: 'PayloadTooLarge',
  429: 'TooManyRequests',
  501: 'NotImplemented',
} as const satisfies Record<number, ProblemCode>;

const codes: Partial<Record<ErrorCode, ProblemCode>> = problemCodes;

/** Returns the body for `error`; undefined when callers should not see the text of the error. */
export function problemOf(error: unknown, requestId: string): Problem | undefined {
  if (error instanceof RequestFault) {
    return {
      Status: error.status,
      Message: error.message,
      RequestID: requestId,
      Code: error.code,
      Component: 'APIServer',
      ...(error.hint ? { Hint: error.hint } : {}),
    };
  }
  if (!(error instanceof MusterError)) return undefined;
  const Code = codes[error.code] ?? 'InternalError';
  return {
    Status: problemStatus[Code],
    Message: error.message,
    RequestID: requestId,
    Code,
    Component: 'NodesManager',
    ...(error.hint ? { Hint: error.hint } : {}),
    ...(error.nothingDone ? { NothingDone: true } : {}),
  };
}

/** Returns the body for an unexpected error. The error itself is only in the log. */
export const unexpectedProblem = (requestId: string): Problem => ({
  Status: 500,
  Message: 'Internal server error',
  RequestID: requestId,
  Code: 'InternalError',
  Component: 'Unknown',
});
