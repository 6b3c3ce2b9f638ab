// Defines the bodies of the HTTP API about operators: their tokens, how a client logs in with one, and the keys that they banned.
import * as v from 'valibot';
import { bounded, having } from './http.ts';
import { goTime } from './node-info.ts';
import { operatorNamePattern } from './operator-token.ts';
import { nodeId, struct, text } from './schema.ts';

/** An operator who has a token. */
export const operatorViewSchema = struct({
  Name: v.pipe(v.string(), v.regex(operatorNamePattern)),
  ReadOnly: v.boolean(),
  /** Time from which the token is no longer valid; absent when it stays valid. */
  Expires: v.optional(goTime()),
  /** The operator who made the token, or `requester`. */
  CreatedBy: text(256),
  At: goTime(),
});
export type OperatorView = v.InferOutput<typeof operatorViewSchema>;

/** The list of the operators. */
export const operatorListSchema = v.pipe(
  having('Operators'),
  struct({ Operators: v.array(operatorViewSchema) }),
);

/** Longest time for which a token may be valid, in seconds: ten years. */
export const maxTokenSeconds = 10 * 365 * 24 * 3600;

/** The body of the POST that makes a token. */
export const newOperatorSchema = struct({
  Name: v.pipe(
    v.string(),
    v.regex(operatorNamePattern, 'a name is 1 to 64 of the characters A-Z a-z 0-9 _ -'),
  ),
  ReadOnly: v.optional(v.boolean(), false),
  /** Time for which the token is valid; absent or 0 when it stays valid. */
  ExpiresInSeconds: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxTokenSeconds)),
    0,
  ),
  Actor: v.optional(bounded(256), ''),
});

/** The body of the POST as a client sends it. */
export interface NewOperatorBody {
  Name: string;
  ReadOnly: boolean;
  ExpiresInSeconds: number;
  /** What the caller says of itself. */
  Actor: string;
}

/** The answer with a new token. */
export const newTokenSchema = struct({ Token: v.pipe(v.string(), v.maxLength(256)) });

/** The name of the way to log in that the API offers to clients of Bacalhau. */
export const loginMethod = 'OperatorToken';

/** The body with which a client of Bacalhau logs in. The data of the method are JSON in base64. */
export const loginSchema = struct({ MethodData: v.optional(bounded(4096), '') });
export const loginDataSchema = struct({ Token: v.optional(bounded(256), '') });

/** The answer that says where the first token is kept, and the one with a proof. */
export const tokenFileSchema = struct({ Path: v.pipe(v.string(), v.minLength(1), v.maxLength(4096)) });
export const proofSchema = struct({ Proof: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)) });

/** A key that is refused for ever. */
export const banSchema = struct({
  Fingerprint: text(64),
  /** The node that had the key. */
  NodeID: nodeId(),
  At: goTime(),
  Actor: text(256),
  Reason: text(1024),
});
export type ShownBan = v.InferOutput<typeof banSchema>;

/** The list of the keys that are refused for ever. */
export const bansSchema = v.pipe(having('Bans'), struct({ Bans: v.array(banSchema) }));

/** The body of the PUT that lifts a ban. */
export const unbanSchema = struct({
  Action: v.literal('unban', 'expected "unban"'),
  Actor: v.optional(bounded(256), 'api'),
});
