// Defines the requests that a node sends: Bacalhau's bprotocol/v2, with muster's own `Muster` members.
import * as v from 'valibot';
import { nodeInfoSchema } from './node-info.ts';
import { resourcesSchema } from './resources.ts';
import { amount, count, newerTexts, nodeId, struct, text } from './schema.ts';

const short = (limit = 128) => v.optional(v.pipe(v.string(), v.maxLength(limit)));

/** Number of CAs that a node trusts at the same time. */
export const maxAuthorities = 8;

/** The sender of a request, which every request of a muster agent contains. A Bacalhau node sends none. */
export const senderSchema = struct({
  Version: text(64),
  /** The cluster id; empty until the node knows it. */
  ClusterID: short(),
  /** The session; empty until the node has one. */
  Session: short(),
  /** The instance: a random value, made at each start of the agent. */
  Instance: short(),
  BootID: short(),
  /** The number of a registration among those of the instance; only with a registration. */
  Attempt: v.optional(count()),
  /** The pins of the CAs that the node has on its disk; only with registration and node information. */
  Authorities: newerTexts(maxAuthorities, 64),
});

/** The use of one GPU. A member that the driver does not report is absent. */
const gpuUsageSchema = struct({
  /** The index of the GPU in the node's capacity. */
  Index: count(),
  PCIAddress: text(64),
  /** Memory in use, in MiB. */
  Memory: v.optional(count()),
  /** Utilisation in percent. */
  Utilisation: v.optional(amount()),
  /** Temperature, in degrees Celsius. It may be below zero. */
  Temperature: v.optional(v.pipe(v.number(), v.finite())),
  /** Power in watts. */
  Power: v.optional(amount()),
});

/**
 * The measured use of the machine. It is sent beside the offered resources. Memory and disk are in bytes, CPU is the
 * number of busy logical CPUs.
 */
export const usageSchema = struct({
  CPU: amount(),
  Memory: count(),
  Disk: count(),
  /** Number of running processes, averaged over a minute. */
  Load: amount(),
  GPUs: v.optional(v.pipe(v.array(gpuUsageSchema), v.maxLength(256))),
});

export const registerRequestSchema = struct({ Info: nodeInfoSchema, Muster: v.optional(senderSchema) });
export const updateResourcesRequestSchema = struct({
  NodeID: nodeId(),
  AvailableCapacity: resourcesSchema,
  QueueUsedCapacity: resourcesSchema,
  Usage: v.optional(usageSchema),
  /** Number of executions that the machine runs now; absent when the agent cannot know it. A Bacalhau node sends none. */
  RunningExecutions: v.optional(count()),
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
