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

/** One GPU in use; what its driver does not say is absent. */
const gpuUsageSchema = struct({
  /** As in the capacity that the node offers. */
  Index: count(),
  PCIAddress: text(64),
  /** MiB. */
  Memory: v.optional(count()),
  /** Percent. */
  Utilisation: v.optional(amount()),
  /** Degrees Celsius; may be below zero. */
  Temperature: v.optional(v.pipe(v.number(), v.finite())),
  /** Watts. */
  Power: v.optional(amount()),
});

/** What was measured, beside what is offered. Bytes, except CPU: busy logical CPUs. */
export const usageSchema = struct({
  CPU: amount(),
  Memory: count(),
  Disk: count(),
  /** Running processes, averaged over a minute. */
  Load: amount(),
  GPUs: v.optional(v.pipe(v.array(gpuUsageSchema), v.maxLength(256))),
});

export const registerRequestSchema = struct({ Info: nodeInfoSchema, Muster: v.optional(senderSchema) });
export const updateResourcesRequestSchema = struct({
  NodeID: nodeId(),
  AvailableCapacity: resourcesSchema,
  QueueUsedCapacity: resourcesSchema,
  Usage: v.optional(usageSchema),
  Muster: v.optional(senderSchema),
});
export const leaveRequestSchema = struct({
  NodeID: nodeId(),
  Reason: text(256),
  Muster: v.optional(senderSchema),
});
export const heartbeatSchema = struct({ NodeID: nodeId(), Sequence: count() });

export type Sender = v.InferOutput<typeof senderSchema>;
export type GpuUsage = v.InferOutput<typeof gpuUsageSchema>;
export type Usage = v.InferOutput<typeof usageSchema>;
export type RegisterRequest = v.InferOutput<typeof registerRequestSchema>;
export type UpdateResourcesRequest = v.InferOutput<typeof updateResourcesRequestSchema>;
export type LeaveRequest = v.InferOutput<typeof leaveRequestSchema>;
export type Heartbeat = v.InferOutput<typeof heartbeatSchema>;
