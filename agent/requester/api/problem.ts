// What went wrong, as Bacalhau's API says it: one envelope for every refusal (requester 4.2).
import { type ErrorCode, MusterError } from '../../system/errors.ts';

export interface Problem {
  Status: number;
  Message: string;
  /** The caller's own `X-Request-Id`, if it sent one. */
  RequestID: string;
  Code: string;
  Component: string;
  Hint?: string;
}

/** A fault of the request itself, before the roll is asked. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly status: number;
  readonly code: string;

  constructor(status: 400 | 403 | 404 | 413 | 429, message: string) {
    super(message);
    this.status = status;
    this.code = faultCodes[status];
  }
}

const faultCodes = {
  400: 'BadRequest',
  403: 'Forbidden',
  404: 'NotFound',
  413: 'PayloadTooLarge',
  429: 'TooManyRequests',
} as const;

const codes: Partial<Record<ErrorCode, [status: number, code: string]>> = {
  not_found: [404, 'NotFound'],
  ambiguous: [409, 'MultipleNodesFound'],
  conflict: [409, 'ConflictNodeState'],
  unreachable: [503, 'ServiceUnavailable'],
};

/** The envelope for `error`; undefined when it is no error that a caller is told of. */
export function problemOf(error: unknown, requestId: string): Problem | undefined {
  if (error instanceof RequestFault) {
    return {
      Status: error.status,
      Message: error.message,
      RequestID: requestId,
      Code: error.code,
      Component: 'APIServer',
    };
  }
  if (!(error instanceof MusterError)) return undefined;
  const [Status, Code] = codes[error.code] ?? [500, 'InternalError'];
  return {
    Status,
    Message: error.message,
    RequestID: requestId,
    Code,
    Component: 'NodesManager',
    ...(error.hint ? { Hint: error.hint } : {}),
  };
}

/** The envelope for an error that nobody foresaw: what it is stays in the log. */
export const unexpectedProblem = (requestId: string): Problem => ({
  Status: 500,
  Message: 'Internal server error',
  RequestID: requestId,
  Code: 'InternalError',
  Component: 'Unknown',
});
