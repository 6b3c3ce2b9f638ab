// The presence of a requester is what it tells the other requesters of its roll, and how they know it then.
import * as v from 'valibot';
import { pinPattern } from '../../protocol/http-authorities.ts';
import { parseJson } from '../../protocol/json.ts';
import { maxAuthorities } from '../../protocol/messages.ts';
import { goTime } from '../../protocol/node-info.ts';
import { validate } from '../../protocol/schema.ts';
import { holderSchema } from './holder.ts';
import { sharedSettingsSchema } from './shared-settings.ts';

const presenceSchema = v.object({
  ...holderSchema.entries,
  version: v.pipe(v.string(), v.maxLength(64)),
  /** Whether it watches. */
  watches: v.boolean(),
  settings: v.optional(sharedSettingsSchema),
  /** When it sent this, by its clock; absent in earlier versions. */
  time: v.optional(goTime()),
  /** The pins of the CAs that nodes should trust, if it runs the broker and makes them itself. */
  authorities: v.optional(
    v.pipe(v.array(v.pipe(v.string(), v.regex(pinPattern))), v.maxLength(maxAuthorities)),
  ),
  /** Whether it tells this for the last time, because it stops. */
  leaves: v.optional(v.boolean(), false),
});

/** What a requester tells the others of itself. */
export type Presence = v.InferOutput<typeof presenceSchema>;

/** Reads what another requester tells of itself. @throws ProtocolError */
export const readPresence = (data: Uint8Array): Presence => validate(presenceSchema, parseJson(data));

/** Another requester of the roll. */
export interface Peer extends Omit<Presence, 'leaves' | 'time'> {
  /** The names of the settings that should be those of this requester, and are not. */
  differs: readonly string[];
  /**
   * How far its clock is ahead of this one's, in milliseconds, and below 0 when it is behind; absent when the two are close to
   * each other, or that is not known.
   */
  clockAheadMs?: number | undefined;
}
