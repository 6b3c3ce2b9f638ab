// Defines what the record of a node keeps of its renames: its former ids, and the place of another record that it takes.
import * as v from 'valibot';
import { goTime } from './node-info.ts';
import { operationPattern } from './operation.ts';
import { count, nodeId, struct, text } from './schema.ts';

/** Number of former ids that a record keeps. An agent that was away can still come under each of them. */
export const maxFormerIds = 8;

/** An id that a node had before an operator renamed it: when that was, who did it, and why. */
export const formerIdSchema = struct({
  ID: nodeId(),
  At: goTime(),
  Actor: text(256),
  /** What the caller of the operator says of itself. Nothing proves it. */
  ClaimedActor: v.optional(text(256)),
  Reason: text(1024),
  /** When the node was last heard under this id; absent when it never was. */
  LastSeenAt: v.optional(goTime()),
});
export type FormerId = v.InferOutput<typeof formerIdSchema>;

/** The former ids of a node, the latest first. */
export const formerIdsSchema = v.pipe(v.array(formerIdSchema), v.maxLength(maxFormerIds));

/**
 * Says that a record is the copy of the one under its former id, and takes its place when that is gone. Until then nobody
 * sees it.
 */
export const arrivalSchema = struct({
  /** The revision of the record that was copied. */
  Revision: count(),
  /** The id of the operation that renames the node. */
  Operation: v.optional(v.pipe(v.string(), v.regex(operationPattern))),
});
