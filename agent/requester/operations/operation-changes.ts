// Says what an operation did besides decisions about nodes: to operators, listeners, join codes, banned keys, CAs and an older
// store. Their records, and the markers of those that were removed, remember it.
import * as v from 'valibot';
import type { OperationChange } from '../../protocol/http-operations.ts';
import { parseJson } from '../../protocol/json.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import { goTime } from '../../protocol/node-info.ts';
import { type Remembered, rememberedOperations } from '../../protocol/operation.ts';
import { rememberedSchema } from '../../protocol/operation-schema.ts';
import type { Bucket, BucketEntry } from '../../transport/port.ts';
import { type ChangeKind, markerActor, markerOperations } from '../cluster/record-operations.ts';
import { recoveryPrefix } from '../cluster/recovery.ts';
import { authorityNotes } from './note-change.ts';

/** The kinds of records that remember operations, by the beginnings of their keys. */
const prefixes = ['operator.', 'listener.', 'code.', 'ban.', authorityNotes, recoveryPrefix] as const;

/** The kinds of later changes that take the place of one. */
const overtakenBy: Readonly<Record<ChangeKind, RegExp>> = {
  operator_created: /^operator_(created|revoked)$/,
  operator_revoked: /^operator_created$/,
  listener_created: /^listener_(created|revoked)$/,
  listener_revoked: /^listener_created$/,
  join_code_created: /^join_code_revoked$/,
  join_code_revoked: /^never$/,
  banned: /^unbanned$/,
  unbanned: /^banned$/,
  ca_rotated: /^ca_forgotten$/,
  ca_forgotten: /^never$/,
  store_confirmed: /^never$/,
};

/** Number of changes of one operation that are shown. */
const maxShown = 100;

/** Returns the changes that an operation made, as the store remembers them. @throws BrokerError */
export async function findChanges(
  bucket: Pick<Bucket, 'watch'>,
  operation: string,
): Promise<OperationChange[]> {
  const found = new Map<string, OperationChange>();
  const onEntry = (entry: BucketEntry) => {
    const change = changeOf(operation, entry);
    if (change) found.set(entry.key, change);
    else found.delete(entry.key);
  };
  const watch = await bucket.watch(onEntry, { prefixes });
  try {
    await watch.ready;
  } finally {
    watch.stop();
  }
  return [...found.values()].slice(0, maxShown);
}

/** Returns what the operation did to a record, and whether it still stands; undefined when the entry does not name it. */
export function changeOf(operation: string, entry: BucketEntry): OperationChange | undefined {
  const record = entry.marker ? {} : readRecord(operation, entry);
  const texts = entry.marker ? markerOperations(entry) : record.operations;
  const remembered = rememberedOperations(texts ?? []);
  const at = remembered.findIndex(each => each.operation === operation && isKind(each.kind));
  const own = remembered[at];
  if (!own || !isKind(own.kind)) return undefined;
  const overtaking = overtakenBy[own.kind];
  const factsAt = (each: Remembered) => factsOf(each, entry, record, each === remembered.at(-1));
  const next = remembered.slice(at + 1).find(({ kind }) => overtaking.test(kind));
  const later = next
    ? { Kind: next.kind, Operation: next.operation, Reason: '', ...factsAt(next) }
    : revokedAlone(own.kind, record);
  return {
    Kind: own.kind,
    Name: nameOf(entry.key),
    Stands: later === undefined,
    ...factsAt(own),
    ...(later ? { Later: later } : {}),
  };
}

type Facts = Pick<OperationChange, 'At' | 'Actor'>;

const name = v.pipe(v.string(), v.maxLength(256));

/** What a record says of who made it and when, whatever its kind. */
const recordSchema = v.object({
  operations: v.optional(rememberedSchema),
  at: v.optional(goTime()),
  by: v.optional(name),
  createdBy: v.optional(name),
  actor: v.optional(name),
  revoked: v.optional(v.object({ at: goTime(), by: name })),
});
type AnyRecord = v.InferOutput<typeof recordSchema>;

/** Returns who made a change and when, as far as the entry tells. It tells of the change that wrote it, and of a code's origin. */
function factsOf({ kind }: Remembered, entry: BucketEntry, record: AnyRecord, isLast: boolean): Facts {
  if (entry.marker) return isLast ? facts(entry.created.toISOString(), markerActor(entry)) : { Actor: '' };
  const { at, by, createdBy, actor, revoked } = record;
  if (kind === 'join_code_revoked') return facts(revoked?.at, revoked?.by);
  // The token of a requester's own machine is made anew when it is revoked, by no operator.
  if (kind === 'operator_revoked') return facts(isLast ? at : undefined, '');
  // A note has the time at which it was written.
  if (/^(ca_|store_)/.test(kind)) return isLast ? facts(entry.created.toISOString(), actor) : { Actor: '' };
  return isLast || kind === 'join_code_created' ? facts(at, by ?? createdBy ?? actor) : { Actor: '' };
}

const facts = (at: string | undefined, actor = ''): Facts => ({ ...(at ? { At: at } : {}), Actor: actor });

/** Returns the end of a join code that a requester revoked by itself, or that an earlier version revoked. */
function revokedAlone(kind: ChangeKind, { revoked }: AnyRecord): OperationChange['Later'] {
  if (kind !== 'join_code_created' || !revoked) return undefined;
  return { Kind: 'join_code_revoked', Reason: '', ...facts(revoked.at, revoked.by) };
}

function readRecord(operation: string, { value }: BucketEntry): AnyRecord {
  // Most records are of other operations, and need not be parsed.
  if (!Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(operation)) return {};
  try {
    const read = v.safeParse(recordSchema, parseJson(value));
    return read.success ? read.output : {};
  } catch {
    return {};
  }
}

const isKind = (kind: string): kind is ChangeKind => Object.hasOwn(overtakenBy, kind);

/**
 * Returns what a record is about: the name of an operator or a listener, the id of a code, the pin of a CA, or the fingerprint of
 * a key. Of the store there is only one, and it has no name.
 */
function nameOf(key: string): string {
  const [prefix = ''] = prefixes.filter(each => key.startsWith(each));
  const name = key.slice(prefix.length);
  if (prefix === recoveryPrefix) return '';
  return prefix === 'ban.' ? fingerprint(name) : name;
}
