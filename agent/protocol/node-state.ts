// Defines a node's record in the store and the form of a node in the API: Bacalhau's NodeState, with muster's own members.
import * as v from 'valibot';
import { cordonChangeSchema, cordonSchema } from './cordon.ts';
import { decisionRecordSchema } from './decision-record.ts';
import { ProtocolError } from './error.ts';
import { labelChange, labelOriginSchema } from './label-schema.ts';
import { type Membership, memberships } from './memberships.ts';
import { goTime, listedInfoSchema, nodeInfoSchema, zeroTime } from './node-info.ts';
import { operationPattern } from './operation.ts';
import { arrivalSchema, formerIdsSchema } from './rename.ts';
import { count, nodeId, strictTextMap, struct, text, validateStored } from './schema.ts';
import { tombstoneSchema } from './tombstone.ts';

export { type Membership, memberships };

export const healths = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN'] as const;
export type Health = (typeof healths)[number];

/** The health in Bacalhau's words. */
export type ConnectionStatus = 'CONNECTED' | 'DISCONNECTED';
export const connectionStatusOf = (health: Health): ConnectionStatus =>
  health === 'HEALTHY' ? 'CONNECTED' : 'DISCONNECTED';

const time = () => v.nullish(goTime(), zeroTime);
// Returns a schema for the membership. As in Bacalhau, an unknown value is read as none. Such a node is not approved, and an
// operator can approve it.
const membership = () =>
  v.pipe(
    text(64),
    v.transform((name): Membership | '' => memberships.find(known => known === name) ?? ''),
  );
const connection = () =>
  v.pipe(
    text(64),
    v.transform((name): ConnectionStatus => (name === 'CONNECTED' ? 'CONNECTED' : 'DISCONNECTED')),
  );

const connectionStateSchema = struct({
  Status: connection(),
  LastHeartbeat: time(),
  LastComputeSeqNum: v.optional(count()),
  LastOrchestratorSeqNum: v.optional(count()),
  ConnectedSince: time(),
  DisconnectedSince: time(),
  LastError: v.optional(v.pipe(v.string(), v.maxLength(1024))),
});
export type NodeConnectionState = v.InferOutput<typeof connectionStateSchema>;

export const recordedChangeKinds = [
  'registered',
  'approved',
  'rejected',
  'deleted',
  'expired',
  'updated',
  'rekeyed',
  'cordoned',
  'uncordoned',
  'drained',
  'undeleted',
  'labelled',
  'renamed',
] as const;

/** The incarnation of the store in which a write was made. */
const incarnation = () => v.optional(v.pipe(v.string(), v.maxLength(64)));

/** A change of the record. It stays in the record until its event is acknowledged. */
const recordedChangeSchema = struct({
  Kind: v.picklist(recordedChangeKinds),
  /** The revision of the store that the change made; 0 means the revision of the record that contains the change. */
  Revision: count(),
  /** The incarnation of the store that `Revision` belongs to. Earlier versions of muster wrote none. */
  Store: incarnation(),
  At: goTime(),
  Previous: v.nullish(v.picklist([...memberships, '']), ''),
  Current: v.nullish(v.picklist([...memberships, '']), ''),
  Reason: v.optional(v.pipe(v.string(), v.maxLength(1024))),
  Actor: v.optional(v.pipe(v.string(), v.maxLength(256))),
  /** What the caller of the operator says of itself. Nothing proves it. */
  ClaimedActor: v.optional(v.pipe(v.string(), v.maxLength(256))),
  /** The id of the operation that made the change. */
  Operation: v.optional(v.pipe(v.string(), v.regex(operationPattern))),
  /** Whether the key of the deleted node was banned too. */
  Banned: v.optional(v.boolean()),
  /** The id of the join code with which the node came in. */
  JoinCode: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** The fingerprint of the node's key after the change, and before it when the change exchanged the key. */
  Fingerprint: v.optional(v.pipe(v.string(), v.maxLength(64))),
  PreviousFingerprint: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** What the change did to the cordon of the node; only with `cordoned`. */
  Cordon: v.optional(cordonChangeSchema),
  /** The labels of the control plane that the change set or removed, and their values before; only with `labelled`. */
  Labels: v.optional(labelChange()),
  PreviousLabels: v.optional(labelChange()),
  /**
   * The other id of a node that was `renamed`: the new one in the change under the former id, and the former one in the
   * change under the new id.
   */
  NewID: v.optional(nodeId()),
  FormerID: v.optional(nodeId()),
  /** Number of older changes that have no event of their own. `Previous` is the membership before the first of them. */
  Coalesced: v.optional(count()),
  /** Whether an earlier version, which did not know the kind, kept it. Later changes may have been announced before it. */
  Kept: v.optional(v.boolean()),
});
export type RecordedChange = v.InferOutput<typeof recordedChangeSchema>;

/** A change as it stands in the store. A later version may have written it, and then only that version can announce it. */
export type StoredChange = Readonly<Record<string, unknown>>;

export const storedChangesSchema = v.pipe(
  v.array(v.custom<StoredChange>(value => typeof value === 'object' && value !== null)),
  v.maxLength(64),
);

/** Returns the changes that this version knows, and apart from them those of a later version. */
export function divideChanges(changes: readonly StoredChange[]): {
  known: RecordedChange[];
  later: StoredChange[];
} {
  const known: RecordedChange[] = [];
  const later: StoredChange[] = [];
  for (const change of changes) {
    try {
      known.push(validateStored(recordedChangeSchema, change));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      later.push(change);
    }
  }
  return { known, later };
}

export const musterStateSchema = struct({
  /** The session whose messages are accepted; absent for a Bacalhau node. */
  Session: v.optional(v.pipe(v.string(), v.maxLength(128))),
  Instance: v.optional(v.pipe(v.string(), v.maxLength(128))),
  /** The number of the last registration among those of the instance. */
  Attempt: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  BootID: v.optional(v.pipe(v.string(), v.maxLength(128))),
  Version: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** When the node registered last, and for the first time. Earlier versions did not note the latter. */
  RegisteredAt: v.optional(goTime()),
  FirstRegisteredAt: v.optional(goTime()),
  /** The id of the join code with which the node came in. */
  JoinCode: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /**
   * Labels of the control plane. They are stronger than those that the node sends, and no update of the node removes
   * them.
   */
  Labels: v.optional(strictTextMap(256, 256, 1024)),
  /** Who set which of these labels. Those that the join code gave are not here. */
  LabelOrigins: v.optional(v.pipe(v.array(labelOriginSchema), v.maxLength(256))),
  /**
   * The key that is pinned to the node, `N…`; absent when the broker checks no keys. What a node says of its key is not
   * read.
   */
  PublicKey: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** The last decision of an operator about this node. */
  Decision: v.optional(decisionRecordSchema),
  /** Keeps new work away from the node. An operator decides it, and no registration and no update of the node ends it. */
  Cordon: v.optional(cordonSchema),
  /** The ids that the node had before, the latest first; absent when it was never renamed. */
  FormerIDs: v.optional(formerIdsSchema),
  /** Only while the node is being renamed: the record waits to take the place of the one under its former id. */
  Arrival: v.optional(arrivalSchema),
  /** What was known of the node when it was last deleted or forgotten; absent when it never was. */
  Former: v.optional(tombstoneSchema),
  /**
   * The operations that decided about this node, the latest last: the kind of each change, and the id of its operation. A
   * deleted node has them in its marker, and they stay when it registers again.
   */
  Operations: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(80))), v.maxLength(64))),
  /**
   * A random mark, made for each write. When the answer to a write is lost, the writer can recognize its own write by the
   * mark.
   */
  Operation: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** The incarnation of the store in which the record was written. */
  Store: incarnation(),
  Changes: v.optional(storedChangesSchema),
});
export type MusterState = v.InferOutput<typeof musterStateSchema>;

const bacalhauEntries = {
  Membership: membership(),
  Connection: connection(),
  ConnectionState: v.optional(connectionStateSchema),
};

export const nodeStateSchema = struct({
  Info: nodeInfoSchema,
  ...bacalhauEntries,
  Muster: v.optional(musterStateSchema),
});
/** A node on the list of an orchestrator of Bacalhau, whose id may be one that no node of muster has. */
export const listedStateSchema = struct({ Info: listedInfoSchema, ...bacalhauEntries });
export type NodeState = v.InferOutput<typeof nodeStateSchema>;

/** The connection state of a node that never sent a heartbeat. */
export const neverConnected: NodeConnectionState = {
  Status: 'DISCONNECTED',
  LastHeartbeat: zeroTime,
  ConnectedSince: zeroTime,
  DisconnectedSince: zeroTime,
};
