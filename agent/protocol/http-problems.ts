// Defines how the HTTP API refuses: the body of a problem, and its codes. Both are Bacalhau's, with members of muster added.
import * as v from 'valibot';
import { struct, text } from './schema.ts';

/** The codes of problems, each with its HTTP status. */
export const problemStatus = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  ConflictNodeState: 409,
  MultipleNodesFound: 409,
  Gone: 410,
  PayloadTooLarge: 413,
  TooManyRequests: 429,
  InternalError: 500,
  NotImplemented: 501,
  ServiceUnavailable: 503,
  NoQuorum: 503,
} as const;
export type ProblemCode = keyof typeof problemStatus;

/** The problem code for each error code of muster. */
export const problemCodes = {
  not_found: 'NotFound',
  ambiguous: 'MultipleNodesFound',
  conflict: 'ConflictNodeState',
  gone: 'Gone',
  unreachable: 'ServiceUnavailable',
  no_quorum: 'NoQuorum',
} as const satisfies Record<string, ProblemCode>;

/** The body of every refusal. */
export interface Problem {
  Status: number;
  Message: string;
  /** The `X-Request-Id` of the caller, if it sent one. */
  RequestID: string;
  Code: ProblemCode;
  Component: string;
  Hint?: string;
  /** Present when nothing of what was asked for was done, so that another requester may be asked for it. */
  NothingDone?: true;
}

/** What a client reads of a refusal of Bacalhau. Up to 1.4 the reason of a failure is in `error`, and `message` says less. */
export const orchestratorProblemSchema = struct({
  Message: text(4096),
  Error: text(4096),
  Component: text(128),
});

/** The members of a problem that a client reads. */
export const problemSchema = struct({
  Message: v.pipe(v.string(), v.minLength(1), v.maxLength(4096)),
  Code: text(128),
  Hint: text(4096),
  NothingDone: v.optional(v.boolean(), false),
});
