// Builds the node's information in the form of the protocol: what the machine is, what it offers, and its labels.
import type { ChosenAddress } from '../../host/address.ts';
import type { MachineFacts } from '../../host/machine-facts.ts';
import { type NodeCondition, type NodeInfo, zeroTime } from '../../protocol/node-info.ts';
import type { Resources } from '../../protocol/resources.ts';
import { version } from '../../system/version.ts';

/** A description of the machine. A member is absent while it is unknown. */
export interface HostDescription {
  hostname: string;
  /** Go's name of the operating system, such as `linux`. */
  operatingSystem: string;
  /** Go's name of the architecture, such as `amd64`. */
  architecture: string;
  kernel?: string | undefined;
  osName?: string | undefined;
  cpuModel?: string | undefined;
  /** Number of logical CPUs that the agent may use. */
  cpus?: number | undefined;
  /** Memory, in bytes. */
  memory?: number | undefined;
  /** Disk, in bytes. */
  disk?: number | undefined;
  virtualisation?: string | undefined;
  gpuDriver?: string | undefined;
}

/** Describes the machine by its facts, and by the figures that are not among the facts. */
export function describeHost(
  facts: MachineFacts,
  {
    usableCpus,
    disk,
    gpuDriver,
  }: { usableCpus: number; disk: number | undefined; gpuDriver: string | undefined },
): HostDescription {
  return {
    hostname: facts.hostname.value,
    operatingSystem: facts.operatingSystem.value,
    architecture: facts.architecture.value,
    kernel: facts.kernel.value,
    osName: facts.osName?.value,
    cpuModel: facts.cpuModel?.value,
    cpus: usableCpus,
    memory: facts.memory.value,
    disk,
    virtualisation: facts.virtualisation?.value,
    gpuDriver,
  };
}

/**
 * Returns the node's information. `offered` is what the node gives to the cluster; `available` is the free part of it. `takesId`
 * says whether the node takes another id when an operator renames it.
 *
 * It lists no engines, because muster runs no jobs. It lists only bprotocol, because Bacalhau ≥ 1.6 refuses requests in
 * bprotocol from a node that also lists ncl/v1. Its Bacalhau version is empty, which Bacalhau reads as "unknown,
 * allowed".
 */
export function nodeInfo(
  nodeId: string,
  host: HostDescription,
  offered: Resources,
  available: Resources,
  labels: Record<string, string>,
  conditions: readonly NodeCondition[] = [],
  address?: ChosenAddress,
  takesId?: boolean,
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
      GOOS: host.operatingSystem,
      GOARCH: host.architecture,
    },
    Hostname: host.hostname,
    Host: {
      Kernel: host.kernel,
      OS: host.osName,
      CPUModel: host.cpuModel,
      CPUs: host.cpus,
      Memory: host.memory,
      Disk: host.disk,
      Virtualisation: host.virtualisation,
      GPUDriver: host.gpuDriver,
    },
    ...(address?.ip === undefined ? {} : { Address: { IP: address.ip, Why: address.why.slice(0, 512) } }),
    Agent: { Version: version, ...(takesId === undefined ? {} : { TakesID: takesId }) },
    ...(conditions.length > 0 ? { Conditions: [...conditions] } : {}),
  };
}
