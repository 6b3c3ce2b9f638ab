// Makes simulated nodes: their ids, what they report, and their records in the requester's store.
import { nodeInfo } from '../../agent/compute/survey/node-info.ts';
import type { RegisterRequest, Sender, UpdateResourcesRequest } from '../../agent/protocol/messages.ts';
import type { NodeState } from '../../agent/protocol/node-state.ts';
import type { Resources } from '../../agent/protocol/resources.ts';
import { register } from '../../agent/requester/roll/membership.ts';
import { version } from '../../agent/system/version.ts';

const number = (index: number) => String(index).padStart(12, '0');

export const nodeIdOf = (index: number): string => `n-7c1d2a34-5b6e-4f70-8a91-${number(index)}`;
export const sessionOf = (index: number): string => `5e551010-5b6e-4f70-8a91-${number(index)}`;

/** Returns a Register or UpdateNodeInfo message, as an agent on a virtual machine sends it. */
export function registerOf(index: number, cluster = ''): RegisterRequest {
  const id = nodeIdOf(index);
  const machine = {
    hostname: `host-${index}.example.net`,
    operatingSystem: 'linux',
    architecture: 'amd64',
    kernel: '6.12.41+deb13-amd64',
    osName: 'Debian GNU/Linux 13 (trixie)',
    cpuModel: 'AMD EPYC 7763 64-Core Processor',
    cpus: 8,
    // The nodes are machines of twenty kinds.
    memory: 33_664_442_368 + (index % 20) * 2 ** 30,
    disk: 512_110_190_592,
    virtualisation: 'KVM',
  };
  const labels = {
    'kubernetes.io/hostname': machine.hostname,
    'muster/arch': 'amd64',
    'muster/os': 'linux',
    rack: `r${index % 40}`,
    zone: `z${index % 3}`,
  };
  return {
    Info: nodeInfo(id, machine, offeredBy(index), free(index), labels),
    Muster: senderOf(index, cluster),
  };
}

/** Returns an UpdateResources message. */
export function resourcesOf(index: number, cluster: string): UpdateResourcesRequest {
  return {
    NodeID: nodeIdOf(index),
    AvailableCapacity: free(index),
    QueueUsedCapacity: {},
    Usage: {
      CPU: Math.round(Math.random() * 800) / 100,
      Memory: Math.round(Math.random() * 33e9),
      Disk: Math.round(Math.random() * 512e9),
      Load: Math.round(Math.random() * 800) / 100,
    },
    Muster: senderOf(index, cluster),
  };
}

/** Returns the record that the requester writes when this node registers and is approved at once. */
export function recordOf(index: number): NodeState {
  const outcome = register({ kind: 'absent', revision: 0 }, registerOf(index), {
    manualApproval: false,
    now: new Date().toISOString(),
    session: sessionOf(index),
    publicKey: undefined,
  });
  if (!outcome.write) throw new Error(`a simulated node is refused: ${outcome.reason}`);
  return outcome.write;
}

const senderOf = (index: number, cluster: string): Sender => ({
  Version: version,
  ClusterID: cluster || undefined,
  Session: sessionOf(index),
  Instance: `1057a4ce-5b6e-4f70-8a91-${number(index)}`,
  BootID: `b0071d00-5b6e-4f70-8a91-${number(index)}`,
});

/**
 * Returns the offered resources: a share of the resources that were free when the agent started, different for each
 * machine.
 */
const offeredBy = (index: number): Resources => ({
  CPU: 6.4,
  Memory: 26_931_553_894,
  Disk: 361_204_318_208 - index * 4096,
});

/** Returns the free resources. They differ each time, as on a busy machine. */
const free = (index: number): Resources => ({
  CPU: Math.round(Math.random() * 640) / 100,
  Memory: Math.round(Math.random() * 26e9) + index,
  Disk: Math.round(Math.random() * 361e9) + index,
});
