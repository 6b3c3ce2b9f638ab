// The error body of the API, which is the same for every refusal and has the members of Bacalhau's.
import { type ErrorCode, MusterError } from '../../system/errors.ts';

export interface Problem {
  Status: number;
  Message: string;
  /** The caller's own `X-Request-Id`; empty when it sent none. */
  RequestID: string;
  Code: string;
  Component: string;
  Hint?: string;
}

/** An error in the request itself, found before the directory is asked. */
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

/** Returns the body for `error`; undefined for an error whose text is not meant for callers. */
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

/** Returns the body for an unexpected error. What it is stands in the log only. */
export const unexpectedProblem = (requestId: string): Problem => ({
  Status: 500,
  Message: 'Internal server error',
  RequestID: requestId,
  Code: 'InternalError',
  Component: 'Unknown',
});
