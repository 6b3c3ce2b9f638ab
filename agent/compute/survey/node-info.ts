// Puts this node's information together: what the machine is, what it offers, what its labels say.
import { type NodeCondition, type NodeInfo, zeroTime } from '../../protocol/node-info.ts';
import type { Resources } from '../../protocol/resources.ts';
import { version } from '../../system/version.ts';

/** What `host/` found out, in the words of the protocol. Absent members are not known yet. */
export interface Machine {
  hostname: string;
  /** Go's names: `linux`, `amd64`. */
  operatingSystem: string;
  architecture: string;
  kernel?: string | undefined;
  osName?: string | undefined;
  cpuModel?: string | undefined;
  cpus?: number | undefined;
  /** Bytes. */
  memory?: number | undefined;
  /** Bytes. */
  disk?: number | undefined;
  virtualisation?: string | undefined;
  gpuDriver?: string | undefined;
}

/**
 * `offered` is the capacity for the cluster, `available` what of it is free now.
 *
 * It names no engines, as it runs no jobs, and only bprotocol: a node that lists ncl/v1 is refused by Bacalhau ≥ 1.6 on
 * the protocol we speak (wire protocol 9). Its Bacalhau version is empty: to Bacalhau that is "unknown, allowed".
 */
export function nodeInfo(
  nodeId: string,
  machine: Machine,
  offered: Resources,
  available: Resources,
  labels: Record<string, string>,
  conditions: readonly NodeCondition[] = [],
): NodeInfo {
  return {
    NodeID: nodeId,
    NodeType: 'Compute',
    Labels: labels,
    SupportedProtocols: ['bprotocol/v2'],
    ComputeNodeInfo: {
      ExecutionEngines: null,
      Publishers: null,
      StorageSources: null,
      MaxCapacity: offered,
      QueueCapacity: {},
      AvailableCapacity: available,
      MaxJobRequirements: offered,
      RunningExecutions: 0,
      EnqueuedExecutions: 0,
      address: '',
    },
    BacalhauVersion: {
      GitVersion: '',
      GitCommit: '',
      BuildDate: zeroTime,
      GOOS: machine.operatingSystem,
      GOARCH: machine.architecture,
    },
    Hostname: machine.hostname,
    Host: {
      Kernel: machine.kernel,
      OS: machine.osName,
      CPUModel: machine.cpuModel,
      CPUs: machine.cpus,
      Memory: machine.memory,
      Disk: machine.disk,
      Virtualisation: machine.virtualisation,
      GPUDriver: machine.gpuDriver,
    },
    Agent: { Version: version },
    ...(conditions.length > 0 ? { Conditions: [...conditions] } : {}),
  };
}
