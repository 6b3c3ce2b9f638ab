// Makes the rows of the page from what the requester knows of nodes.
import { notesOf } from '../../output/node-note.ts';
import { isDraining } from '../../protocol/cordon.ts';
import type { MusterView } from '../../protocol/http.ts';
import { isUnverified } from '../../protocol/listed-node.ts';
import type { GpuUsage } from '../../protocol/messages.ts';
import { type NodeInfo, zeroTime } from '../../protocol/node-info.ts';
import type { Gpu, Resources } from '../../protocol/resources.ts';
import type {
  RollAmounts,
  RollCordon,
  RollFigures,
  RollGpuUse,
  RollLabel,
  RollMachine,
  RollRow,
} from '../../protocol/roll-rows.ts';
import { type SeenNode, viewOf } from '../directory/seen-node.ts';

/** Returns the row of a node. `requesters` is the number of requesters on the roll. */
export function rollRow(seen: SeenNode, now: Date, requesters: number): RollRow {
  const view = viewOf(seen);
  const { Info, Membership, Muster } = view;
  const { MaxCapacity } = Info.ComputeNodeInfo;
  return {
    ...rollFigures(seen),
    type: Info.NodeType === 'Requester' ? 'Requester' : 'Compute',
    host: Info.Hostname ?? '',
    machine: machineOf(Info),
    approval: Membership || 'PENDING',
    status: Muster.Health,
    notes: notesOf(view, { now, requesters }),
    conditions: (Info.Conditions ?? []).map(({ Type, Reason, Since }) => ({
      type: Type,
      reason: Reason,
      since: timeOf(Since),
    })),
    labels: labelsOf(Info, Muster),
    schedulable: Muster.Schedulable === true,
    cordon: cordonOf(Muster.Cordon),
    decision: Muster.Decision
      ? {
          action: Muster.Decision.Action,
          reason: Muster.Decision.Reason,
          actor: Muster.Decision.Actor,
          at: timeOf(Muster.Decision.At),
        }
      : null,
    capacity: amountsOf(MaxCapacity),
    gpus: (MaxCapacity.GPUs ?? []).map(({ Index, Name, Vendor, Memory }) => ({
      index: Index,
      name: Name,
      vendor: Vendor,
      memoryMib: Memory,
    })),
    heardAt: seen.liveness?.lastSeenAt ?? null,
    left: seen.liveness?.left === true,
    address: Info.Address?.IP ?? '',
    fingerprint: Muster.Fingerprint ?? '',
    joinCode: Muster.JoinCode ?? '',
    registeredAt: timeOf(Muster.RegisteredAt),
    version: Info.Agent?.Version ?? Info.BacalhauVersion.GitVersion,
    protocol: Muster.Protocol ?? Info.SupportedProtocols?.[0] ?? '',
    conflict: conflictOf(Muster.Conflict),
    unverified: isUnverified(view),
    isBack: Muster.Former !== undefined,
    watches: seen.watches,
  };
}

/** Returns the members of the row that change with each report of resources. */
export function rollFigures({ id, state, health, resources, executions }: SeenNode): RollFigures {
  const { usage } = resources ?? {};
  const gpus = state.Info.ComputeNodeInfo.MaxCapacity.GPUs ?? [];
  return {
    id,
    available: amountsOf((health === 'HEALTHY' && resources?.available) || {}),
    used: usage ? { cpu: usage.CPU, memory: usage.Memory, disk: usage.Disk, load: usage.Load } : null,
    gpuUse: gpus.map(gpu => gpuUseOf(gpu, usage?.GPUs)),
    running: executions?.running ?? null,
    waiting: executions?.waiting ?? null,
    figuresAt: resources?.at.getTime() ?? null,
  };
}

const amountsOf = ({ CPU = 0, Memory = 0, Disk = 0, GPU = 0 }: Resources): RollAmounts => ({
  cpu: CPU,
  memory: Memory,
  disk: Disk,
  gpu: GPU,
});

// Some drivers number their GPUs anew, so a GPU that is known by its address is found by that.
function gpuUseOf({ Index, PCIAddress }: Gpu, uses: readonly GpuUsage[] | undefined): RollGpuUse | null {
  const byAddress = PCIAddress ? uses?.find(use => use.PCIAddress === PCIAddress) : undefined;
  const use = byAddress ?? uses?.find(each => each.Index === Index);
  if (!use) return null;
  return {
    memoryMib: use.Memory ?? null,
    utilisation: use.Utilisation ?? null,
    temperature: use.Temperature ?? null,
    power: use.Power ?? null,
  };
}

const machineOf = ({ Host, BacalhauVersion }: NodeInfo): RollMachine => ({
  os: Host?.OS ?? BacalhauVersion.GOOS,
  kernel: Host?.Kernel ?? '',
  arch: BacalhauVersion.GOARCH,
  cpuModel: Host?.CPUModel ?? '',
  cpus: Host?.CPUs ?? null,
  memory: Host?.Memory ?? null,
  disk: Host?.Disk ?? null,
  virtualisation: Host?.Virtualisation ?? '',
  gpuDriver: Host?.GPUDriver ?? '',
});

/** Returns all labels with where each comes from. Those of the control plane are among those of the information. */
function labelsOf({ Labels }: NodeInfo, { LabelOrigins = [] }: MusterView): RollLabel[] {
  return Object.entries(Labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      const origin = LabelOrigins.find(({ Label }) => Label === key);
      if (!origin) return { key, value, from: 'node', by: '' };
      return origin.JoinCode
        ? { key, value, from: 'code', by: origin.JoinCode }
        : { key, value, from: 'operator', by: origin.Actor };
    });
}

function cordonOf(cordon: MusterView['Cordon']): RollCordon | null {
  if (!cordon) return null;
  return {
    reason: cordon.Reason,
    actor: cordon.Actor,
    at: timeOf(cordon.At) ?? 0,
    until: timeOf(cordon.Until),
    drain: isDraining(cordon) ? 'draining' : cordon.Drain ? 'drained' : null,
    deadline: timeOf(cordon.Drain?.Deadline),
  };
}

function conflictOf(conflict: MusterView['Conflict']): RollRow['conflict'] {
  if (!conflict) return null;
  const agents = conflict.Agents.map(({ Host, Instance, Address, Fingerprint }) => ({
    host: Host,
    instance: Instance,
    address: Address,
    fingerprint: Fingerprint,
  }));
  return { at: timeOf(conflict.At) ?? 0, agents };
}

/** Returns a time in milliseconds since 1970; null for none. */
const timeOf = (time: string | undefined): number | null =>
  time === undefined || time === zeroTime ? null : Date.parse(time);
