// A listener record is what the store keeps of a listener: the hash of its token, its durable, and who made it.
import * as v from 'valibot';
import { durablePattern } from '../../protocol/listener.ts';
import { goTime } from '../../protocol/node-info.ts';
import { rememberedSchema } from '../../protocol/operation-schema.ts';

export const listenerRecordSchema = v.object({
  /** SHA-256 of the token, in base64url. */
  hash: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  /** Its durable in the event stream. */
  durable: v.pipe(v.string(), v.regex(durablePattern)),
  /** Time of the first event that the durable reads; absent for the oldest one that is stored. */
  since: v.optional(goTime()),
  /** Whether it may also speak with approved nodes. */
  work: v.optional(v.boolean()),
  /** Time from which the token is no longer valid; absent when it stays valid. */
  expires: v.optional(goTime()),
  /** The operator who made it. */
  createdBy: v.pipe(v.string(), v.maxLength(256)),
  at: goTime(),
  /** The last operations that made or revoked a listener of this name. */
  operations: v.optional(rememberedSchema),
});
export type ListenerRecord = v.InferOutput<typeof listenerRecordSchema>;
