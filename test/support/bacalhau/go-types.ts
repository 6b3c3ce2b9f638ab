// What the command line of Bacalhau reads from the answers of a server, as Go declares it.
import type { GoType } from './go-json.ts';
import { facts, type Release } from './releases.ts';

const texts: GoType = { list: 'string' };
const gpu: GoType = {
  struct: { Index: 'uint64', Name: 'string', Vendor: 'string', Memory: 'uint64', PCIAddress: 'string' },
};
const resources: GoType = {
  struct: { CPU: 'float64', Memory: 'uint64', Disk: 'uint64', GPU: 'uint64', GPUs: { list: gpu } },
};
const buildMembers: Record<string, GoType> = {
  Major: 'string',
  Minor: 'string',
  GitVersion: 'string',
  GitCommit: 'string',
  BuildDate: 'time',
  GOOS: 'string',
  GOARCH: 'string',
};
const nodeInformation: GoType = {
  struct: {
    NodeID: 'string',
    NodeType: 'nodeType',
    Labels: { map: 'string' },
    SupportedProtocols: texts,
    ComputeNodeInfo: {
      struct: {
        ExecutionEngines: texts,
        Publishers: texts,
        StorageSources: texts,
        MaxCapacity: resources,
        QueueCapacity: resources,
        AvailableCapacity: resources,
        MaxJobRequirements: resources,
        RunningExecutions: 'int',
        EnqueuedExecutions: 'int',
        address: 'string',
      },
    },
    BacalhauVersion: { struct: buildMembers },
  },
};
const connectionState: GoType = {
  struct: {
    Status: 'string',
    LastHeartbeat: 'time',
    LastComputeSeqNum: 'uint64',
    LastOrchestratorSeqNum: 'uint64',
    ConnectedSince: 'time',
    DisconnectedSince: 'time',
    LastError: 'string',
  },
};

/** A node in an answer of a server, and its record in the store. */
export const nodeState = (release: Release): GoType => ({
  struct: {
    Info: nodeInformation,
    Membership: 'string',
    Connection: 'string',
    ...(facts[release].commandLine.hasConnectionState ? { ConnectionState: connectionState } : {}),
  },
});

/** The answers by the name of what was asked for. */
export const answers = {
  methods: (): GoType => ({
    struct: { NextToken: 'string', Methods: { map: { struct: { type: 'string', params: schema } } } },
  }),
  login: (): GoType => ({
    struct: { Authentication: { struct: { success: 'bool', reason: 'string', token: 'string' } } },
  }),
  nodes: (release: Release): GoType => ({
    struct: { NextToken: 'string', Nodes: { list: nodeState(release) } },
  }),
  node: (release: Release): GoType => ({ struct: { Node: nodeState(release) } }),
  decision: (): GoType => ({ struct: { Success: 'bool', Error: 'string' } }),
  alive: (): GoType => ({ struct: { Status: 'string' } }),
  version: (): GoType => ({ struct: buildMembers }),
  formerVersion: (): GoType => ({ struct: { build_version_info: { struct: buildMembers } } }),
  agentNode: (release: Release): GoType =>
    facts[release].commandLine.agentNode === 'node state' ? nodeState(release) : nodeInformation,
  agentConfig: (): GoType => ({ struct: { config: { struct: configuration } } }),
  jobs: (): GoType => ({ struct: { NextToken: 'string', Items: { list: { struct: { ID: 'string' } } } } }),
  job: (): GoType => ({ struct: { Job: { struct: { ID: 'string' } } } }),
  submitted: (): GoType => ({ struct: { JobID: 'string', EvaluationID: 'string', Warnings: texts } }),
} as const;

/** The JSON Schema of the type `ask`, as far as the command line reads it. */
const schema: GoType = {
  struct: {
    type: 'string',
    properties: { map: { struct: { type: 'string', writeOnly: 'bool' } } },
    required: texts,
  },
};

const configuration: Record<string, GoType> = {
  API: { struct: { Host: 'string', Port: 'int' } },
  NameProvider: 'string',
  DataDir: 'string',
  Labels: { map: 'string' },
  Logging: { struct: { Level: 'string', Mode: 'string' } },
  Orchestrator: {
    struct: {
      Enabled: 'bool',
      Host: 'string',
      Port: 'int',
      Auth: { struct: { Token: 'string' } },
      NodeManager: { struct: { DisconnectTimeout: 'duration', ManualApproval: 'bool' } },
    },
  },
};
