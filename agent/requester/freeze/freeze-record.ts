// Defines the freeze: the record in the store by which all requesters of a roll hold their writes, and what is said about it.
import * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import type { Bucket, BucketEntry } from '../../transport/port.ts';
import { encode } from '../cluster/cluster-bucket.ts';

/** The key in the bucket `muster_v1`. */
export const freezeKey = 'freeze';

/** What is held: the records in the buckets, and the events. */
export const freezeKinds = ['records', 'events'] as const;
export type FreezeKind = (typeof freezeKinds)[number];

/** What a freeze is for: a copy of the store, or its streams on another number of servers. */
export type FreezePurpose = 'backup' | 'move';

/**
 * The longest time that each kind is held, in milliseconds. Nodes and operators wait for a record; nobody waits for an event.
 * A move takes longer than a copy, and must not end in its middle.
 */
export const longestMs: Readonly<Record<FreezePurpose, Record<FreezeKind, number>>> = {
  backup: { records: 10_000, events: 120_000 },
  move: { records: 120_000, events: 120_000 },
};

/**
 * Times in milliseconds: how often the holder tells that it is there; the silence after which the others write again; how long
 * the holder waits until all others hold their writes; and how long their writes may take that began before.
 */
export const freezeTimesMs = { beat: 1_000, silent: 7_000, answers: 4_000, quiet: 3_000 };

/**
 * How long the holder asks again while a write lasts that began before the freeze, in milliseconds from the beginning. A write is
 * repeated for twelve seconds when the store was away. A copy must be made in what is left of the time for records.
 */
export const askAgainMs: Readonly<Record<FreezePurpose, number>> = { backup: 5_000, move: 15_000 };

const short = v.pipe(v.string(), v.maxLength(256));
const ms = v.pipe(v.number(), v.minValue(0), v.maxValue(600_000));
/** The process that asked for a freeze. It is a command beside a requester. */
const holderSchema = v.object({ requester: short, host: short, pid: v.number(), since: short });
export type FreezeHolder = v.InferOutput<typeof holderSchema>;

const recordSchema = v.object({
  /** A random text that names this freeze. */
  id: short,
  holder: holderSchema,
  purpose: v.picklist(['backup', 'move']),
  /** What is still held. */
  holds: v.pipe(v.array(v.picklist(freezeKinds)), v.maxLength(freezeKinds.length)),
  /** How long each kind is held at most, from the moment in which a requester saw the record. */
  longestMs: v.object({ records: ms, events: ms }),
});
export type FreezeRecord = v.InferOutput<typeof recordSchema>;

/** What the holder tells: that it asks for a freeze, that it is alive, or that the record has changed. */
const toldSchema = v.object({ id: short, tells: v.picklist(['begin', 'beat', 'changed']) });
export type FreezeTold = v.InferOutput<typeof toldSchema>;

const memberSchema = v.object({ requester: short, instance: short, host: short });
/** A requester, as it is named in an answer. */
export type FreezeMember = v.InferOutput<typeof memberSchema>;

/** What a requester answers when it holds its writes, or cannot. */
const answerSchema = v.object({
  ...memberSchema.entries,
  id: short,
  /** Why it does not hold them; absent when it does. */
  refused: v.optional(short),
  /** Whether that passes by itself, so that it may be asked again. */
  isPassing: v.optional(v.boolean()),
  /** The other requesters that it knows. */
  peers: v.pipe(v.array(memberSchema), v.maxLength(64)),
});
export type FreezeAnswer = v.InferOutput<typeof answerSchema>;

/** Removes the record, because this store is a copy that was made during a freeze. @throws BrokerError */
export async function forgetFreeze(bucket: Pick<Bucket, 'get' | 'purge'>): Promise<void> {
  const entry = await bucket.get(freezeKey);
  if (entry && !entry.marker) await bucket.purge(freezeKey, entry.revision, {});
}

/** Returns the record in an entry; undefined for none, and for one that this version does not understand. */
export const readFreeze = (entry: BucketEntry | undefined): FreezeRecord | undefined =>
  entry && !entry.marker ? readAs(recordSchema, entry.value) : undefined;

/** Returns what the holder tells; undefined for what cannot be read. */
export const readTold = (data: Uint8Array): FreezeTold | undefined => readAs(toldSchema, data);

/** Returns what a requester answers; undefined for what cannot be read. */
export const readFreezeAnswer = (data: Uint8Array): FreezeAnswer | undefined => readAs(answerSchema, data);

export const encodeFreeze = (record: FreezeRecord): Uint8Array => encode(record);
export const encodeTold = (told: FreezeTold): Uint8Array => encode(told);
export const encodeFreezeAnswer = (answer: FreezeAnswer): Uint8Array => encode(answer);

function readAs<const T extends v.GenericSchema>(schema: T, data: Uint8Array): v.InferOutput<T> | undefined {
  try {
    return validate(schema, parseJson(data));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
