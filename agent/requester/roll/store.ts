// The node info store: one record a node in the broker's bucket, each write checked against the revision it replaces.
import { ProtocolError } from '../../protocol/error.ts';
import { maxMessageBytes, parseJson, writeJson } from '../../protocol/json.ts';
import {
  type MusterState,
  type NodeState,
  nodeStateSchema,
  type RecordedChange,
  recordedChangesSchema,
} from '../../protocol/node-state.ts';
import { nodeIdPattern, validate } from '../../protocol/schema.ts';
import { BrokerError, type Bucket, type BucketConfig, type BucketEntry } from '../../transport/port.ts';
import type { Known } from './membership.ts';

/** Bacalhau's bucket, configuration and values, so that either requester can open the other's. */
export const nodeBucket: BucketConfig = { name: 'node_v1', history: 1 };

// What a purge marker carries of ours, as it has no value.
const changeHeader = 'Muster-Change';
const operationHeader = 'Muster-Operation';

export interface WriteRequest {
  id: string;
  /** The record to write, or `deleted` to purge it. */
  state: NodeState | 'deleted';
  /** The changes whose events are not acknowledged yet, this one last; its revision is not known yet. */
  changes: RecordedChange[];
  revision: number;
  /** Random; the same at each attempt of the same change. */
  operation: string;
}

/**
 * Writes once, and tells whether the write stands: after a lost answer, or a revision that is gone, the record is
 * read again, and our own operation id there means success.
 * @returns the new revision; undefined when somebody else wrote first.
 * @throws BrokerError when the store does not answer; `refused` when the record would be too large to be read again.
 */
export async function write(bucket: Bucket, request: WriteRequest): Promise<number | undefined> {
  const { id, state, revision } = request;
  try {
    return state === 'deleted'
      ? await bucket.purge(id, revision, markerHeaders(request))
      : await bucket.put(id, encode(state, request), revision);
  } catch (error) {
    if (!(error instanceof BrokerError) || error.fault === 'refused') throw error;
    const stands = await bucket.get(id);
    if (stands && operationOf(stands) === request.operation) return stands.revision;
    if (error.fault === 'revision_conflict') return undefined;
    throw error;
  }
}

/** What an entry of the bucket says of a node. */
export function readEntry(entry: BucketEntry | undefined): Known {
  if (!entry) return { kind: 'absent', revision: 0 };
  if (entry.marker) return { kind: 'deleted', revision: entry.revision };
  try {
    const state = validate(nodeStateSchema, parseJson(entry.value));
    if (state.Info.NodeID !== entry.key || state.Info.NodeType === '') {
      throw new ProtocolError('invalid_field', 'not the record of this node', 'Info');
    }
    return { kind: 'record', revision: entry.revision, state };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { kind: 'unreadable', revision: entry.revision };
  }
}

/** Whether the bucket's key can be one of ours; Bacalhau allows a few characters more. */
export const isNodeKey = (key: string): boolean => nodeIdPattern.test(key);

/** The changes that an entry carries, each with its revision: those whose events may not have been sent. */
export function changesOf(entry: BucketEntry, known: Known): RecordedChange[] {
  const changes = known.kind === 'record' ? known.state.Muster?.Changes : markerChanges(entry);
  return (changes ?? []).map(change => ({ ...change, Revision: change.Revision || entry.revision }));
}

/** The record under the mark of the write that made it. */
export const signed = (state: NodeState, operation: string): NodeState & { Muster: MusterState } => ({
  ...state,
  Muster: { ...state.Muster, Operation: operation },
});

function encode(state: NodeState, { id, changes, operation }: WriteRequest): Uint8Array {
  const { Changes: _, ...muster } = signed(state, operation).Muster;
  const kept = newestOf(changes);
  const value = Buffer.from(
    writeJson({ ...state, Muster: kept.length > 0 ? { ...muster, Changes: kept } : muster }),
  );
  if (value.length <= maxMessageBytes) return value;
  throw new BrokerError('refused', `the record of node ${id} would take ${value.length} bytes`);
}

function markerHeaders({ changes, operation }: WriteRequest): Record<string, string> {
  // A header is one line of ASCII: base64 keeps an operator's reason whole.
  const text = Buffer.from(JSON.stringify(newestOf(changes))).toString('base64');
  return { [operationHeader]: operation, [changeHeader]: text };
}

const maxChanges = 64;
const maxChangesBytes = 16 * 1024;

// What a record has room for. The events of older changes still wait in memory: only a crash could lose them.
function newestOf(changes: RecordedChange[]): RecordedChange[] {
  const kept: RecordedChange[] = [];
  let room = maxChangesBytes;
  for (const change of changes.slice(-maxChanges).reverse()) {
    room -= Buffer.byteLength(writeJson(change));
    if (room < 0) break;
    kept.unshift(change);
  }
  return kept;
}

function markerChanges(entry: BucketEntry): RecordedChange[] {
  const text = entry.headers[changeHeader];
  if (!text) return [];
  try {
    return validate(recordedChangesSchema, parseJson(Buffer.from(text, 'base64')));
  } catch {
    return [];
  }
}

function operationOf(entry: BucketEntry): string | undefined {
  if (entry.marker) return entry.headers[operationHeader];
  const known = readEntry(entry);
  return known.kind === 'record' ? known.state.Muster?.Operation : undefined;
}
