// An operator record is what the store keeps of an operator's token: its hash, what it allows, and who made it.
import * as v from 'valibot';
import { goTime } from '../../protocol/node-info.ts';
import { rememberedSchema } from '../../protocol/operation-schema.ts';

export const operatorRecordSchema = v.object({
  /** SHA-256 of the token, in base64url. */
  hash: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  readOnly: v.boolean(),
  /** Time from which the token is no longer valid; absent when it stays valid. */
  expires: v.optional(goTime()),
  /** The operator who made it, or `requester`. */
  createdBy: v.pipe(v.string(), v.maxLength(256)),
  /** The node id of the requester that made it for its own machine; absent for a token that an operator made. */
  requester: v.optional(v.pipe(v.string(), v.maxLength(128))),
  at: goTime(),
  /** The last operations that made or revoked a token of this operator. */
  operations: v.optional(rememberedSchema),
});
export type OperatorRecord = v.InferOutput<typeof operatorRecordSchema>;
