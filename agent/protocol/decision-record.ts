// Defines how a record remembers the last decision of an operator about its node.
import * as v from 'valibot';
import { goTime } from './node-info.ts';
import { struct, text } from './schema.ts';

export const decisionRecordSchema = struct({
  /** `approve`, `reject`, or what a later version decides. */
  Action: text(64),
  Reason: text(1024),
  /** The operator whose token was shown. */
  Actor: text(256),
  /** What the caller says of itself. Nothing proves it. */
  ClaimedActor: v.optional(v.pipe(v.string(), v.maxLength(256))),
  At: goTime(),
});
