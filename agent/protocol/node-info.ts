// Node information says who a node is and what it offers. It is Bacalhau's NodeInfo with muster's own members at the end.
import * as v from 'valibot';
import { isHostAddress } from './host-address.ts';
import { resourcesSchema } from './resources.ts';
import {
  count,
  newerTexts,
  nodeId,
  orchestratorNodeIdPattern,
  struct,
  text,
  textMap,
  texts,
} from './schema.ts';
import { zeroTime } from './zero-time.ts';

export { zeroTime };

export type NodeType = 'Compute' | 'Requester';

const computeNodeInfoSchema = struct({
  ExecutionEngines: texts(),
  Publishers: texts(),
  StorageSources: texts(),
  MaxCapacity: resourcesSchema,
  QueueCapacity: resourcesSchema,
  AvailableCapacity: resourcesSchema,
  MaxJobRequirements: resourcesSchema,
  RunningExecutions: v.nullish(v.pipe(v.number(), v.safeInteger()), 0),
  EnqueuedExecutions: v.nullish(v.pipe(v.number(), v.safeInteger()), 0),
  /** Bacalhau before 1.6.4 does not send it. */
  address: v.optional(v.pipe(v.string(), v.maxLength(256))),
});

const buildVersionSchema = struct({
  Major: v.optional(v.pipe(v.string(), v.maxLength(32))),
  Minor: v.optional(v.pipe(v.string(), v.maxLength(32))),
  GitVersion: text(128),
  GitCommit: text(128),
  BuildDate: v.nullish(goTime(), zeroTime),
  GOOS: text(32),
  GOARCH: text(32),
});

/** Facts about the machine. Memory and disk are in bytes. A member is absent while it is unknown. */
const hostSchema = struct({
  Kernel: v.optional(v.pipe(v.string(), v.maxLength(256))),
  OS: v.optional(v.pipe(v.string(), v.maxLength(256))),
  CPUModel: v.optional(v.pipe(v.string(), v.maxLength(256))),
  CPUs: v.optional(count()),
  Memory: v.optional(count()),
  Disk: v.optional(count()),
  Virtualisation: v.optional(v.pipe(v.string(), v.maxLength(64))),
  GPUDriver: v.optional(v.pipe(v.string(), v.maxLength(64))),
});

/** Where other programs find the machine. It is what the node says of itself, and nobody has checked that it answers there. */
const addressSchema = struct({
  IP: v.pipe(
    v.string(),
    v.maxLength(45),
    v.check(text => isHostAddress(text), 'not the IP address of a machine'),
  ),
  /** Why it is this one, for people. */
  Why: text(512),
});

/** A condition: a problem of a node that is alive. */
const conditionSchema = struct({
  Type: text(64),
  /** A sentence for people. */
  Reason: text(512),
  /** Time when the condition began, by the node's clock. */
  Since: goTime(),
});

const entriesWithoutId = {
  NodeType: v.nullish(nodeType(), ''),
  Labels: textMap(),
  SupportedProtocols: newerTexts(16, 64),
  ComputeNodeInfo: computeNodeInfoSchema,
  BacalhauVersion: buildVersionSchema,
  Hostname: v.optional(v.pipe(v.string(), v.maxLength(255))),
  Host: v.optional(hostSchema),
  Address: v.optional(addressSchema),
  /**
   * The version of the muster agent, and whether it takes another id when an operator renames it. One whose id is
   * configured does not, and one of an earlier version does not say it. A Bacalhau node sends none of this.
   */
  Agent: v.optional(struct({ Version: text(64), TakesID: v.optional(v.boolean()) })),
  Conditions: v.optional(v.pipe(v.array(conditionSchema), v.maxLength(32))),
};

export const nodeInfoSchema = struct({ NodeID: nodeId(), ...entriesWithoutId });
/** The information of a node that an orchestrator of Bacalhau may have on its list. */
export const listedInfoSchema = struct({
  NodeID: v.pipe(v.string(), v.regex(orchestratorNodeIdPattern, 'not the id of a node')),
  ...entriesWithoutId,
});

const { NodeType, Labels, Hostname, Address } = entriesWithoutId;
/** The members that differ from node to node, with the capacity, in the order in which information has them. */
export const ownInfoSchema = struct({
  NodeID: nodeId(),
  NodeType,
  Labels,
  MaxCapacity: resourcesSchema,
  Hostname,
  Address,
});

export type ComputeNodeInfo = v.InferOutput<typeof computeNodeInfoSchema>;
export type BuildVersion = v.InferOutput<typeof buildVersionSchema>;
export type NodeCondition = v.InferOutput<typeof conditionSchema>;
export type NodeInfo = v.InferOutput<typeof nodeInfoSchema>;

/** The value that a Bacalhau requester stores for itself, because it computes nothing. */
export const emptyComputeNodeInfo: ComputeNodeInfo = {
  ExecutionEngines: null,
  Publishers: null,
  StorageSources: null,
  MaxCapacity: {},
  QueueCapacity: {},
  AvailableCapacity: {},
  MaxJobRequirements: {},
  RunningExecutions: 0,
  EnqueuedExecutions: 0,
  address: '',
};

/**
 * Returns the part of `info` that is stored and compared. The figures about what is free, queued or running are only held
 * in memory.
 */
export function staticInfo(info: NodeInfo): NodeInfo {
  return {
    ...info,
    ComputeNodeInfo: {
      ...info.ComputeNodeInfo,
      QueueCapacity: {},
      AvailableCapacity: {},
      RunningExecutions: 0,
      EnqueuedExecutions: 0,
    },
  };
}

/**
 * Returns a schema for a time in RFC 3339, as Go's time.Time requires it. Any other text makes Bacalhau refuse the whole
 * message or record.
 */
export function goTime() {
  return v.pipe(
    v.string(),
    v.maxLength(64),
    v.check(isGoTime, 'not an RFC 3339 time'),
    // Each record contains a few zero times. They all share one string, which saves memory.
    v.transform(time => (time === zeroTime ? zeroTime : time)),
  );
}

const goTimePattern =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3])(?::[0-5]\d){2}(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Returns whether `time` is a time in RFC 3339, as `goTime` reads it. */
export function isGoTime(time: string): boolean {
  if (time === zeroTime) return true;
  if (!goTimePattern.test(time)) return false;
  if (time.startsWith(lastRealDay)) return true;
  const day = time.slice(0, dayLength);
  // Date.parse turns 31 February into 3 March, so the result is compared with the text.
  if (!new Date(Date.parse(day)).toISOString().startsWith(day)) return false;
  lastRealDay = day;
  return true;
}

const dayLength = 'YYYY-MM-DD'.length;

/** The last day that was found to exist. Most times in a row are of one day, and finding out takes long. */
let lastRealDay = '0001-01-01';

const nodeTypes: Record<string, NodeType> = { compute: 'Compute', requester: 'Requester' };

// Returns a schema for the type of a node. Bacalhau reads the type in any case and trims blanks. It refuses the whole
// message for any other type.
function nodeType() {
  return v.pipe(
    v.string(),
    v.transform(name => (name === '' ? '' : nodeTypes[name.trim().toLowerCase()])),
    v.picklist(['Compute', 'Requester', ''], 'a node type is Compute or Requester'),
  );
}
