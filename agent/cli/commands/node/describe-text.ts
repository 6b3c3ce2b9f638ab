// Describes a node for people: sections with aligned names and readable units. Rows without a value are left out.
import type { ShownNode } from '../../../api/answers.ts';
import { cordonText, drainText } from '../../../output/node-text/cordon-text.ts';
import { formerIdRows, formerRows } from '../../../output/node-text/former-text.ts';
import { labelRows } from '../../../output/node-text/label-text.ts';
import {
  conditionRows,
  conflictText,
  decisionRows,
  optionalTime,
  row,
} from '../../../output/node-text/node-rows.ts';
import { sectionsText } from '../../../output/sections.ts';
import type { TextRow, TextSection } from '../../../protocol/explanation.ts';
import { executionsOf, statusOf } from '../../../protocol/listed-node.ts';
import type { GpuUsage } from '../../../protocol/messages.ts';
import { isNeverHeard, silenceOf } from '../../../protocol/node-silence.ts';
import type { Gpu, Resources } from '../../../protocol/resources.ts';
import { agoText, durationText, sizeText } from '../../../protocol/unit-text.ts';

/**
 * Returns the text. `now` is the present time, for texts such as "5 min ago". Values that need more than `columns` are broken
 * between words.
 */
export function describeText(node: ShownNode, now: Date, columns = 80): string {
  const { Info } = node;
  const sections: TextSection[] = [
    { title: Info.NodeID, rows: nodeRows(node, now) },
    { title: 'conditions', rows: conditionRows(node, now) },
    { title: 'machine', rows: machineRows(node) },
    { title: 'capacity', rows: capacityRows(node) },
    { title: 'in use', rows: usageRows(node, now) },
    { title: 'GPUs', rows: gpuRows(node) },
    { title: 'executions', rows: executionRows(node, now) },
  ];
  // Names of labels may be long, so they do not change the width of the column in the other sections.
  const labels = { title: 'labels', rows: labelRows(node, now) };
  return [sectionsText(sections, columns), sectionsText([labels], columns)].filter(Boolean).join('\n');
}

function nodeRows(node: ShownNode, now: Date): TextRow[] {
  const { Info, Membership, ConnectionState, Muster } = node;
  const connected = ConnectionState?.Status === 'CONNECTED';
  const since = connected ? ConnectionState?.ConnectedSince : ConnectionState?.DisconnectedSince;
  return [
    ...row('type', Info.NodeType),
    ...row('approval', Membership === 'PENDING' ? pendingText(Info.NodeID) : Membership),
    ...decisionRows(node, now),
    ...formerIdRows(node, now),
    ...formerRows(node, now),
    ...row('cordoned', cordonText(node, now)),
    ...row('why', Muster?.Cordon?.Reason),
    ...row('drain', drainText(node, now)),
    ...row('status', statusText(node, now)),
    ...row('fingerprint', fingerprintText(node)),
    ...row('conflict', conflictText(node, now)),
    ...row(connected ? 'connected' : 'disconnected', optionalTime(since, now)),
    ...row('last error', ConnectionState?.LastError),
    ...row('registered', optionalTime(Muster?.RegisteredAt, now)),
    ...row('join code', Muster?.JoinCode),
    ...row('version', versionText(node)),
    // The agents of muster speak one protocol.
    ...row('protocol', Info.Agent ? undefined : Muster?.Protocol),
  ];
}

const pendingText = (id: string): string => `PENDING; to let it take part: muster node approve ${id}`;

function fingerprintText({ Info, Muster }: ShownNode): string | undefined {
  if (Info.NodeType === 'Requester' || !Muster) return undefined;
  return Muster.Fingerprint ?? 'unverified: the requester checks no key of this node';
}

function statusText(node: ShownNode, now: Date): string {
  const status = statusOf(node);
  if (node.Info.NodeType === 'Requester')
    return node.Muster ? `${status}, because a requester sends no heartbeats` : status;
  const silenceMs = silenceOf(node, now);
  if (silenceMs !== undefined) return `${status}, last heard ${durationText(silenceMs)} ago`;
  return isNeverHeard(node) ? `${status}, never heard` : status;
}

function versionText({ Info }: ShownNode): string | undefined {
  const { Agent, BacalhauVersion } = Info;
  if (Agent?.Version) return `muster ${Agent.Version}`;
  return BacalhauVersion.GitVersion ? `Bacalhau ${BacalhauVersion.GitVersion}` : undefined;
}

function machineRows({ Info }: ShownNode): TextRow[] {
  const { Hostname, Address, BacalhauVersion, Host } = Info;
  const { GOOS, GOARCH } = BacalhauVersion;
  const cpus = Host?.CPUs ? `${Host.CPUs} logical ${Host.CPUs === 1 ? 'CPU' : 'CPUs'}` : '';
  return [
    ...row('hostname', Hostname),
    ...row('address', Address && [Address.IP, Address.Why && `(${Address.Why})`].filter(Boolean).join(' ')),
    ...row('system', Host?.OS),
    ...row('platform', [GOOS, GOARCH].filter(Boolean).join('/')),
    ...row('kernel', Host?.Kernel),
    ...row('virtualisation', Host?.Virtualisation),
    ...row('processor', [Host?.CPUModel, cpus].filter(Boolean).join(', ')),
    ...row('memory', Host?.Memory ? sizeText(Host.Memory) : undefined),
    ...row('disk', Host?.Disk ? sizeText(Host.Disk) : undefined),
    ...row('GPU driver', Host?.GPUDriver),
  ];
}

const quantities = [
  ['CPU', 'CPU', cores],
  ['memory', 'Memory', sizeText],
  ['disk', 'Disk', sizeText],
  ['GPU', 'GPU', String],
] as const;

/** Returns what the node offers, and how much of it is available. For a silent node the available part is unknown. */
function capacityRows({ Info, Connection }: ShownNode): TextRow[] {
  const { MaxCapacity, AvailableCapacity, QueueCapacity, MaxJobRequirements } = Info.ComputeNodeInfo;
  // Zero amounts are left out, but some disk is always free.
  const isAvailableKnown = Object.keys(AvailableCapacity).length > 0;
  const rows = quantities.flatMap(([label, name, format]): TextRow[] => {
    const offered = MaxCapacity[name];
    if (!offered) return [];
    if (Connection !== 'CONNECTED' || !isAvailableKnown) return [[label, format(offered)]];
    return [[label, `${partText(AvailableCapacity[name] ?? 0, offered, format)} available`]];
  });
  const limit = resourcesText(MaxJobRequirements);
  return [
    ...rows,
    ...row('queued', resourcesText(QueueCapacity)),
    ...row('for one job', limit === resourcesText(MaxCapacity) ? undefined : limit),
  ];
}

function partText(part: number, whole: number, format: (amount: number) => string): string {
  const few = part === 0 ? 'none' : part === whole ? 'all' : format(part);
  return `${few} of ${format(whole)}`;
}

function resourcesText(resources: Resources): string {
  return quantities
    .flatMap(([label, name, format]) => (resources[name] ? `${label} ${format(resources[name])}` : []))
    .join(', ');
}

function cores(amount: number): string {
  return String(Math.round(amount * 100) / 100);
}

/** Returns what of the whole machine is in use, by whatever program. */
function usageRows({ Info: { Host }, Muster }: ShownNode, now: Date): TextRow[] {
  const { Usage, ResourcesAt } = Muster ?? {};
  if (!Usage) return [];
  return [
    ['CPU', usedText(Usage.CPU, Host?.CPUs, cores)],
    ['memory', usedText(Usage.Memory, Host?.Memory, sizeText)],
    ['disk', usedText(Usage.Disk, Host?.Disk, sizeText)],
    ['load', cores(Usage.Load)],
    ...row('measured', optionalTime(ResourcesAt, now)),
  ];
}

const usedText = (used: number, whole: number | undefined, format: (amount: number) => string): string =>
  whole ? `${format(used)} of ${format(whole)}` : format(used);

function gpuRows({ Info, Muster }: ShownNode): TextRow[] {
  const usages = Muster?.Usage?.GPUs ?? [];
  return (Info.ComputeNodeInfo.MaxCapacity.GPUs ?? []).flatMap((gpu): TextRow[] => {
    const usage = usages.find(
      ({ Index, PCIAddress }) => Index === gpu.Index && PCIAddress === gpu.PCIAddress,
    );
    return [[`GPU ${gpu.Index}`, gpuText(gpu)], ...row('', usage && gpuUsageText(usage))];
  });
}

function gpuText({ Vendor, Name, Memory, PCIAddress }: Gpu): string {
  const name = Name.toLowerCase().startsWith(Vendor.toLowerCase()) ? Name : `${Vendor} ${Name}`;
  return [name, Memory ? gibibytes(Memory) : '', PCIAddress ? `at ${PCIAddress}` : '']
    .filter(Boolean)
    .join(', ');
}

function gpuUsageText({ Memory, Utilisation, Temperature, Power }: GpuUsage): string {
  const parts = [
    Utilisation === undefined ? '' : `${Math.round(Utilisation)} % busy`,
    Memory === undefined ? '' : `${gibibytes(Memory)} in use`,
    Temperature === undefined ? '' : `${Math.round(Temperature)} °C`,
    Power === undefined ? '' : `${Math.round(Power)} W`,
  ];
  return parts.filter(Boolean).join(', ');
}

/** Returns mebibytes as GiB, the unit in which GPUs are sold. */
const gibibytes = (mebibytes: number): string => `${(mebibytes / 1024).toFixed(1)} GiB`;

/** Returns the rows that only nodes of Bacalhau have: what they can execute, and what they execute now. */
function executionRows(node: ShownNode, now: Date): TextRow[] {
  const { ExecutionEngines, Publishers, StorageSources, address } = node.Info.ComputeNodeInfo;
  const { running, waiting, at } = executionsOf(node) ?? {};
  const runningText = [String(running), at && `as it said ${agoText(at, now)}`].filter(Boolean).join(', ');
  return [
    ...row('engines', ExecutionEngines?.join(', ')),
    ...row('publishers', Publishers?.join(', ')),
    ...row('sources', StorageSources?.join(', ')),
    ...row('running', running === undefined ? undefined : runningText),
    ...row('waiting', waiting?.toString()),
    ...row('address', address),
  ];
}
