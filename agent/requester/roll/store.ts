// Reads and writes the node info store: one record per node in a bucket. Each write names the revision that it replaces.
import { ProtocolError } from '../../protocol/error.ts';
import { maxMessageBytes, parseJson, writeJson } from '../../protocol/json.ts';
import {
  divideChanges,
  type MusterState,
  type NodeState,
  nodeStateSchema,
  type RecordedChange,
  type StoredChange,
  storedChangesSchema,
} from '../../protocol/node-state.ts';
import { rememberedOperations } from '../../protocol/operation.ts';
import { nodeIdPattern, validate, validateStored } from '../../protocol/schema.ts';
import { maxTombstoneBytes, type Tombstone, tombstoneSchema } from '../../protocol/tombstone.ts';
import { withUnknown } from '../../protocol/unknown-members.ts';
import {
  BrokerError,
  type Bucket,
  type BucketConfig,
  type BucketEntry,
  isRefusal,
} from '../../transport/port.ts';
import { RecordTooLarge } from './record-room.ts';
import {
  absentRecord,
  type LastRegistration,
  operationOf as operationOfRecord,
  recordOf,
  type StoredRecord,
} from './stored-record.ts';

/**
 * The bucket has the name, the configuration and the content of Bacalhau's, so that each kind of requester can use the
 * other's.
 */
export const nodeBucket: BucketConfig = { name: 'node_v1', history: 1 };

// A purge marker has no value, so the change is written into its headers.
const changeHeader = 'Muster-Change';
const operationHeader = 'Muster-Operation';
const operationsHeader = 'Muster-Operations';
const registrationHeader = 'Muster-Registration';
const tombstoneHeader = 'Muster-Tombstone';
/** Says that a record was taken back before anybody saw it, so that the id is free. */
const withdrawnHeader = 'Muster-Withdrawn';

export interface WriteRequest extends WriteMark {
  id: string;
  /** The record to write, or why it is purged. */
  state: NodeState | 'deleted' | 'forgotten' | 'expired' | 'shortened' | 'renamed' | 'withdrawn';
  /** What was known of a node that is deleted or forgotten; what stays of that in a marker that is shortened. */
  tombstone?: Tombstone | undefined;
  /** The changes whose events are not acknowledged yet. The last one is this change, which has no revision yet. */
  changes: readonly StoredChange[];
  /** The revision that the write replaces. */
  revision: number;
  /** The last registration of a node that is deleted. */
  registration?: LastRegistration | undefined;
}

/** What a write leaves in the record about itself. */
export interface WriteMark {
  /** Random mark of the change, the same at each attempt. */
  operation: string;
  /** The incarnation of the store. */
  incarnation: string;
  /** The last operations that decided about the node, this one too, as the record remembers them. */
  operations?: readonly string[];
}

/**
 * Writes once. When the answer is lost or the revision is outdated, the record is read again: if it contains our
 * operation, our write succeeded. @returns the new revision; undefined when somebody else wrote first. @throws
 * BrokerError when the store does not answer; `refused` when the record is too large to be read again. `onEncoded` is called
 * with the value of a record before it is sent.
 */
export async function write(
  bucket: Bucket,
  request: WriteRequest,
  onEncoded: (value: Uint8Array) => void = () => undefined,
): Promise<number | undefined> {
  const { id, state, revision } = request;
  try {
    if (typeof state === 'string') return await bucket.purge(id, revision, markerHeaders(request));
    const value = encode(state, request);
    onEncoded(value);
    return await bucket.put(id, value, revision);
  } catch (error) {
    if (!(error instanceof BrokerError) || isRefusal(error)) throw error;
    // Without a quorum the record cannot be read, and a write that got no answer may still stand when there is one again.
    const newest = await bucket.get(id).catch(readError => {
      throw error.fault === 'revision_conflict' ? readError : error;
    });
    if (newest && operationOf(newest) === request.operation) return newest.revision;
    if (error.fault === 'revision_conflict') return undefined;
    throw error;
  }
}

/** Returns the record in an entry of the bucket. Pass undefined for a key that was never written. */
export function readEntry(entry: BucketEntry | undefined): StoredRecord {
  if (!entry) return absentRecord;
  if (entry.marker) {
    return markerRecord(entry.revision, {
      changes: markerChanges(entry),
      operations: markerOperations(entry),
      registration: markerRegistration(entry),
      tombstone: markerTombstone(entry),
      isWithdrawn: entry.headers[withdrawnHeader] !== undefined,
      created: entry.created,
    });
  }
  try {
    const state = validateStored(nodeStateSchema, parseJson(entry.value));
    if (state.Info.NodeID !== entry.key || state.Info.NodeType === '') {
      throw new ProtocolError('invalid_field', 'not the record of this node', 'Info');
    }
    return recordOf(entry.revision, state);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { kind: 'unreadable', revision: entry.revision };
  }
}

/** What a marker says of the node that it replaced. */
export interface MarkerContent
  extends Pick<WriteRequest, 'changes' | 'operations' | 'registration' | 'tombstone'> {
  /** Whether the record was taken back before anybody saw it. */
  isWithdrawn?: boolean;
  /** The time of the broker, for a marker that names no change. */
  created?: Date;
}

/**
 * Returns what a marker with this content means. A node that gave way to others is not deleted: it may register again by
 * itself.
 */
export function markerRecord(
  revision: number,
  { changes, operations = [], registration, tombstone, isWithdrawn = false, created }: MarkerContent,
): StoredRecord {
  const last = divideChanges(changes).known.at(-1);
  const at = last?.At ?? created?.toISOString();
  const mark = {
    ...(last?.Store ? { incarnation: last.Store } : {}),
    ...(at ? { at } : {}),
    ...(operations.length > 0 ? { operations } : {}),
  };
  const isLast = changes.at(-1)?.Kind === last?.Kind;
  if (isWithdrawn || (last?.Kind === 'expired' && isLast)) return { kind: 'absent', revision, ...mark };
  if (last?.Kind === 'renamed' && isLast && last.NewID) {
    const { NewID: to, At, Fingerprint: fingerprint } = last;
    return { kind: 'renamed', revision, to, ...mark, at: At, ...(fingerprint ? { fingerprint } : {}) };
  }
  return {
    kind: 'deleted',
    revision,
    ...(last?.Reason ? { reason: last.Reason } : {}),
    ...(last?.Actor ? { actor: last.Actor } : {}),
    ...(registration ? { registration } : {}),
    ...(tombstone ? { tombstone } : {}),
    ...mark,
  };
}

/** Returns whether a key of the bucket can be a node id of muster. Bacalhau allows a few more characters. */
export const isNodeKey = (key: string): boolean => nodeIdPattern.test(key);

/** Returns the changes in an entry, each with its revision. Their events may not have been sent. */
export function changesOf(entry: BucketEntry, stored: StoredRecord): RecordedChange[] {
  const changes = storedChanges(entry, stored);
  // Most records have none, and at a start there are many records.
  if (changes.length === 0) return [];
  const { known } = divideChanges(changes);
  return known.map(change => ({ ...change, Revision: change.Revision || entry.revision }));
}

/**
 * Returns the changes of a later version in an entry. They are written again with each change, until that version comes back
 * and announces them. They are read from the entry, because a record in memory may still have the changes of the record that
 * it replaced.
 */
export const laterChangesOf = (entry: BucketEntry): StoredChange[] =>
  divideChanges(storedChanges(entry, readEntry(entry))).later.map(change => ({
    ...change,
    Revision: change.Revision || entry.revision,
    Kept: true,
  }));

/** Returns all changes in an entry, for a marker that is written again although nothing happened. */
export const keptChangesOf = (entry: BucketEntry): StoredChange[] => [
  ...laterChangesOf(entry),
  ...changesOf(entry, readEntry(entry)),
];

const storedChanges = (entry: BucketEntry, stored: StoredRecord): readonly StoredChange[] =>
  ('state' in stored ? stored.state.Muster?.Changes : markerChanges(entry)) ?? none;

const none: readonly StoredChange[] = [];

/** Returns the record with the mark of this write. */
export const signed = (
  state: NodeState,
  { operation, incarnation, operations = [] }: WriteMark,
): NodeState & { Muster: MusterState } => ({
  ...state,
  Muster: {
    ...state.Muster,
    ...(operations.length > 0 ? { Operations: [...operations] } : {}),
    Operation: operation,
    Store: incarnation,
  },
});

function encode(state: NodeState, request: WriteRequest): Uint8Array {
  const { id, changes } = request;
  const { Changes: _, ...muster } = signed(state, request).Muster;
  const kept = newestOf(changes);
  const record = { ...state, Muster: kept.length > 0 ? { ...muster, Changes: kept } : muster };
  const whole = Buffer.from(writeJson(withUnknown(record)));
  if (whole.length <= maxMessageBytes) return whole;
  // A decision is worth more than what a later version wrote.
  const value = Buffer.from(writeJson(record));
  if (value.length <= maxMessageBytes) return value;
  throw new RecordTooLarge(id, value.length, record);
}

function markerHeaders({
  state,
  changes,
  operation,
  operations = [],
  registration,
  tombstone,
}: WriteRequest): Record<string, string> {
  // A header is one line of ASCII, so the changes are written in base64: an operator's reason may contain any character.
  const text = Buffer.from(JSON.stringify(newestOf(changes))).toString('base64');
  const headers: Record<string, string> = { [operationHeader]: operation, [changeHeader]: text };
  if (state === 'withdrawn') headers[withdrawnHeader] = 'true';
  if (operations.length > 0) headers[operationsHeader] = operations.join(', ');
  const last = registration && `${registration.attempt} ${registration.instance}`;
  if (last && registrationPattern.test(last)) headers[registrationHeader] = last;
  if (tombstone) headers[tombstoneHeader] = Buffer.from(writeJson(tombstone)).toString('base64');
  return headers;
}

const maxChanges = 64;
const maxChangesBytes = 28 * 1024;

// Returns the newest changes, for which a record has room. The events that wait leave room for one change more
// (`waiting-events.ts`); only changes that an earlier version kept may be longer.
function newestOf(changes: readonly StoredChange[]): StoredChange[] {
  const kept: StoredChange[] = [];
  let room = maxChangesBytes;
  for (const change of changes
    .slice(-maxChanges)
    .map(withUnknown<StoredChange>)
    .reverse()) {
    room -= Buffer.byteLength(writeJson(change));
    if (room < 0) break;
    kept.unshift(change);
  }
  return kept;
}

function markerChanges(entry: BucketEntry): StoredChange[] {
  const text = entry.headers[changeHeader];
  if (!text) return [];
  try {
    return validate(storedChangesSchema, parseJson(Buffer.from(text, 'base64')));
  } catch {
    return [];
  }
}

/** Returns the operations in the headers of a marker. Another program may have written anything there. */
function markerOperations({ headers }: BucketEntry): string[] {
  const texts = (headers[operationsHeader] ?? '').slice(0, 1024).split(', ');
  return texts.filter(text => rememberedOperations([text]).length > 0);
}

/** The last registration in the header of a marker: its number, and the process. A header is one line of ASCII. */
const registrationPattern = /^(?<attempt>\d{1,15}) (?<instance>[\x21-\x7e]{1,128})$/;

function markerRegistration({ headers }: BucketEntry): LastRegistration | undefined {
  const { attempt, instance } = registrationPattern.exec(headers[registrationHeader] ?? '')?.groups ?? {};
  return attempt && instance ? { attempt: Number(attempt), instance } : undefined;
}

/** Returns the tombstone in the header of a marker. Another program may have written anything there. */
function markerTombstone({ headers }: BucketEntry): Tombstone | undefined {
  const text = headers[tombstoneHeader];
  if (!text || text.length > 2 * maxTombstoneBytes) return undefined;
  try {
    return validateStored(tombstoneSchema, parseJson(Buffer.from(text, 'base64')));
  } catch {
    return undefined;
  }
}

/** Returns the mark of the write that made an entry; undefined when another program wrote it. */
export function operationOf(entry: BucketEntry): string | undefined {
  if (entry.marker) return entry.headers[operationHeader];
  return operationOfRecord(readEntry(entry));
}
