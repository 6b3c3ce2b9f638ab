// Defines a tombstone, which keeps what was known of a node that is not on the roll any more. It stands in the marker that took
// the place of the record, and in the record of a node that came back.
import * as v from 'valibot';
import { cordonSchema } from './cordon.ts';
import { decisionRecordSchema } from './decision-record.ts';
import { labelOriginSchema } from './label-schema.ts';
import { memberships } from './memberships.ts';
import { goTime } from './node-info.ts';
import { nodeId, strictTextMap, struct, text } from './schema.ts';

/** The largest tombstone that a marker may contain, in bytes of JSON. One that is larger loses its labels. */
export const maxTombstoneBytes = 8 * 1024;

/** How many whole tombstones a store may have, and their bytes of JSON in all. Beyond either, the oldest are shortened. */
export const tombstoneLimits = { number: 10_000, bytes: 16 * 1024 * 1024 };

const short = (maxLength: number) => v.optional(v.pipe(v.string(), v.maxLength(maxLength)));

const entries = {
  /** The membership that the node had last. */
  Membership: v.optional(v.picklist(memberships)),
  /** The last decision about the node before it went. */
  Decision: v.optional(decisionRecordSchema),
  /** The labels of the control plane, and who set them. Absent also when they were too many to be kept; then `LabelsLost` is true. */
  Labels: v.optional(strictTextMap(256, 256, 1024)),
  LabelOrigins: v.optional(v.pipe(v.array(labelOriginSchema), v.maxLength(256))),
  LabelsLost: v.optional(v.boolean()),
  Cordon: v.optional(cordonSchema),
  JoinCode: short(64),
  Hostname: short(255),
  /** When the node registered for the first time and for the last time, and when it was last heard. */
  FirstRegisteredAt: v.optional(goTime()),
  RegisteredAt: v.optional(goTime()),
  LastSeenAt: v.optional(goTime()),
  /** Whether the node was forgotten for its silence, and so may come back by itself. Otherwise an operator deleted it. */
  Forgotten: v.optional(v.boolean()),
  /** Whether only the members below are left, because too many nodes are gone. Such a node cannot be brought back. */
  Shortened: v.optional(v.boolean()),
  /** When it went, who wanted that, and why. */
  GoneAt: goTime(),
  Actor: text(256),
  ClaimedActor: short(256),
  Reason: text(1024),
  /** Who brought it back, and when; absent when the node came back by itself. */
  UndeletedAt: v.optional(goTime()),
  UndeletedBy: short(256),
};

export const tombstoneSchema = struct({ ...entries, PublicKey: short(64) });
export type Tombstone = v.InferOutput<typeof tombstoneSchema>;

/** A tombstone as the API shows it: with the fingerprint of the key instead of the key. */
const shownEntries = { ...entries, Fingerprint: short(64) };
export const shownTombstoneSchema = struct(shownEntries);
export type ShownTombstone = v.InferOutput<typeof shownTombstoneSchema>;

/** A node that is gone, as the API lists it. */
export const goneNodeSchema = struct({ NodeID: nodeId(), ...shownEntries });
export type GoneNode = v.InferOutput<typeof goneNodeSchema>;
