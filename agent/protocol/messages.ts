// What a node sends: Bacalhau's bprotocol/v2 requests, plus our `Muster` members (design 6).
import * as v from 'valibot';
import { nodeInfoSchema } from './node-info.ts';
import { resourcesSchema } from './resources.ts';
import { amount, count, nodeId, struct, text } from './schema.ts';

const short = (limit = 128) => v.optional(v.pipe(v.string(), v.maxLength(limit)));

/** Who speaks, in every request of ours. A Bacalhau node sends none. */
const senderSchema = struct({
  Version: text(64),
  /** The cluster this node belongs to, once it knows. */
  ClusterID: short(),
  /** The registration it speaks under, once it has one. */
  Session: short(),
  /** The running process: random at start. */
  Instance: short(),
  BootID: short(),
});

/** What was measured, beside what is offered. Bytes, except CPU: busy logical CPUs. */
const usageSchema = struct({
  CPU: amount(),
  Memory: count(),
  Disk: count(),
  /** Running processes, averaged over a minute. */
  Load: amount(),
});

export const registerSchema = struct({ Info: nodeInfoSchema, Muster: v.optional(senderSchema) });
export const updateResourcesSchema = struct({
  NodeID: nodeId(),
  AvailableCapacity: resourcesSchema,
  QueueUsedCapacity: resourcesSchema,
  Usage: v.optional(usageSchema),
  Muster: v.optional(senderSchema),
});
export const leaveSchema = struct({ NodeID: nodeId(), Reason: text(256), Muster: v.optional(senderSchema) });
export const heartbeatSchema = struct({ NodeID: nodeId(), Sequence: count() });

export type Sender = v.InferOutput<typeof senderSchema>;
export type Usage = v.InferOutput<typeof usageSchema>;
export type Register = v.InferOutput<typeof registerSchema>;
export type UpdateResources = v.InferOutput<typeof updateResourcesSchema>;
export type Leave = v.InferOutput<typeof leaveSchema>;
export type Heartbeat = v.InferOutput<typeof heartbeatSchema>;
