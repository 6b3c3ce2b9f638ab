// A node as the store and the API show it: Bacalhau's NodeState, with our own members beside (wire protocol 10.6).
import * as v from 'valibot';
import { goTime, nodeInfoSchema, zeroTime } from './node-info.ts';
import { count, struct, text } from './schema.ts';

export const memberships = ['PENDING', 'APPROVED', 'REJECTED'] as const;
export type Membership = (typeof memberships)[number];

export const healths = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN'] as const;
export type Health = (typeof healths)[number];

/** Health as a Bacalhau peer knows it. */
export type ConnectionStatus = 'CONNECTED' | 'DISCONNECTED';
export const connectionStatusOf = (health: Health): ConnectionStatus =>
  health === 'HEALTHY' ? 'CONNECTED' : 'DISCONNECTED';

const time = () => v.nullish(goTime(), zeroTime);
// A value that nobody knows reads as none, as Bacalhau does: such a node is not approved, and can be.
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

export const recordedChangeKinds = ['registered', 'approved', 'rejected', 'deleted', 'updated'] as const;

/** A change of the record, kept in it until the event that tells of it is acknowledged. */
const changeSchema = struct({
  Kind: v.picklist(recordedChangeKinds),
  /** The store revision that made it; 0 stands for the revision of the record that carries this. */
  Revision: count(),
  At: goTime(),
  Previous: v.nullish(v.picklist([...memberships, '']), ''),
  Current: v.nullish(v.picklist([...memberships, '']), ''),
  Reason: v.optional(v.pipe(v.string(), v.maxLength(1024))),
  Actor: v.optional(v.pipe(v.string(), v.maxLength(256))),
  /** So many older changes have no event of their own: this one's tells of them, and `Previous` is from before them. */
  Coalesced: v.optional(count()),
});
export type RecordedChange = v.InferOutput<typeof changeSchema>;

export const recordedChangesSchema = v.pipe(v.array(changeSchema), v.maxLength(64));

const musterStateSchema = struct({
  /** The registration whose messages count; absent for a Bacalhau node. */
  Session: v.optional(v.pipe(v.string(), v.maxLength(128))),
  Instance: v.optional(v.pipe(v.string(), v.maxLength(128))),
  BootID: v.optional(v.pipe(v.string(), v.maxLength(128))),
  Version: v.optional(v.pipe(v.string(), v.maxLength(64))),
  RegisteredAt: v.optional(goTime()),
  /** The operator's latest word on this node. */
  Decision: v.optional(
    struct({
      Action: v.picklist(['approve', 'reject']),
      Reason: text(1024),
      Actor: text(256),
      At: goTime(),
    }),
  ),
  /** Random per write, so that a writer whose answer was lost can tell its own write from another's. */
  Operation: v.optional(v.pipe(v.string(), v.maxLength(64))),
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

/** The connection of a node that was never heard. */
export const neverConnected: NodeConnectionState = {
  Status: 'DISCONNECTED',
  LastHeartbeat: zeroTime,
  ConnectedSince: zeroTime,
  DisconnectedSince: zeroTime,
};
