// Defines a node's record in the store and the form of a node in the API: Bacalhau's NodeState, with muster's own members.
import * as v from 'valibot';
import { goTime, nodeInfoSchema, zeroTime } from './node-info.ts';
import { count, struct, text } from './schema.ts';

export const memberships = ['PENDING', 'APPROVED', 'REJECTED'] as const;
export type Membership = (typeof memberships)[number];

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
  /** Number of older changes that have no event of their own. `Previous` is the membership before the first of them. */
  Coalesced: v.optional(count()),
});
export type RecordedChange = v.InferOutput<typeof recordedChangeSchema>;

export const recordedChangesSchema = v.pipe(v.array(recordedChangeSchema), v.maxLength(64));

const musterStateSchema = struct({
  /** The session whose messages are accepted; absent for a Bacalhau node. */
  Session: v.optional(v.pipe(v.string(), v.maxLength(128))),
  Instance: v.optional(v.pipe(v.string(), v.maxLength(128))),
  BootID: v.optional(v.pipe(v.string(), v.maxLength(128))),
  Version: v.optional(v.pipe(v.string(), v.maxLength(64))),
  RegisteredAt: v.optional(goTime()),
  /** The last decision of an operator about this node. */
  Decision: v.optional(
    struct({
      Action: v.picklist(['approve', 'reject']),
      Reason: text(1024),
      Actor: text(256),
      At: goTime(),
    }),
  ),
  /**
   * A random mark, made for each write. When the answer to a write is lost, the writer can recognize its own write by the
   * mark.
   */
  Operation: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** The incarnation of the store in which the record was written. */
  Store: incarnation(),
  Changes: v.optional(recordedChangesSchema),
});
export type MusterState = v.InferOutput<typeof musterStateSchema>;

export const nodeStateSchema = struct({
  Info: nodeInfoSchema,
  Membership: membership(),
  Connection: connection(),
  ConnectionState: v.optional(connectionStateSchema),
  Muster: v.optional(musterStateSchema),
});
export type NodeState = v.InferOutput<typeof nodeStateSchema>;

/** The connection state of a node that never sent a heartbeat. */
export const neverConnected: NodeConnectionState = {
  Status: 'DISCONNECTED',
  LastHeartbeat: zeroTime,
  ConnectedSince: zeroTime,
  DisconnectedSince: zeroTime,
};
