// Defines the bodies of the HTTP API about the CAs of a cluster.
import * as v from 'valibot';
import { count, nodeId, struct } from './schema.ts';

/** The pin of a CA. */
export const pinPattern = /^[A-Za-z0-9_-]{43}$/;
const pin = v.pipe(v.string(), v.regex(pinPattern, 'a pin has 43 of the characters A-Z a-z 0-9 _ -'));
const text = v.pipe(v.string(), v.maxLength(256));

/** The CAs that nodes trust, and how far the replacement of the present one is. */
export const authoritiesSchema = struct({
  /** `present`, `next`, `former`, or what a later version knows. */
  Authorities: v.pipe(v.array(struct({ Pin: pin, Use: text })), v.maxLength(16)),
  /** Whether the next start of the requester uses the next CA. */
  Ready: v.boolean(),
  /** Number of approved nodes that do not keep the next CA, and the ids of some of them. */
  Missing: count(),
  MissingNodes: v.pipe(v.array(nodeId()), v.maxLength(1_000)),
  /** The certificates of the present and the next CA, in PEM: what a program has to trust before and after the replacement. */
  CA: v.optional(v.pipe(v.string(), v.maxLength(65_536)), ''),
  /** Who wants the next CA to be used although some nodes do not keep it. */
  ForcedBy: v.optional(text),
  /** Whether only the HTTP API uses these CAs, because the nodes reach their broker without them. */
  ApiOnly: v.optional(v.boolean()),
});
export type AuthoritiesView = v.InferOutput<typeof authoritiesSchema>;

/** The body of the POST that makes the next CA. */
export const rotateAuthoritySchema = struct({
  Force: v.optional(v.boolean(), false),
  Actor: v.optional(text, ''),
});
/** The body of the PUT that takes a CA out of the set. */
export const forgetAuthoritySchema = struct({
  Action: v.literal('forget', 'expected "forget"'),
  Actor: v.optional(text, ''),
});
