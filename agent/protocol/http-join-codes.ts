// Defines the bodies of the HTTP API about join codes.
import * as v from 'valibot';
import { goTime } from './node-info.ts';
import { count, strictTextMap, struct, text } from './schema.ts';

/** Limits for what an operator may ask of a code. */
export const joinCodeBounds = {
  minSeconds: 60,
  maxSeconds: 30 * 24 * 3_600,
  usualSeconds: 3_600,
  maxUses: 10_000,
} as const;

/** The body of the POST that makes a code. */
export const joinCodeOrderSchema = struct({
  /** Time after which the code lets nobody in any more. */
  ExpiresInSeconds: v.optional(
    v.pipe(
      v.number(),
      v.safeInteger(),
      v.minValue(joinCodeBounds.minSeconds, 'less than a minute'),
      v.maxValue(joinCodeBounds.maxSeconds, 'more than 30 days'),
    ),
    joinCodeBounds.usualSeconds,
  ),
  /** Number of nodes that it lets in. */
  Uses: v.optional(
    v.pipe(
      v.number(),
      v.safeInteger(),
      v.minValue(1, 'less than 1'),
      v.maxValue(joinCodeBounds.maxUses, `more than ${joinCodeBounds.maxUses}`),
    ),
    1,
  ),
  Approve: v.optional(v.boolean(), false),
  Labels: v.optional(strictTextMap(64, 63, 255), {}),
  Network: text(64),
  /** The name that the caller gives. It is only recorded beside the operator whose token the caller has. */
  Actor: v.optional(v.pipe(v.string(), v.maxLength(256)), ''),
});
export type JoinCodeOrder = v.InferOutput<typeof joinCodeOrderSchema>;

/** The body of the PUT that revokes a code. */
export const joinCodeChangeSchema = struct({
  Action: v.literal('revoke', 'expected "revoke"'),
  Actor: v.optional(v.pipe(v.string(), v.maxLength(256)), ''),
});

/** A code as operators see it: everything but the code itself. */
export const joinCodeViewSchema = struct({
  ID: v.pipe(v.string(), v.regex(/^[a-z2-7]{10}$/)),
  /** `valid`, `revoked`, `spent`, `expired`, or what a later version knows. */
  State: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  CreatedAt: goTime(),
  CreatedBy: text(256),
  EndsAt: goTime(),
  Uses: count(),
  /** Number of nodes that have used it. */
  Used: count(),
  Approve: v.boolean(),
  Labels: strictTextMap(64, 63, 255),
  Network: text(64),
  RevokedAt: v.optional(goTime()),
  RevokedBy: v.optional(v.pipe(v.string(), v.maxLength(256))),
});
export type JoinCodeView = v.InferOutput<typeof joinCodeViewSchema>;

export const joinCodeListSchema = struct({
  JoinCodes: v.pipe(v.array(joinCodeViewSchema), v.maxLength(10_000)),
});

/** The answer to the POST. The code itself is shown here, and never again. */
export const createdJoinCodeSchema = struct({
  JoinCode: joinCodeViewSchema,
  Code: v.pipe(v.string(), v.minLength(1), v.maxLength(4_096)),
  /** The addresses of the brokers in it. */
  Servers: v.pipe(v.array(v.pipe(v.string(), v.maxLength(512))), v.maxLength(64)),
  /** Whether the broker listens on its own machine only, so that the code is useless elsewhere. */
  LocalOnly: v.boolean(),
});
export type CreatedJoinCode = v.InferOutput<typeof createdJoinCodeSchema>;
