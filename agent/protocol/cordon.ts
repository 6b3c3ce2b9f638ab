// Defines a cordon, which keeps new work away from a node for a while: as it stands in the record, and in events.
import * as v from 'valibot';
import { goTime } from './node-info.ts';
import { struct, text } from './schema.ts';

const drainSchema = struct({
  /** When an operator began the drain. */
  At: goTime(),
  /** When the work should be over. Nothing happens then by itself: whoever waits for the drain is told. */
  Deadline: v.optional(goTime()),
  /** When the node said first that it runs nothing any more; absent until then. */
  DrainedAt: v.optional(goTime()),
});

/** A cordon as it stands in the record of a node. Bacalhau ignores it. */
export const cordonSchema = struct({
  Reason: text(1024),
  /** The operator whose token was shown. */
  Actor: text(256),
  /** What the caller says of itself. Nothing proves it. */
  ClaimedActor: v.optional(v.pipe(v.string(), v.maxLength(256))),
  /** When an operator cordoned the node, or changed the cordon last. */
  At: goTime(),
  /** When the cordon ends by itself; absent when only an operator ends it. */
  Until: v.optional(goTime()),
  /** Present while the work of the node is awaited to end, and afterwards until the cordon ends. */
  Drain: v.optional(drainSchema),
});
export type Cordon = v.InferOutput<typeof cordonSchema>;

/** What a change of a record, and so its event, says of a cordon besides reason and actor. */
export const cordonChangeSchema = struct({
  Until: v.optional(goTime()),
  Drain: v.optional(v.boolean()),
  Deadline: v.optional(goTime()),
});
export type CordonChange = v.InferOutput<typeof cordonChangeSchema>;

/** The longest time for which a node may be cordoned or drained, in seconds: a year. */
export const maxCordonSeconds = 366 * 24 * 3600;

/** Returns whether the work of a cordoned node is still awaited to end. */
export const isDraining = (cordon: Cordon | undefined): boolean =>
  cordon?.Drain !== undefined && cordon.Drain.DrainedAt === undefined;
